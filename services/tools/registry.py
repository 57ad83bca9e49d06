"""The tools there are. A new one is one function and one entry here."""

from __future__ import annotations

from services.tools.display_cta import DISPLAY_CTA
from services.tools.fetch_video import FETCH_VIDEO
from services.tools.tool import declared

TOOLS = declared(
    {
        "fetch_video": FETCH_VIDEO,
        "display_cta": DISPLAY_CTA,
    }
)

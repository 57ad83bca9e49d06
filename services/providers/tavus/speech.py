"""Who spoke and what was said, cleared of what Tavus writes around it."""

from __future__ import annotations

import re
from typing import Any, Literal

Speaker = Literal["user", "assistant"]

# The same agent has had four names; `pal` and `replica` come as twins of one utterance.
SPEAKERS: dict[str, Speaker] = {
    "user": "user",
    "assistant": "assistant",
    "agent": "assistant",
    "replica": "assistant",
    "pal": "assistant",
}

# https://docs.tavus.io/sections/conversational-video-interface/faq: personas of 2025 put what was
# seen into the user's line.
USER_SPEECH = re.compile(r"USER[ _]SPEECH:")
VISUAL_SCENE = re.compile(r"VISUAL[ _]SCENE:")


def speaker(role: Any) -> Speaker | None:
    """Return the one who spoke, or None for a role that nobody hears (system, tool)."""
    return SPEAKERS.get(role.strip().lower()) if isinstance(role, str) else None


def spoken(content: str, role: Speaker) -> str:
    """Return what was said, trimmed, without the scene described around a user's words."""
    if role == "user":
        content = _heard(content)
    return content.strip()


def _heard(content: str) -> str:
    before, *after = USER_SPEECH.split(content)
    kept = after if after else [before]
    return " ".join(VISUAL_SCENE.split(part, maxsplit=1)[0].strip() for part in kept)

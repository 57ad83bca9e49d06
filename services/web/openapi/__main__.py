"""Writes docs/openapi.json from the code: `make openapi`."""

from __future__ import annotations

from pathlib import Path

from app import create_app
from services.settings import load_settings
from services.web.openapi.document import document
from services.web.openapi.routes import written

PAGE = Path("docs/openapi.json")
SETTINGS = {
    "SUPABASE_URL": "https://project.example.test",
    "SUPABASE_SECRET_KEY": "sb_secret_of_nobody",
    "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_of_nobody",
    "TAVUS_WEBHOOK_TOKEN": "token-of-nobody",
}
"""What the service does not start without; nothing of it is in the document."""


def generated() -> str:
    """Return the description of this code's API."""
    return written(document(create_app(load_settings(SETTINGS))))


if __name__ == "__main__":
    PAGE.write_text(generated())

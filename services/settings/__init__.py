"""The settings, of the environment, `.env` and mounted files: read once, checked all at once."""

from services.settings.settings import (
    OPENAI_BASE_URL,
    Settings,
    given,
    load_settings,
    names,
    raw_settings,
    unset,
)

__all__ = [
    "OPENAI_BASE_URL",
    "Settings",
    "given",
    "load_settings",
    "names",
    "raw_settings",
    "unset",
]

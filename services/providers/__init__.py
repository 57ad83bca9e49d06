"""The senders, one record each."""

from __future__ import annotations

from services.provider import Provider
from services.providers.tavus import TAVUS

PROVIDERS: tuple[Provider, ...] = (TAVUS,)


def provider_for(path: str) -> Provider | None:
    """Return the sender that calls this path, or None when nobody does."""
    return next((provider for provider in PROVIDERS if path in provider.paths), None)

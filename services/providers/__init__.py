"""The senders, one record each."""

from __future__ import annotations

from services.provider import Provider
from services.providers.calendly import CALENDLY
from services.providers.source import source_provider
from services.providers.stripe import STRIPE
from services.providers.tavus import TAVUS
from services.providers.twilio import TWILIO
from services.settings import Settings

PROVIDERS: tuple[Provider, ...] = (
    TAVUS,
    STRIPE,
    CALENDLY,
    TWILIO,
)


def providers(settings: Settings) -> tuple[Provider, ...]:
    """Return the built-in senders and those that the settings declare."""
    declared = settings.webhook_sources.items()
    return (*PROVIDERS, *(source_provider(name, source) for name, source in declared))

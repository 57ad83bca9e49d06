"""The settings that open something, or name an address that does: never shown, never handed on.

docs/secrets.md says of each what it opens, what follows when it leaks, and how it is replaced.
"""

from __future__ import annotations

from collections.abc import Mapping

from services.settings.files import SUFFIX

SECRETS = (
    "SUPABASE_SECRET_KEY",
    "SUPABASE_SERVICE_ROLE_KEY",
    "DATABASE_URL",
    "TAVUS_API_KEY",
    "TAVUS_WEBHOOK_SECRET",
    "TAVUS_WEBHOOK_TOKEN",
    "TAVUS_TOOL_SECRET",
    "CALLBACK_SIGNING_KEY",
    "TWILIO_AUTH_TOKEN",
    "TWILIO_SHARED_KEYS",
    "STRIPE_WEBHOOK_SECRET",
    "CALENDLY_API_KEY",
    "CALENDLY_WEBHOOK_SIGNING_KEY",
    "CALENDLY_WEBHOOK_TOKEN",
    "WEBHOOK_SOURCES",
    "WEBHOOK_SECRETS_KEY",
    "METRICS_TOKEN",
    "RATE_LIMIT_STORAGE_URL",
    "OPENAI_API_KEY",
    "SENTRY_DSN",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "ALERT_WEBHOOK_URL",
    "ALERT_WEBHOOK_SECRET",
    "ALERT_SLACK_URL",
)


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment for a program of others: without secrets, and where they lie."""
    kept_back = {*SECRETS, *(name + SUFFIX for name in SECRETS)}
    return {name: text for name, text in environment.items() if name not in kept_back}

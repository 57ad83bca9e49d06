"""Checks of what the settings say."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from services.doctor.finding import Finding, fail, ok, warn
from services.doctor.patient import Patient
from services.reach.public_url import is_loopback
from services.settings.secret_names import SECRETS
from services.settings.values import items

COMPOSED = frozenset(
    {
        "DATABASE_URL",
        "TWILIO_SHARED_KEYS",
        "WEBHOOK_SOURCES",
        "RATE_LIMIT_STORAGE_URL",
        "SENTRY_DSN",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "ALERT_WEBHOOK_URL",
        "ALERT_SLACK_URL",
    }
)
"""Settings with a secret somewhere in them; the others are secrets, between commas or on lines."""
PLAIN = tuple(name for name in SECRETS if name not in COMPOSED)
SHORTEST = 16
"""Characters below which a secret may be guessed."""


def check_secrets(patient: Patient) -> Finding:
    """Every secret is long enough, and nothing was pasted along with it."""
    problems = [
        f"{name} {problem}"
        for name in PLAIN
        for problem in _problems_of(patient.texts.get(name, ""))
    ]
    if problems:
        mend = "Make a new one: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
        return fail("secrets", "; ".join(problems), mend)
    named = sum(1 for name in PLAIN if patient.texts.get(name, "").strip())
    return ok("secrets", f"{named} set, none shorter than {SHORTEST} characters")


def _problems_of(text: str) -> Iterator[str]:
    if text != text.strip():
        yield "has white space around it"
    for secret in items(text):
        if "<random>" in secret:
            yield "is still the example's"
        elif len(secret) < SHORTEST:
            yield f"has {len(secret)} characters, {SHORTEST} or more are wanted"
        elif any(character.isspace() or character in "\"'" for character in secret):
            yield "has white space or a quotation mark in it"


def check_callbacks(patient: Patient) -> Finding:
    """Tavus has a way to prove that a callback is its own."""
    settings = patient.settings
    ways = {
        "signatures": settings.tavus_webhook_secrets,
        "a static token": settings.tavus_webhook_tokens,
        "a token for each conversation": settings.callback_signing_keys,
    }
    open_ways = [name for name, secrets in ways.items() if secrets]
    if not open_ways:
        mend = "Set TAVUS_WEBHOOK_TOKEN, CALLBACK_SIGNING_KEY or TAVUS_WEBHOOK_SECRET."
        return fail("callbacks", "no secret is set: every callback gets 401", mend)
    return ok("callbacks", "proved by " + ", ".join(open_ways))


def check_public_url(patient: Patient) -> Finding:
    """Senders reach the service by https, except on this machine."""
    url = patient.settings.public_base_url
    parts = urlsplit(url)
    if parts.username or parts.password:
        return fail("public URL", "it holds a password", "Take it out of PUBLIC_BASE_URL.")
    if is_loopback(url):
        if is_loopback(patient.settings.supabase_url):
            return ok("public URL", f"{url}, on this machine only")
        mend = "Set PUBLIC_BASE_URL to where Tavus reaches the service."
        return fail("public URL", f"{url} is this machine's own, no sender reaches it", mend)
    if parts.scheme != "https":
        mend = "Put a proxy that ends TLS in front, and https:// into PUBLIC_BASE_URL."
        return fail("public URL", f"{url}: tokens would travel in the open", mend)
    return ok("public URL", url)


def check_metrics(patient: Patient) -> Finding | None:
    """Several processes tell their metrics together."""
    settings = patient.settings
    if not settings.metrics_tokens:
        return None
    if settings.web_concurrency > 1 and settings.prometheus_multiproc_dir is None:
        seen = f"each of {settings.web_concurrency} processes tells what itself has counted"
        return warn("metrics", seen, "Set PROMETHEUS_MULTIPROC_DIR to a folder of its own.")
    return ok("metrics", "GET /metrics is open for METRICS_TOKEN")

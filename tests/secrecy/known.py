"""Which secrets there were: all that a test has given to a service or a command."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import unquote, urlsplit
from uuid import UUID

from services.security import callback_token
from services.settings import given
from services.settings.secret_names import SECRETS

SHORTEST = 8
"""Characters below which a text is found anywhere."""
_URLS = frozenset({"DATABASE_URL", "SENTRY_DSN", "RATE_LIMIT_STORAGE_URL"})
_WHOLE = frozenset({"OTEL_EXPORTER_OTLP_ENDPOINT", "ALERT_WEBHOOK_URL", "ALERT_SLACK_URL"})
"""Addresses, secret only with what stands in them."""


class Known:
    """Secrets by their text, each with the name of what it opens."""

    def __init__(self) -> None:
        """Begin with none."""
        self.names: dict[str, str] = {}

    def note(self, environment: Mapping[str, str]) -> None:
        """Remember every secret of an environment, and of the files that it names."""
        texts = given(environment).texts
        for name in SECRETS:
            for secret in _secrets(name, texts.get(name, "")):
                self.add(name, secret)

    def add(self, name: str, secret: str) -> None:
        """Remember a secret; the first name it came by stays."""
        if len(secret) >= SHORTEST:
            self.names.setdefault(secret, name)

    def tokens(self, conversations: Iterable[UUID]) -> dict[str, str]:
        """Return the token of every conversation's callback URL, for each key there was."""
        keys = [text for text, name in self.names.items() if name == "CALLBACK_SIGNING_KEY"]
        return {
            callback_token(key, row): f"callback token of {row}"
            for row in conversations
            for key in keys
        }


KNOWN = Known()
"""Those of this process's run."""


def _secrets(name: str, text: str) -> Iterator[str]:
    if name == "WEBHOOK_SOURCES":
        yield from _of_sources(text)
    elif name in _URLS:
        parts = urlsplit(text)
        yield unquote(parts.password or (parts.username if name == "SENTRY_DSN" else "") or "")
    elif name in _WHOLE:
        parts = urlsplit(text)
        # Slack's are secret by the last part of their path.
        yield from (parts.query, unquote(parts.password or ""), parts.path.rpartition("/")[2])
    elif name == "TWILIO_SHARED_KEYS":
        yield from (item.partition("=")[2].strip() for item in text.split(","))
    else:
        yield from (item.strip() for item in re.split(r"[,\n]", text))


def _of_sources(text: str) -> Iterator[str]:
    try:
        sources = json.loads(text or "{}")
    except ValueError:
        return
    for source in sources.values() if isinstance(sources, dict) else ():
        told = source.get("secret", "") if isinstance(source, dict) else ""
        for secret in [told] if isinstance(told, str) else told:
            yield from (item.strip() for item in str(secret).split(","))

"""Senders that the settings declare: WEBHOOK_SOURCES, a JSON object {name: {scheme, secret, …}}."""

from __future__ import annotations

import json
import re
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from services.validation import explain

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
ROUTES = ("logs", "senders", "statistics")
"""What else is below /api/webhooks."""
TAKEN = frozenset({"tavus", "tavus-relay", "twilio", "stripe", "calendly", *ROUTES})

Scheme = Literal["standard-webhooks", "hmac-sha1", "hmac-sha256", "bearer"]
Secrets = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    BeforeValidator(lambda told: [told] if isinstance(told, str) else told),
]


class Source(BaseModel):
    """How one sender proves itself, and where in its body the few things are that we need.

    `secret` may be a list, of which each is valid. Paths are dotted: `data.id`. `payload` says
    that its bodies are messages, which get rows of their own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    scheme: Scheme
    secret: Secrets = Field(default=(), repr=False)
    header: str = Field(default="X-Signature", pattern=r"^[A-Za-z0-9-]{1,100}$")
    prefix: str = ""
    encoding: Literal["hex", "base64"] = "hex"
    key: str | None = None
    event_type: str = "type"
    conversation_id: str | None = None
    payload: Literal["any", "message"] = "any"
    retries: bool = True


def read_sources(text: str) -> dict[str, Source]:
    """Return the sources that a setting declares. Raises ValueError, saying what is wrong."""
    try:
        told = json.loads(text)
    except ValueError:
        raise ValueError("is no JSON") from None
    if not isinstance(told, dict):
        raise ValueError("is no JSON object {name: {scheme, secret, …}}")
    return {name: _source(name, value) for name, value in told.items()}


def _source(name: str, told: object) -> Source:
    if not NAME.fullmatch(name) or name in TAKEN:
        raise ValueError(f"names {name[:64]!r}, which is no free name (a-z, 0-9, - and _)")
    try:
        source = Source.model_validate(told)
    except ValidationError as error:
        raise ValueError(f"is wrong in {name}: {explain(error)}") from None
    if source.scheme == "standard-webhooks":
        _check_keys(name, source.secret)
    return source


def _check_keys(name: str, secrets: tuple[str, ...]) -> None:
    # Not at the first call: it would be refused, and nobody would know why.
    from standardwebhooks import Webhook

    for secret in secrets:
        try:
            Webhook(secret)
        except Exception:
            raise ValueError(f"is wrong in {name}: secret is no whsec_ and base64") from None

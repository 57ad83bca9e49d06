"""What an attempt sends: the payload's bytes, and the headers of Standard Webhooks that sign them.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import Any

from standardwebhooks.webhooks import Webhook

from services.errors import ConvohooksError


class NoSecret(ConvohooksError):
    """No secret of the endpoint can be read: rotate it, or set WEBHOOK_SECRETS_KEY as it was."""


def body_of(payload: Mapping[str, Any]) -> bytes:
    """Return the bytes of a payload, the same at each attempt."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


def signed_headers(
    *,
    webhook_id: str,
    event_type: str,
    body: bytes,
    secrets: Sequence[str],
    at: datetime,
    own: Mapping[str, str],
) -> dict[str, str]:
    """Return the headers of an attempt: the endpoint's `own`, and ours, which win.

    Each of the secrets signs, the newest first, so that a receiver may know any of them. Raises
    NoSecret for none.
    """
    if not secrets:
        raise NoSecret()
    text = body.decode()
    at = at.astimezone(UTC)  # the library takes any other zone's hours for UTC's
    ours = {
        "Content-Type": "application/json",
        "User-Agent": user_agent(),
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(
            Webhook(secret).sign(webhook_id, at, text) for secret in secrets
        ),
        "X-Convohooks-Event": event_type,
    }
    reserved = {name.lower() for name in ours}
    return {name: value for name, value in own.items() if name.lower() not in reserved} | ours


@cache
def user_agent() -> str:
    """Return what this product calls itself to others."""
    return f"Convohooks/{version('convohooks')}"

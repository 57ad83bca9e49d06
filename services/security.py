"""Proof and secrecy, as pure functions (the seeds' WebhookSecurityService; it holds nothing).

Every check is total: any input gives a verdict, none an exception, and bytes are compared in
constant time.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID


def equal(presented: str, expected: str) -> bool:
    """Return whether two secrets are the same, in time that does not tell where they differ."""
    return hmac.compare_digest(_bytes(presented), _bytes(expected))


def equals_any(presented: str, expected: Iterable[str]) -> bool:
    """Return whether a secret is one of several valid ones; an empty one never is."""
    matches = [equal(presented, secret) for secret in expected]
    return bool(presented) and any(matches)


def hmac_sha256_hex(secret: str, message: bytes) -> str:
    """Return the HMAC-SHA256 of a message as lower-case hex, keyed by the secret's UTF-8 bytes."""
    return hmac.new(_bytes(secret), message, hashlib.sha256).hexdigest()


def signature_matches(presented: str, body: bytes, secrets: Iterable[str]) -> bool:
    """Return whether a hex HMAC-SHA256 of the body, with or without `sha256=`, fits any secret."""
    signature = presented.strip().removeprefix("sha256=").lower()
    return equals_any(signature, (hmac_sha256_hex(secret, body) for secret in secrets if secret))


def stamped_signatures(header: str) -> tuple[str | None, tuple[str, ...]]:
    """Return the time and the signatures of a header `t=<seconds>,v1=<hex>,…`, as they stand there.

    The time is None where there is not just one. Stripe and Calendly sign so; other schemes than v1
    are passed over.
    """
    items = [item.partition("=") for item in header.split(",")]
    times = [value for name, _, value in items if name == "t"]
    is_time = len(times) == 1 and times[0].isascii() and times[0].isdigit() and len(times[0]) <= 12
    return times[0] if is_time else None, tuple(value for name, _, value in items if name == "v1")


def is_recent(seconds: str, now: datetime, tolerance: int) -> bool:
    """Return whether a time in seconds since 1970 is near: neither long past nor far ahead."""
    return abs(now.timestamp() - int(seconds)) <= tolerance


def callback_token(signing_key: str, conversation_ref: UUID) -> str:
    """Return the token that lets a callback speak for this one of our conversation rows."""
    return hmac_sha256_hex(signing_key, str(conversation_ref).encode())


def conversation_ref(
    presented_ref: str | None, presented_token: str | None, signing_keys: Iterable[str]
) -> UUID | None:
    """Return the row that a presented `c` and `t` prove to speak for, else None."""
    ref = _uuid(presented_ref)
    if ref is None or presented_token is None:
        return None
    expected = (callback_token(key, ref) for key in signing_keys if key)
    return ref if equals_any(presented_token, expected) else None


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of some bytes as lower-case hex."""
    return hashlib.sha256(data).hexdigest()


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text)
    except (AttributeError, TypeError, ValueError):
        return None


def _bytes(text: str) -> bytes:
    # A header may hold anything; a lone surrogate must not turn a 401 into a 500.
    return text.encode("utf-8", "surrogatepass")

"""How Calendly proves itself: a signature with its time, or a token in the URL we gave it.

A subscription that was made without a signing key is not signed.
https://developer.calendly.com/api-docs/overview/webhooks/webhook-signatures
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlencode

from services import security
from services.errors import Unauthorized
from services.inbound import Inbound
from services.provider import Call, Credential, Proof
from services.settings import Settings

HEADER = "Calendly-Webhook-Signature"
TOLERANCE = 180
"""Seconds between a signature and its arrival, to either side, as Calendly's samples have it."""
PROOFS = (
    Proof(
        place="header",
        name=HEADER,
        told="`t=<seconds>,v1=<hex HMAC-SHA256 of seconds, a dot and the body>`"
        " by a key of CALENDLY_WEBHOOK_SIGNING_KEY.",
    ),
    Proof(place="query", name="t", told="A token of CALENDLY_WEBHOOK_TOKEN."),
)


def verify(inbound: Inbound, settings: Settings) -> Credential:
    """Return what makes a call authentic. Raises Unauthorized when nothing does.

    Where there is a key, a signature that is wrong refuses the call whatever else it carries.
    """
    secrets = settings.calendly_webhook_tokens
    header = inbound.headers.get(HEADER.lower())
    if header is not None and settings.calendly_webhook_signing_keys:
        _check_signature(inbound, header, settings.calendly_webhook_signing_keys)
    elif not security.equals_any(inbound.query.get("t") or "", secrets):
        raise Unauthorized("The call carries no valid signature or token.")
    return Credential(secrets=secrets)


def sign(call: Call, settings: Settings) -> Call:
    """Return a call as Calendly would make it now: signed, else with the token in its URL."""
    if settings.calendly_webhook_signing_keys:
        seconds = str(int(datetime.now(UTC).timestamp()))
        made = _signature(settings.calendly_webhook_signing_keys[0], seconds, call.body)
        return replace(call, headers={**call.headers, HEADER: f"t={seconds},v1={made}"})
    if settings.calendly_webhook_tokens:
        mark = "&" if "?" in call.url else "?"
        token = urlencode({"t": settings.calendly_webhook_tokens[0]})
        return replace(call, url=f"{call.url}{mark}{token}")
    return call


def _check_signature(inbound: Inbound, header: str, keys: tuple[str, ...]) -> None:
    seconds, signatures = security.stamped_signatures(header)
    if seconds is None:
        raise Unauthorized(f"{HEADER} is not t=<seconds>,v1=<signature>.")
    expected = [_signature(key, seconds, inbound.body) for key in keys]
    fits = [security.equals_any(presented, expected) for presented in signatures]
    if not any(fits):
        raise Unauthorized("The signature does not fit the body.")
    if not security.is_recent(seconds, inbound.received_at, TOLERANCE):
        raise Unauthorized(f"The signature is not from within {TOLERANCE} seconds of now.")


def _signature(key: str, seconds: str, body: bytes) -> str:
    return security.hmac_sha256_hex(key, seconds.encode() + b"." + body)

"""How Stripe proves itself: a signature with its time. https://docs.stripe.com/webhooks/signature"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from services import security
from services.errors import Unauthorized
from services.inbound import Inbound
from services.provider import Call, Credential, Proof
from services.settings import Settings

HEADER = "Stripe-Signature"
TOLERANCE = 300
"""Seconds that a signature may be old, as Stripe's libraries have it; and ahead of our clock."""
PROOFS = (
    Proof(
        place="header",
        name=HEADER,
        told="`t=<seconds>,v1=<hex HMAC-SHA256 of seconds, a dot and the body>`"
        " by a secret of STRIPE_WEBHOOK_SECRET.",
    ),
)


def verify(inbound: Inbound, settings: Settings) -> Credential:
    """Return that a call is signed with one of the secrets, and lately; else raise Unauthorized.

    The package checks the signature. The age is checked here: by the time of arrival, and to both
    sides. https://docs.stripe.com/webhooks#verify-manually
    """
    header = inbound.headers.get(HEADER.lower(), "")
    signed_at, _ = security.stamped_signatures(header)
    if signed_at is None:
        raise Unauthorized(f"{HEADER} is missing, or not t=<seconds>,v1=<signature>.")
    fits = [_fits(inbound.body, header, secret) for secret in settings.stripe_webhook_secrets]
    if not any(fits):
        raise Unauthorized("The signature does not fit the body.")
    if not security.is_recent(signed_at, inbound.received_at, TOLERANCE):
        raise Unauthorized(f"The signature is not from within {TOLERANCE} seconds of now.")
    return Credential()


def sign(call: Call, settings: Settings) -> Call:
    """Return a call with the header that Stripe would sign it with now."""
    if not settings.stripe_webhook_secrets:
        return call
    made = _signatures().generate_signature_header(
        call.body.decode("utf-8", "replace"), settings.stripe_webhook_secrets[0]
    )
    return replace(call, headers={**call.headers, HEADER: made})


def _fits(body: bytes, header: str, secret: str) -> bool:
    try:
        return bool(_signatures().verify_header(body, header, secret, None))
    except Exception:  # hostile bytes make the package raise more than it says
        return False


@cache
def _signatures() -> Any:
    # Here, so that who has no Stripe does not pay for its package at each start.
    from stripe import WebhookSignature

    return WebhookSignature

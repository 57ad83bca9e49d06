"""How Tavus proves itself: a token in our callback URL, or the signature of an HTTP tool delivery.

Conversation callbacks are not signed (docs.tavus.io, Webhooks and Callbacks); only HTTP tool
deliveries with `auth.type: hmac` carry `X-Tavus-Signature`, bare hex over the raw body.
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlencode

from services import security
from services.errors import Unauthorized
from services.inbound import Inbound
from services.provider import Call, Credential, Proof
from services.settings import Settings

SIGNATURE_HEADERS = ("x-tavus-signature", "tavus-signature")
PROOFS = (
    Proof(
        place="query",
        name="t",
        told="A token of TAVUS_WEBHOOK_TOKEN; with a parameter `c`, which names one of our"
        " conversations, the token that was made for that one.",
    ),
    Proof(
        place="header",
        name="X-Tavus-Signature",
        told="Hex HMAC-SHA256 of the body by a secret of TAVUS_WEBHOOK_SECRET.",
    ),
)


def verify(inbound: Inbound, settings: Settings) -> Credential:
    """Return what makes this call authentic. Raises Unauthorized when nothing does.

    A signature that is present and wrong refuses the call whatever else it carries; so does a
    token that names a row it was not made for.
    """
    signed = _is_signed(inbound, settings)
    token = inbound.query.get("t") or ""
    # A body may echo another URL of ours than the one it was sent to, a signed one any of them.
    secrets = settings.tavus_webhook_tokens
    if "c" in inbound.query:
        ref = security.conversation_ref(inbound.query["c"], token, settings.callback_signing_keys)
        if ref is None:
            raise Unauthorized("The conversation token is wrong.")
        return Credential(conversation_ref=ref, secrets=(token, *secrets))
    # A wrong token beside a signature is no secret: overwriting it would change the signed body.
    if signed or security.equals_any(token, settings.tavus_webhook_tokens):
        return Credential(secrets=secrets)
    raise Unauthorized("The call carries no valid token or signature.")


def sign(call: Call, settings: Settings) -> Call:
    """Return a call as Tavus makes it: the token in its URL, else the signature of its body."""
    if settings.tavus_webhook_tokens:
        mark = "&" if "?" in call.url else "?"
        token = urlencode({"t": settings.tavus_webhook_tokens[0]})
        return replace(call, url=f"{call.url}{mark}{token}")
    if settings.tavus_webhook_secrets:
        signature = security.hmac_sha256_hex(settings.tavus_webhook_secrets[0], call.body)
        return replace(call, headers={**call.headers, "X-Tavus-Signature": signature})
    return call


def _is_signed(inbound: Inbound, settings: Settings) -> bool:
    presented = [inbound.headers[name] for name in SIGNATURE_HEADERS if name in inbound.headers]
    if not presented or not settings.tavus_webhook_secrets:
        return False
    if all(
        security.signature_matches(signature, inbound.body, settings.tavus_webhook_secrets)
        for signature in presented
    ):
        return True
    raise Unauthorized("The signature does not fit the body.")

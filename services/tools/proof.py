"""How a call of a tool proves itself: by Tavus's signature, or by the secret as a key."""

from __future__ import annotations

from services import security
from services.errors import Unauthorized
from services.inbound import Inbound
from services.provider import Credential
from services.providers.tavus.verify import SIGNATURE_HEADERS
from services.settings import Settings

KEY_HEADER = "x-tavus-tool-key"


def prove_signature(inbound: Inbound, settings: Settings) -> Credential:
    """Return the proof of a signed call. Raises Unauthorized when it is missing or wrong.

    https://docs.tavus.io: bare hex HMAC-SHA256 over the raw body, without a time.
    """
    presented = [inbound.headers[name] for name in SIGNATURE_HEADERS if name in inbound.headers]
    if not presented:
        raise Unauthorized("The call carries no X-Tavus-Signature.")
    if not all(
        security.signature_matches(signature, inbound.body, settings.tavus_tool_secrets)
        for signature in presented
    ):
        raise Unauthorized("The signature does not fit the body.")
    return _credential(settings)


def prove_key(inbound: Inbound, settings: Settings) -> Credential:
    """Return the proof of a call with the secret as bearer token or as X-Tavus-Tool-Key.

    A signature does too; one that is wrong refuses the call whatever else it carries.
    """
    if any(name in inbound.headers for name in SIGNATURE_HEADERS):
        return prove_signature(inbound, settings)
    presented = [inbound.headers.get(KEY_HEADER, ""), _bearer(inbound)]
    if not any([security.equals_any(key, settings.tavus_tool_secrets) for key in presented]):
        raise Unauthorized("The call carries no valid bearer token or X-Tavus-Tool-Key.")
    return _credential(settings)


def _bearer(inbound: Inbound) -> str:
    scheme, _, token = inbound.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _credential(settings: Settings) -> Credential:
    return Credential(secrets=(*settings.tavus_tool_secrets, *settings.tavus_webhook_tokens))

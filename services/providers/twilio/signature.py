"""How Twilio proves itself: by a signature of the address it called and of what it posted.

https://www.twilio.com/docs/usage/security#validating-requests
https://www.twilio.com/docs/usage/webhooks/webhook-shared-keys
"""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

from twilio.request_validator import (  # type: ignore[import-untyped]
    HMAC_SHA1,
    HMAC_SHA256,
    SIGNATURE_HEADER,
    SIGNATURE_SETTINGS_HEADER,
    RequestValidator,
    get_signature_algorithm,
)

from services import security
from services.errors import Unauthorized
from services.inbound import Inbound
from services.provider import Call, Credential, Proof
from services.providers.twilio.form import CONTENT_TYPE, Form, fields_of
from services.settings import Settings

PORTS = {"https": 443, "http": 80}
PROOFS = (
    Proof(
        place="header",
        name=SIGNATURE_HEADER,
        told="Base64 HMAC-SHA1 of the called address and the form by TWILIO_AUTH_TOKEN, or SHA-256"
        " by a shared key of TWILIO_SHARED_KEYS.",
    ),
)

Scheme = tuple[str, tuple[str, ...]]
"""An algorithm, and the secrets that may have signed by it."""


def verify(inbound: Inbound, settings: Settings) -> Credential:
    """Return the proof that Twilio made this call. Raises Unauthorized when there is none."""
    presented = inbound.headers.get(SIGNATURE_HEADER.lower())
    algorithm, secrets = _scheme(
        inbound.headers.get(SIGNATURE_SETTINGS_HEADER.lower(), ""), settings
    )
    if not presented or not secrets:
        raise Unauthorized("The call carries no signature that a secret of ours could have made.")
    try:
        fields = _signed_fields(inbound.target, inbound.body)
        expected = [
            _signature(secret, url, fields, algorithm)
            for secret in secrets
            for url in addresses(settings.public_base_url, inbound.target)
        ]
    except ValueError:  # an address or a form that nobody signs
        raise Unauthorized("The call is none that Twilio makes.") from None
    if not security.equals_any(presented, expected):
        raise Unauthorized("The signature does not fit PUBLIC_BASE_URL, the path and the form.")
    return Credential()


def sign(call: Call, settings: Settings) -> Call:
    """Return a call as Twilio makes it, signed for the service's public address."""
    target = _target(call.url, settings.public_base_url)
    url = addresses(settings.public_base_url, target)[0]
    headers = {"Content-Type": CONTENT_TYPE, **call.headers}
    fields = _signed_fields(target, call.body)
    if settings.twilio_auth_tokens:
        headers[SIGNATURE_HEADER] = _signature(
            settings.twilio_auth_tokens[0], url, fields, HMAC_SHA1
        )
    elif settings.twilio_shared_keys:
        name, secret = settings.twilio_shared_keys[0]
        headers[SIGNATURE_SETTINGS_HEADER] = f"key={name},algorithm={HMAC_SHA256}"
        headers[SIGNATURE_HEADER] = _signature(secret, url, fields, HMAC_SHA256)
    return replace(call, headers=headers)


def addresses(base_url: str, target: str) -> tuple[str, ...]:
    """Return the addresses that Twilio may have signed: with the port, and without.

    Which of the two it signs differs from product to product; a user in the address it never does.
    """
    parts = urlsplit(base_url)
    host = parts.netloc.rpartition("@")[2]
    bare = re.sub(r":\d*$", "", host)
    ported = host if parts.port else f"{bare}:{PORTS[parts.scheme]}"
    return tuple(f"{parts.scheme}://{name}{parts.path}{target}" for name in (bare, ported))


def _target(url: str, base_url: str) -> str:
    """Return path and query of an address, without the base's own path."""
    if url.startswith(f"{base_url}/"):
        return url.removeprefix(base_url).partition("#")[0]
    return urlsplit(url)._replace(scheme="", netloc="", fragment="").geturl()


def _scheme(header: str, settings: Settings) -> Scheme:
    """Return how a call is signed, by what its header says; no secrets for what we do not know."""
    algorithm = str(get_signature_algorithm(header)).upper()
    named = re.findall(r"(?:^|,)\s*key\s*=\s*([^,]*)", header)
    if algorithm == HMAC_SHA1 and not named:
        return HMAC_SHA1, settings.twilio_auth_tokens
    if algorithm == HMAC_SHA256 and len(named) == 1:
        keys = settings.twilio_shared_keys
        return HMAC_SHA256, tuple(secret for name, secret in keys if name == named[0].strip())
    return algorithm, ()


def _signed_fields(target: str, body: bytes) -> Form:
    """Return the fields that are signed: none where the address carries the body's hash.

    Raises ValueError where that hash is another body's.
    """
    told = parse_qs(urlsplit(target).query).get("bodySHA256")
    if told is None:
        return fields_of(body)
    if not security.equal(told[0], security.sha256_hex(body)):
        raise ValueError("The hash in the address is another body's.")
    return Form()


def _signature(secret: str, url: str, fields: Form, algorithm: str) -> str:
    return str(RequestValidator(secret).compute_signature(url, fields, algorithm))

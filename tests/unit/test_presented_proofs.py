"""What a verifier says when it refuses, and what a call is like that its sender signed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services import security
from services.errors import Unauthorized
from services.inbound import Inbound
from services.provider import Call, Provider
from services.providers.calendly import CALENDLY
from services.providers.source import source_provider
from services.providers.stripe import STRIPE
from services.providers.tavus import TAVUS
from services.providers.twilio import TWILIO
from services.settings import Settings
from services.settings.sources import Source

BODY = b'{"event": "invitee.created"}'
NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
SECONDS = str(int(NOW.timestamp()))
UNCONFIGURED = Settings(
    supabase_url="https://project.example.test",
    supabase_secret_key="service",
    supabase_publishable_key="public",
    public_base_url="https://hooks.example.test",
)
SETTINGS = replace(
    UNCONFIGURED,
    calendly_webhook_signing_keys=("new key", "old key"),
    calendly_webhook_tokens=("new token", "old token"),
    stripe_webhook_secrets=("whsec_new", "whsec_old"),
    tavus_webhook_tokens=("new token", "old token"),
    tavus_webhook_secrets=("new secret", "old secret"),
    callback_signing_keys=("key",),
    twilio_auth_tokens=("token", "old token"),
)
TOKENS_ONLY = replace(SETTINGS, calendly_webhook_signing_keys=())
SECRETS_ONLY = replace(SETTINGS, tavus_webhook_tokens=())
URL = "https://hooks.example.test/api/x"
CALL = Call(url=URL, body=BODY, headers={"X-Own": "kept"})


def call(headers: dict[str, str], query: dict[str, str] | None = None) -> Inbound:
    return Inbound(
        method="POST", path="/api/x", query=query or {}, headers=headers, body=BODY, received_at=NOW
    )


def stamp(secret: str, seconds: str = SECONDS) -> str:
    """Return a header as Stripe and Calendly sign."""
    return f"t={seconds},v1={security.hmac_sha256_hex(secret, seconds.encode() + b'.' + BODY)}"


NO_BODY = "The signature does not fit the body."
CALENDLY_HEADER = "calendly-webhook-signature"
ROW = "8a5e1d9e-6b7e-4f3a-9a39-2f1ef5a1c111"


@pytest.mark.parametrize(
    ("provider", "headers", "query", "sentence"),
    [
        (STRIPE, {}, {}, "Stripe-Signature is missing, or not t=<seconds>,v1=<signature>."),
        (STRIPE, {"stripe-signature": stamp("other")}, {}, NO_BODY),
        (
            STRIPE,
            {"stripe-signature": stamp("whsec_new", "1")},
            {},
            "The signature is not from within 300 seconds of now.",
        ),
        (CALENDLY, {}, {}, "The call carries no valid signature or token."),
        (
            CALENDLY,
            {CALENDLY_HEADER: "v1=00"},
            {},
            "Calendly-Webhook-Signature is not t=<seconds>,v1=<signature>.",
        ),
        (CALENDLY, {CALENDLY_HEADER: stamp("other")}, {}, NO_BODY),
        (
            CALENDLY,
            {CALENDLY_HEADER: stamp("new key", "1")},
            {},
            "The signature is not from within 180 seconds of now.",
        ),
        (TAVUS, {}, {}, "The call carries no valid token or signature."),
        (TAVUS, {"x-tavus-signature": "00"}, {}, NO_BODY),
        (TAVUS, {}, {"c": ROW, "t": "wrong"}, "The conversation token is wrong."),
        (
            TWILIO,
            {},
            {},
            "The call carries no signature that a secret of ours could have made.",
        ),
        (
            TWILIO,
            {"x-twilio-signature": "AAAA"},
            {},
            "The signature does not fit PUBLIC_BASE_URL, the path and the form.",
        ),
        (
            source_provider("crm", Source.model_validate({"scheme": "bearer", "secret": "s"})),
            {},
            {},
            "The call carries no valid signature or token.",
        ),
    ],
)
def test_refusal_says_what_was_wrong_and_nothing_of_the_secret(
    provider: Provider, headers: dict[str, str], query: dict[str, str], sentence: str
) -> None:
    with pytest.raises(Unauthorized) as refused:
        provider.verify(call(headers, query), SETTINGS)

    assert refused.value.detail == sentence


@pytest.mark.parametrize(
    ("provider", "configured", "query"),
    [
        (CALENDLY, TOKENS_ONLY, "t=new+token"),
        (TAVUS, SETTINGS, "t=new+token"),
    ],
)
def test_a_token_goes_behind_what_the_url_has_already(
    provider: Provider, configured: Settings, query: str
) -> None:
    other = replace(CALL, url=f"{URL}?a=1")

    assert provider.sign(CALL, configured) == replace(CALL, url=f"{URL}?{query}")
    assert provider.sign(other, configured) == replace(other, url=f"{URL}?a=1&{query}")


@pytest.mark.parametrize(
    ("provider", "header", "secret"),
    [
        (STRIPE, "Stripe-Signature", "whsec_new"),
        (CALENDLY, "Calendly-Webhook-Signature", "new key"),
    ],
)
def test_a_call_is_signed_by_the_first_secret_with_the_time(
    provider: Provider, header: str, secret: str
) -> None:
    signed = provider.sign(CALL, SETTINGS)

    seconds, _ = security.stamped_signatures(signed.headers[header])
    assert seconds is not None
    assert abs(int(seconds) - datetime.now(UTC).timestamp()) < 60
    expected = {"X-Own": "kept", header: stamp(secret, seconds)}
    assert signed == replace(CALL, headers=expected)


def test_stripe_signs_a_body_that_is_no_text_as_it_can() -> None:
    odd = replace(CALL, body=b"\xff{}")

    signed = STRIPE.sign(odd, SETTINGS)

    assert signed.body == odd.body
    assert "Stripe-Signature" in signed.headers


def test_tavus_signs_with_the_first_secret_where_there_is_no_token() -> None:
    signature = security.hmac_sha256_hex("new secret", BODY)

    assert TAVUS.sign(CALL, SECRETS_ONLY) == replace(
        CALL, headers={"X-Own": "kept", "X-Tavus-Signature": signature}
    )


@pytest.mark.parametrize("provider", [CALENDLY, STRIPE, TAVUS])
def test_nothing_is_signed_where_nothing_is_configured(provider: Provider) -> None:
    assert provider.sign(CALL, UNCONFIGURED) is CALL


@pytest.mark.parametrize("which", ["new token", "old token"])
def test_a_token_lets_in_and_may_not_be_stored(which: str) -> None:
    for provider in (CALENDLY, TAVUS):
        credential = provider.verify(call({}, {"t": which}), SETTINGS)

        assert credential.secrets == ("new token", "old token")
        assert credential.conversation_ref is None


def test_a_conversations_token_lets_in_for_its_row_and_may_not_be_stored() -> None:
    token = security.hmac_sha256_hex("key", ROW.encode())

    credential = TAVUS.verify(call({}, {"c": ROW, "t": token}), SETTINGS)

    assert str(credential.conversation_ref) == ROW
    assert credential.secrets == (token, "new token", "old token")


@pytest.mark.parametrize("provider", [CALENDLY, STRIPE])
@pytest.mark.parametrize("side", [-1, 1])
def test_a_signature_counts_up_to_its_tolerance_to_either_side(
    provider: Provider, side: int
) -> None:
    header, secret, tolerance = (
        (CALENDLY_HEADER, "old key", 180)
        if provider is CALENDLY
        else ("stripe-signature", "whsec_old", 300)
    )

    def age(seconds: int) -> Inbound:
        told = str(int((NOW + side * timedelta(seconds=seconds)).timestamp()))
        return call({header: stamp(secret, told)})

    provider.verify(age(tolerance), SETTINGS)
    with pytest.raises(Unauthorized, match="not from within"):
        provider.verify(age(tolerance + 1), SETTINGS)


@pytest.mark.parametrize(
    ("source", "header", "value"),
    [
        ({"scheme": "bearer"}, "Authorization", "Bearer s3cret"),
        ({"scheme": "bearer", "header": "X-Key"}, "X-Key", "s3cret"),
        (
            {"scheme": "hmac-sha256", "prefix": "sha256="},
            "X-Signature",
            f"sha256={security.hmac_sha256_hex('s3cret', BODY)}",
        ),
    ],
)
def test_a_source_is_signed_as_it_says(source: dict[str, Any], header: str, value: str) -> None:
    declared = Source.model_validate({**source, "secret": ["s3cret", "old"]})
    provider = source_provider("crm", declared)

    signed = provider.sign(CALL, UNCONFIGURED)

    assert signed == replace(CALL, headers={"X-Own": "kept", header: value})
    provider.verify(call({header.lower(): value}), UNCONFIGURED)

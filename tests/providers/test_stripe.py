"""Stripe: what proves a call, and what an event tells of a payment."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from stripe import WebhookSignature

from services.errors import Malformed, Unauthorized
from services.events import Event, WebhookEventProcessingService
from services.inbound import Inbound
from services.provider import Call, Credential
from services.providers.stripe import STRIPE
from services.sending import sample, sample_names
from services.settings import Settings
from services.validation import parse_object
from tests.providers.tavus_samples import Rows

SECRET, OLDER = "whsec_test_secret", "whsec_older"
BODY = b'{"id":"evt_1","object":"event","type":"invoice.paid"}'
VECTOR = "t=1700000000,v1=dfb4777aaaec4ea29ff455dd4df7fe6b2ef71096ad3a93a158db7e100109ea91"
SIGNATURE = VECTOR.partition("v1=")[2]
ARABIC = "".join(chr(0x660 + int(digit)) for digit in "1700000000")
NOW = datetime.fromtimestamp(1700000000, UTC)
SETTINGS = Settings(
    supabase_url="https://project.example.test",
    supabase_secret_key="service",
    supabase_publishable_key="public",
    public_base_url="https://hooks.example.test",
    stripe_webhook_secrets=(SECRET, OLDER),
)
PHONE = "6f1d2c3b-4a59-4e68-8777-869504132231"


def call(header: str | None, body: bytes = BODY, at: datetime = NOW) -> Inbound:
    return Inbound(
        method="POST",
        path="/api/webhooks/stripe",
        query={},
        headers={} if header is None else {"stripe-signature": header},
        body=body,
        received_at=at,
    )


def is_let_in(inbound: Inbound, configured: Settings = SETTINGS) -> bool:
    try:
        STRIPE.verify(inbound, configured)
    except Unauthorized:
        return False
    return True


def test_vector_is_let_in() -> None:
    assert is_let_in(call(VECTOR))


@pytest.mark.parametrize("secret", [SECRET, OLDER])
def test_what_the_package_signs_is_let_in_with_any_of_the_secrets(secret: str) -> None:
    body = '{"id": "evt_2", "name": "Zoë"}'
    made = WebhookSignature.generate_signature_header(body, secret, int(NOW.timestamp()))

    assert is_let_in(call(made, body.encode()))


def test_what_we_sign_the_package_lets_in() -> None:
    signed = STRIPE.sign(Call(url="https://x.example.test", body=BODY, headers={}), SETTINGS)

    header = signed.headers["Stripe-Signature"]
    assert WebhookSignature.verify_header(BODY, header, SECRET, tolerance=60)
    assert is_let_in(call(header, at=datetime.now(UTC)))


def test_one_of_several_signatures_is_enough() -> None:
    assert is_let_in(call(f"t=1700000000,v1={'0' * 64},v1={SIGNATURE},v0=ff"))


@pytest.mark.parametrize(
    ("seconds", "verdict"),
    [(0, True), (300, True), (301, False), (-300, True), (-301, False), (10**8, False)],
)
def test_age_is_bounded_to_both_sides(seconds: int, verdict: bool) -> None:
    assert is_let_in(call(VECTOR, at=NOW + timedelta(seconds=seconds))) is verdict


HOSTILE = [
    None,
    "",
    " ",
    ",",
    "=",
    "t=",
    "t=,v1=",
    "t=1700000000",
    f"v1={SIGNATURE}",
    f"t=1700000000,v0={SIGNATURE}",
    f"t=1700000001,v1={SIGNATURE}",
    f"t=1700000000,t=1700000000,v1={SIGNATURE}",
    f"t=1700000300,t=1700000000,v1={SIGNATURE}",
    f"t=1700000000.0,v1={SIGNATURE}",
    f"t=+1700000000,v1={SIGNATURE}",
    f"t=1_700_000_000,v1={SIGNATURE}",
    f"t={ARABIC},v1={SIGNATURE}",
    f"t={'9' * 5000},v1={SIGNATURE}",
    f"t=nan,v1={SIGNATURE}",
    f"t=1700000000;v1={SIGNATURE}",
    f"t=1700000000,v1={SIGNATURE[:-1]}",
    f"t=1700000000,v1={SIGNATURE}0",
    f"t=1700000000,v1={SIGNATURE.upper()}",
    "t=1700000000,v1=é",
    "t=1700000000,v1=\ud800",
    "t=1700000000,v1=" + "\x00" * 64,
    "t=1700000000," + "v1=0," * 5000,
    "sha256=" + SIGNATURE,
]


@pytest.mark.parametrize("header", HOSTILE)
def test_hostile_header_is_not(header: str | None) -> None:
    assert not is_let_in(call(header))


@pytest.mark.parametrize("body", [b"", BODY + b" ", BODY[:-1], b"\xff\xfe", b"\xed\xa0\x80"])
def test_other_body_is_not(body: bytes) -> None:
    assert not is_let_in(call(VECTOR, body))


@pytest.mark.parametrize("secrets", [(), ("",), (" ",), (SECRET + "x",), ("\ud800",)])
def test_nothing_is_let_in_without_the_secret(secrets: tuple[str, ...]) -> None:
    configured = replace(SETTINGS, stripe_webhook_secrets=secrets)

    assert not is_let_in(call(VECTOR), configured)


ANY_TEXT = st.text(st.characters(min_codepoint=0, max_codepoint=0x10FFFF))


@settings(max_examples=400)
@given(
    header=st.none() | ANY_TEXT | st.builds("t=1700000000,v1={},{}".format, ANY_TEXT, ANY_TEXT),
    body=st.binary() | st.just(BODY),
)
@example(header=VECTOR, body=b"\xff")
def test_there_is_always_a_verdict(header: str | None, body: bytes) -> None:
    signed = body == BODY and bool(header) and f"v1={SIGNATURE}" in str(header)

    assert is_let_in(call(header, body)) <= signed


SERVICE = WebhookEventProcessingService(lookups=Rows())


def processed(payload: dict[str, Any]) -> Event:
    return SERVICE.process(call(None, json.dumps(payload).encode()), STRIPE, Credential())


def payment(payload: dict[str, Any]) -> dict[str, Any]:
    event = processed(payload)
    assert event.error is None, event.error
    [row] = event.effects.records
    assert row.table == "payments"
    return {**row.key, **row.values}


def test_invoice_is_a_payment() -> None:
    row = payment(sample(STRIPE, "invoice.paid"))

    assert row["kind"] == "invoice"
    assert row["status"] == "paid"
    assert (row["amount"], row["currency"]) == (4900, "eur")
    assert row["phone_id"] == PHONE
    assert row["subscription"].startswith("sub_")
    assert row["customer_email"] == "ada@example.test"
    assert row["period_end"] == "2026-03-01T06:45:00+00:00"


def test_invoice_of_an_older_api_is_the_same_payment() -> None:
    row = payment(sample(STRIPE, "invoice.paid-2024"))

    assert row["phone_id"] == PHONE
    assert row["subscription"].startswith("sub_")
    assert row["payment_intent"].startswith("pi_")


def test_subscription_tells_its_period_its_price_and_its_end() -> None:
    row = payment(sample(STRIPE, "customer.subscription.updated-ending"))

    assert row["kind"] == "subscription"
    assert row["amount"] == 4900
    assert row["period_end"] == row["cancel_at"] == "2026-04-01T06:45:00+00:00"


def test_ids_are_kept_whole_up_to_the_length_that_stripe_says() -> None:
    named = {"id": "in_".ljust(255, "1"), "customer": "cus_".ljust(255, "2"), "status": "paid"}
    told = {"id": "evt_".ljust(255, "3"), "type": "invoice.paid", "data": {"object": named}}

    event = processed(told)

    [row] = event.effects.records
    assert row.key == {"stripe_id": named["id"]}
    assert row.values["customer"] == named["customer"]


def test_what_an_object_no_longer_has_is_told_as_null() -> None:
    row = payment(sample(STRIPE, "customer.subscription.updated"))

    assert "cancel_at" in row
    assert row["cancel_at"] is None


def test_phone_that_is_not_named_is_not_told() -> None:
    payload = sample(STRIPE, "payment_intent.created")
    payload["data"]["object"]["metadata"] = {"phone_id": "not one"}

    assert "phone_id" not in payment(payload)


def test_connected_account_and_expanded_customer_are_kept() -> None:
    row = payment(sample(STRIPE, "payment_intent.succeeded-connect"))

    assert row["account"].startswith("acct_")
    assert row["customer"].startswith("cus_")


@pytest.mark.parametrize(
    ("name", "status", "failure"),
    [
        ("checkout.session.completed", "paid", None),
        ("checkout.session.async_payment_failed", "unpaid", "The payment failed."),
        ("checkout.session.expired", "expired", None),
        ("invoice.payment_failed", "open", "Unpaid after attempt 1."),
        ("invoice.finalization_failed", "draft", "The customer's location is not known."),
        ("invoice.deleted", "deleted", None),
        ("customer.subscription.deleted", "canceled", "cancellation_requested"),
        (
            "payment_intent.payment_failed",
            "requires_payment_method",
            "Your card has insufficient funds.",
        ),
        ("payment_intent.canceled", "canceled", "abandoned"),
    ],
)
def test_status_and_failure(name: str, status: str, failure: str | None) -> None:
    row = payment(sample(STRIPE, name))

    assert (row["status"], row["failure"]) == (status, failure)


@pytest.mark.parametrize("name", sample_names(STRIPE))
def test_browsers_see_no_customer(name: str) -> None:
    [shown] = processed(sample(STRIPE, name)).projections

    for secret in ("ada", "Ada", "cus_", "secret", PHONE, "invoice.example.test"):
        assert secret not in json.dumps(shown.event_data)


def rank(name: str, created: Any = 1772347555) -> float:
    [row] = processed({**sample(STRIPE, name), "created": created}).effects.records
    return row.rank


def test_newer_outranks_older_and_within_a_second_the_end_the_beginning() -> None:
    assert rank("invoice.created", 1772347556) > rank("invoice.deleted")
    assert rank("invoice.paid") > rank("invoice.payment_failed") > rank("invoice.finalized")
    assert rank("customer.subscription.deleted") > rank("customer.subscription.updated")
    assert rank("payment_intent.succeeded") > rank("payment_intent.created")
    assert 0 < rank("invoice.paid", "yesterday") < 1


def test_event_key_begins_with_its_object() -> None:
    payload = sample(STRIPE, "invoice.paid")

    assert processed(payload).event_key == f"-:{payload['data']['object']['id']}:{payload['id']}"


@pytest.mark.parametrize(
    "payload",
    [
        {"id": "evt_9", "object": "event", "type": "charge.refunded", "data": {"object": {}}},
        {
            "id": "evt_9",
            "object": "v2.core.event",
            "type": "v1.billing.meter.error_report_triggered",
            "created": "2026-03-01T06:45:47Z",
            "related_object": {"id": "mtr_1"},
        },
        {"id": "evt_9", "type": "invoice.upcoming", "data": {"object": {"object": "invoice"}}},
    ],
)
def test_other_and_thin_events_are_kept_and_ignored(payload: dict[str, Any]) -> None:
    event = processed(payload)

    assert event.state == "ignored"
    assert event.event_key == "-:id:evt_9"


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"type": 7},
        {"type": " "},
        {"type": "invoice.paid"},
        {"type": "invoice.paid", "id": "evt_1", "data": []},
        {"type": "invoice.paid", "id": "evt_1", "data": {"object": []}},
        {"type": "invoice.paid", "id": "evt_1", "data": {"object": {"id": ""}}},
        {"type": "invoice.paid", "id": "e" * 256, "data": {"object": {"id": "in_1"}}},
    ],
)
def test_what_names_no_event_or_object_is_malformed(payload: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        processed(payload)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(name=st.sampled_from(sample_names(STRIPE)), data=st.data())
def test_handlers_take_any_value_in_any_field(name: str, data: st.DataObject) -> None:
    payload = sample(STRIPE, name)
    told = payload["data"]["object"]
    for field in data.draw(st.lists(st.sampled_from(sorted(told)), max_size=6)):
        if field != "id":
            told[field] = data.draw(JSON)
    for field in data.draw(st.lists(st.sampled_from(["created", "account", "livemode"]))):
        payload[field] = data.draw(JSON)

    event = processed(parse_object(json.dumps(payload).encode()))

    assert event.error is None, event.error
    assert event.state == "processed"

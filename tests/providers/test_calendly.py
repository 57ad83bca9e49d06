"""Calendly: what proves a call, and what an event tells of a booking."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services import security
from services.effects import Record
from services.errors import Malformed, Unauthorized
from services.events import Event, WebhookEventProcessingService
from services.inbound import Inbound
from services.provider import Call, Credential
from services.providers.calendly import CALENDLY
from services.providers.calendly.reading import HANDLED
from services.sending import sample, sample_names
from services.settings import Settings
from services.validation import parse_object
from tests.providers.tavus_samples import Rows

KEY, OLDER, TOKEN = "calendly_signing_key", "older_key", "token"
BODY = b'{"event":"invitee.created","payload":{}}'
VECTOR = "t=1700000000,v1=ef6f72a4f81216a7fe001c0a5f7132e11870d5e95f1b70c53727e34b5cab647f"
SIGNATURE = VECTOR.partition("v1=")[2]
ARABIC = "".join(chr(0x660 + int(digit)) for digit in "1700000000")
NOW = datetime.fromtimestamp(1700000000, UTC)
SETTINGS = Settings(
    supabase_url="https://project.example.test",
    supabase_secret_key="service",
    supabase_publishable_key="public",
    public_base_url="https://hooks.example.test",
    calendly_webhook_signing_keys=(KEY, OLDER),
)
WITH_TOKEN = replace(SETTINGS, calendly_webhook_tokens=(TOKEN, "older token"))
TOKEN_ONLY = replace(WITH_TOKEN, calendly_webhook_signing_keys=())
PHONE = "6f1d2c3b-4a59-4e68-8777-869504132231"
OTHER = "0a0b0c0d-1111-4222-8333-444455556666"


def call(
    header: str | None, body: bytes = BODY, at: datetime = NOW, token: str | None = None
) -> Inbound:
    return Inbound(
        method="POST",
        path="/api/webhooks/calendly",
        query={} if token is None else {"t": token},
        headers={} if header is None else {"calendly-webhook-signature": header},
        body=body,
        received_at=at,
    )


def is_let_in(inbound: Inbound, configured: Settings = SETTINGS) -> bool:
    try:
        CALENDLY.verify(inbound, configured)
    except Unauthorized:
        return False
    return True


def test_vector_is_let_in() -> None:
    assert is_let_in(call(VECTOR))


def test_each_key_of_several_is_valid() -> None:
    made = security.hmac_sha256_hex(OLDER, b"1700000000." + BODY)

    assert is_let_in(call(f"t=1700000000,v1={'0' * 64},v1={made}"))


def test_what_we_sign_is_let_in() -> None:
    made = CALENDLY.sign(Call(url="https://x.example.test", body=BODY, headers={}), SETTINGS)

    assert is_let_in(call(made.headers["Calendly-Webhook-Signature"], at=datetime.now(UTC)))


@pytest.mark.parametrize(
    ("seconds", "verdict"),
    [(0, True), (180, True), (181, False), (-180, True), (-181, False), (10**8, False)],
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
    "t=1700000000,v1=",
    f"v1={SIGNATURE}",
    f"t=1700000000,v0={SIGNATURE}",
    f"t=1700000001,v1={SIGNATURE}",
    f"t=01700000000,v1={SIGNATURE}",
    f"t=1700000000,t=1700000000,v1={SIGNATURE}",
    f"t=1700000000.0,v1={SIGNATURE}",
    f"t=-1700000000,v1={SIGNATURE}",
    f"t=1_700_000_000,v1={SIGNATURE}",
    f"t={ARABIC},v1={SIGNATURE}",
    f"t={'9' * 5000},v1={SIGNATURE}",
    f"t=inf,v1={SIGNATURE}",
    f"t=1700000000;v1={SIGNATURE}",
    f"t=1700000000,v1={SIGNATURE[:-1]}",
    f"t=1700000000,v1={SIGNATURE}0",
    f"t=1700000000,v1={SIGNATURE.upper()}",
    "t=1700000000,v1=é",
    "t=1700000000,v1=\ud800",
    "t=1700000000,v1=" + "\x00" * 64,
    "t=1700000000," + "v1=0," * 5000,
    SIGNATURE,
    "sha256=" + SIGNATURE,
]


@pytest.mark.parametrize("header", HOSTILE)
def test_hostile_header_is_not(header: str | None) -> None:
    assert not is_let_in(call(header))


@pytest.mark.parametrize("header", HOSTILE[1:])
def test_token_does_not_make_up_for_a_wrong_signature(header: str) -> None:
    assert not is_let_in(call(header, token=TOKEN), WITH_TOKEN)


@pytest.mark.parametrize("token", [TOKEN, "older token"])
def test_unsigned_call_is_let_in_by_a_token_alone(token: str) -> None:
    assert is_let_in(call(None, token=token), WITH_TOKEN)
    assert is_let_in(call(None, token=token), TOKEN_ONLY)
    assert CALENDLY.verify(call(None, token=token), TOKEN_ONLY).secrets == (TOKEN, "older token")


@pytest.mark.parametrize("token", [None, "", " ", "Token", TOKEN + " ", "t", "é", "\ud800", "*"])
def test_unsigned_call_with_another_token_is_not(token: str | None) -> None:
    assert not is_let_in(call(None, token=token), WITH_TOKEN)
    assert not is_let_in(call(None, token=token), TOKEN_ONLY)


@pytest.mark.parametrize("token", [None, "", TOKEN])
@pytest.mark.parametrize("header", [None, "", VECTOR])
def test_nothing_is_let_in_where_nothing_is_configured(
    header: str | None, token: str | None
) -> None:
    configured = replace(SETTINGS, calendly_webhook_signing_keys=())

    assert not is_let_in(call(header, token=token), configured)


ANY_TEXT = st.text(st.characters(min_codepoint=0, max_codepoint=0x10FFFF))


@settings(max_examples=300)
@given(
    header=st.none() | ANY_TEXT | st.builds("t=1700000000,v1={},{}".format, ANY_TEXT, ANY_TEXT),
    body=st.binary() | st.just(BODY),
    token=st.none() | ANY_TEXT,
)
@example(header="\ud800", body=b"\xff", token="\ud800")
def test_there_is_always_a_verdict(header: str | None, body: bytes, token: str | None) -> None:
    proven = SIGNATURE in (header or "") or (header is None and token in (TOKEN, "older token"))

    assert is_let_in(call(header, body, token=token), WITH_TOKEN) <= proven


SERVICE = WebhookEventProcessingService(lookups=Rows())


def processed(payload: dict[str, Any]) -> Event:
    event = SERVICE.process(call(None, json.dumps(payload).encode()), CALENDLY, Credential())
    assert event.error is None, event.error
    return event


def told(payload: dict[str, Any], table: str = "bookings") -> dict[str, dict[str, Any]]:
    """Return what an event tells of each row of a table."""
    found: dict[str, dict[str, Any]] = {}
    for row in sorted(processed(payload).effects.records, key=lambda row: row.rank):
        if row.table == table:
            [key] = row.key.values()
            found.setdefault(key, {}).update(row.values)
    return found


def only(payload: dict[str, Any]) -> dict[str, Any]:
    [row] = told(payload).values()
    return row


def test_handled_events_are_those_of_the_table() -> None:
    assert set(CALENDLY.events) == HANDLED


def test_invitee_is_a_booking() -> None:
    payload = sample(CALENDLY, "invitee.created")

    row = only(payload)

    assert list(told(payload)) == [payload["payload"]["uri"]]
    assert row["status"] == "active"
    assert row["told_phone_id"] == PHONE
    assert (row["name"], row["invitee_name"]) == ("Discovery Call", "Ada Example")
    assert row["invitee_email"] == "ada@example.test"
    assert row["starts_at"] == "2026-03-05T10:30:00+00:00"
    assert row["location"].endswith("/google_meet")
    assert row["answers"] == [{"question": "What is it about?", "answer": "The roof leaks."}]


def test_first_api_tells_the_same_booking() -> None:
    payload = sample(CALENDLY, "invitee.created-2019")

    [(key, row)] = told(payload).items()

    assert key.startswith("https://api.calendly.com/scheduled_events/")
    assert key.endswith(f"/invitees/{payload['payload']['invitee']['uuid']}")
    assert row["starts_at"] == "2026-03-05T10:30:00+00:00"
    assert row["name"] == "Discovery Call"
    assert row["location"] == "1 Example Street"
    assert row["told_phone_id"] == PHONE


def test_seeds_shape_names_its_phone() -> None:
    assert only(sample(CALENDLY, "invitee.created-phone_id"))["told_phone_id"] == PHONE
    assert only(sample(CALENDLY, "invitee.canceled-phone_id"))["status"] == "canceled"


@pytest.mark.parametrize(
    ("tracking", "answers", "phone"),
    [
        ({"utm_content": PHONE, "utm_source": OTHER}, [OTHER], PHONE),
        ({"utm_content": "ad-7", "utm_source": PHONE.upper()}, [OTHER], PHONE),
        ({"utm_term": PHONE}, [], PHONE),
        ({"salesforce_uuid": OTHER}, ["no", f" {PHONE} ", OTHER], PHONE),
        (None, [f"it is {PHONE}"], None),
        ({"utm_content": 7}, None, None),
        ([], {}, None),
    ],
)
def test_phone_is_the_first_uuid_of_tracking_then_of_the_answers(
    tracking: Any, answers: Any, phone: str | None
) -> None:
    payload = sample(CALENDLY, "invitee.created")
    if isinstance(answers, list):
        answers = [{"question": "Reference", "answer": answer} for answer in answers]
    payload["payload"] |= {"tracking": tracking, "questions_and_answers": answers}

    assert only(payload).get("told_phone_id") == phone


@pytest.mark.parametrize("term", ["request:", "request:1", OTHER, 7, None, "Request:" + OTHER])
def test_request_that_made_the_booking_is_named(term: Any) -> None:
    payload = sample(CALENDLY, "invitee.created-request")
    assert only(payload)["request_key"] == "request:7e57ab1e-0000-4000-8000-000000000011"
    assert only(payload)["told_phone_id"] == PHONE

    payload["payload"]["tracking"]["utm_term"] = term
    assert "request_key" not in only(payload)


def test_both_halves_of_a_rescheduling_tell_both_bookings_and_one_notification() -> None:
    halves = [
        sample(CALENDLY, name)
        for name in ("invitee.canceled-rescheduled", "invitee.created-rescheduled")
    ]
    old, new = (half["payload"]["uri"] for half in halves)

    for half in halves:
        rows = told(half)
        assert set(rows) == {old, new}
        assert rows[old]["status"] == "rescheduled"
        assert rows[old]["rescheduled_to"] == new
        assert rows[new]["status"] == "active"
        assert rows[new]["rescheduled_from"] == old
        assert list(told(half, "notifications")) == [f"rescheduled:{new}"]


def test_rescheduling_without_the_other_half_tells_nobody() -> None:
    payload = sample(CALENDLY, "invitee.canceled-rescheduled")
    payload["payload"]["new_invitee"] = None

    assert only(payload)["status"] == "rescheduled"
    assert told(payload, "notifications") == {}


@pytest.mark.parametrize(
    ("name", "kind", "title"),
    [
        ("invitee.created", "booking.created", "Ada Example booked Discovery Call"),
        ("invitee.canceled", "booking.canceled", "Discovery Call with Ada Example was canceled"),
        (
            "invitee.created-rescheduled",
            "booking.rescheduled",
            "Ada Example rescheduled Discovery Call",
        ),
        (
            "invitee_no_show.created",
            "booking.no_show",
            "Ada Example did not come to Discovery Call",
        ),
    ],
)
def test_owner_is_told(name: str, kind: str, title: str) -> None:
    [told_row] = told(sample(CALENDLY, name), "notifications").values()

    assert (told_row["kind"], told_row["title"]) == (kind, title)


def test_no_show_and_its_undoing() -> None:
    marked, undone = (
        sample(CALENDLY, f"invitee_no_show.{name}") for name in ("created", "deleted")
    )

    assert only(marked)["no_show"] is True
    assert only(undone)["no_show"] is False
    assert told(undone, "notifications") == {}


def test_no_show_that_is_told_by_itself_names_its_invitee() -> None:
    invitee = "https://api.calendly.com/scheduled_events/E1/invitees/I1"
    payload = {
        "event": "invitee_no_show.created",
        "created_at": "2026-03-05T11:05:00Z",
        "payload": {"uri": "https://api.calendly.com/invitee_no_shows/N1", "invitee": invitee},
    }

    assert list(told(payload)) == [invitee]


@pytest.mark.parametrize("name", sample_names(CALENDLY))
def test_browsers_see_no_invitee(name: str) -> None:
    [shown] = processed(sample(CALENDLY, name)).projections

    for secret in ("ada", "Ada", "cancellations", "roof", PHONE, "+1555"):
        assert secret not in json.dumps(shown.event_data)


@pytest.mark.parametrize("name", sample_names(CALENDLY))
def test_event_key_begins_with_the_booking(name: str) -> None:
    event = processed(sample(CALENDLY, name))

    assert event.event_key.removeprefix("-:").startswith(
        event.projections[0].event_data["booking_key"]
    )


@pytest.mark.parametrize(
    "event_type", ["routing_form_submission.created", "event_type.updated", "invitee.elsewise"]
)
def test_other_events_are_kept_and_ignored(event_type: str) -> None:
    event = processed({"event": event_type, "created_at": "2026-03-01T11:42:33Z", "payload": {}})

    assert event.state == "ignored"


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"event": 7},
        {"event": {}, "type": " "},
    ],
)
def test_what_names_no_event_is_malformed(payload: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        processed(payload)


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        {"uri": 7},
        {"uri": "x" * 251},
        {"invitee": {"uuid": "I1"}, "event": "E1"},
    ],
)
def test_where_the_invitee_is_wanted_is_told(payload: Any) -> None:
    with pytest.raises(Malformed, match=r"payload\.uri .* up to 250 characters"):
        processed({"event": "invitee.created", "payload": payload})


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


@settings(max_examples=300)
@given(name=st.sampled_from(sample_names(CALENDLY)), data=st.data())
def test_handlers_take_any_value_in_any_field(name: str, data: st.DataObject) -> None:
    payload = sample(CALENDLY, name)
    inner = payload["payload"]
    for part in (inner, inner.get("scheduled_event"), inner.get("invitee"), inner.get("tracking")):
        fields = sorted(part) if isinstance(part, dict) else []
        for field in data.draw(st.lists(st.sampled_from(fields), max_size=4)) if fields else ():
            part[field] = data.draw(JSON)

    try:
        event = processed(parse_object(json.dumps(payload).encode()))
    except Malformed:  # whose booking it is, it no longer says
        event = None
    if event is None:
        assert not isinstance(inner.get("uri"), str) or not 0 < len(inner["uri"].strip()) <= 250
        return
    assert event.state == "processed"
    for row in event.effects.records:
        assert isinstance(row, Record)
        assert all(0 < len(key) <= 300 for key in row.key.values())

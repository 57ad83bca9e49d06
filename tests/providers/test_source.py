"""Senders of the settings: their schemes against official signers and hostile headers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from services.errors import ConvohooksError, Unauthorized
from services.events import WebhookEventProcessingService
from services.inbound import Inbound
from services.provider import Call, Provider
from services.providers.source import source_provider
from services.settings import load_settings
from services.settings.sources import Source, read_sources

SECRET = "whsec_" + base64.b64encode(b"k" * 24).decode()
OLD = "whsec_" + base64.b64encode(b"o" * 24).decode()
SETTINGS = load_settings(
    {
        "SUPABASE_URL": "https://p.example.test",
        "SUPABASE_SECRET_KEY": "sb_secret_x",
        "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_x",
    }
)
MESSAGE = {
    "conversation_id": "7d5f2f5c-0000-4000-8000-000000000001",
    "data": {
        "id": "m1",
        "content": "Hello",
        "content_type": "TEXT",
        "type": "USER_INPUT",
        "channel": "API",
        "status": "RECEIVED",
        "metadata": {"a": 1},
        "created_by": "ada",
        "updated_by": "ada",
        "created_at": "2026-03-01T10:00:00Z",
        "updated_at": "2026-03-01T10:00:01Z",
    },
    "timestamp": "2026-03-01T10:00:01Z",
}
SCHEMES: list[dict[str, Any]] = [
    {"scheme": "standard-webhooks", "secret": SECRET},
    {
        "scheme": "hmac-sha256",
        "secret": "s3cret",
        "header": "X-Hub-Signature-256",
        "prefix": "sha256=",
    },
    {"scheme": "hmac-sha1", "secret": "s3cret", "header": "X-Hub-Signature", "prefix": "sha1="},
    {"scheme": "hmac-sha256", "secret": "s3cret", "encoding": "base64"},
    {"scheme": "bearer", "secret": "s3cret"},
    {"scheme": "bearer", "secret": "s3cret", "header": "X-Token"},
]
HOSTILE = [
    "", " ", ",", "=", "v1", "v1,", "v1,a,b", "v1,=", "v1,%%%", "v1a,x", "v1,\x00", "null",
    "sha256=", "sha256=zz", "sha1=", "Bearer", "Bearer ", "bearer x", "\udcff", "é", "a" * 9000,
    "0" * 64, "t=1,v1=", "1e400", "nan", "-1", "99999999999999999999",
]  # fmt: skip


def provider(**told: Any) -> Provider:
    return source_provider("acme", Source.model_validate(told))


def inbound(body: bytes, headers: dict[str, str]) -> Inbound:
    return Inbound(
        method="POST",
        path="/api/webhooks/acme",
        query={},
        headers={name.lower(): value for name, value in headers.items()},
        body=body,
        received_at=datetime.now(UTC),
    )


def signed(sender: Provider, body: bytes) -> dict[str, str]:
    return dict(
        sender.sign(Call(url="https://x.example.test", body=body, headers={}), SETTINGS).headers
    )


@pytest.mark.parametrize("told", SCHEMES, ids=lambda told: f"{told['scheme']}-{len(told)}")
def test_what_is_signed_is_authentic_and_what_is_changed_is_not(told: dict[str, Any]) -> None:
    sender = provider(**told)
    headers = signed(sender, b'{"type": "a"}')
    sender.verify(inbound(b'{"type": "a"}', headers), SETTINGS)
    if told["scheme"] != "bearer":
        with pytest.raises(Unauthorized):
            sender.verify(inbound(b'{"type": "b"}', headers), SETTINGS)
    with pytest.raises(Unauthorized):
        sender.verify(inbound(b'{"type": "a"}', {}), SETTINGS)
    with pytest.raises(Unauthorized):
        provider(**{**told, "secret": []}).verify(inbound(b'{"type": "a"}', headers), SETTINGS)


@pytest.mark.parametrize("told", SCHEMES, ids=lambda told: f"{told['scheme']}-{len(told)}")
def test_two_secrets_are_valid_during_rotation(told: dict[str, Any]) -> None:
    other = OLD if told["scheme"] == "standard-webhooks" else "older"
    for order in ([told["secret"], other], [other, told["secret"]]):
        headers = signed(provider(**told), b"{}")
        provider(**{**told, "secret": order}).verify(inbound(b"{}", headers), SETTINGS)


def test_a_bearer_token_comes_in_the_header_that_the_settings_name_whichever_it_is() -> None:
    sender = provider(scheme="bearer", secret="s3cret", header="X-Signature")

    sender.verify(inbound(b"{}", {"X-Signature": "s3cret"}), SETTINGS)

    assert signed(sender, b"{}") == {"X-Signature": "s3cret"}
    with pytest.raises(Unauthorized):
        sender.verify(inbound(b"{}", {"Authorization": "Bearer s3cret"}), SETTINGS)


def test_what_has_no_secret_yet_is_sent_without_a_proof() -> None:
    call = Call(url="https://x.example.test", body=b"{}", headers={"X-Told": "1"})

    assert provider(scheme="bearer").sign(call, SETTINGS) == call


def test_every_type_is_known_and_none_by_name() -> None:
    events = provider(scheme="bearer").events

    assert (list(events), len(events)) == ([], 0)
    assert events["order.paid"] is events["whatever"]


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("told", SCHEMES, ids=lambda told: f"{told['scheme']}-{len(told)}")
def test_hostile_headers_are_refused(told: dict[str, Any], hostile: str) -> None:
    sender = provider(**told)
    for name in signed(sender, b"{}"):
        headers = {**signed(sender, b"{}"), name: hostile}
        with pytest.raises(Unauthorized):
            sender.verify(inbound(b"{}", headers), SETTINGS)


@given(st.binary(max_size=60), st.dictionaries(st.text(max_size=20), st.text(max_size=40)))
@pytest.mark.parametrize("told", SCHEMES, ids=lambda told: f"{told['scheme']}-{len(told)}")
def test_any_call_has_a_verdict(told: dict[str, Any], body: bytes, headers: dict[str, str]) -> None:
    sender = provider(**told)
    for name in signed(sender, b"{}"):
        headers = {**headers, name: next(iter(headers.values()), "")}
    with pytest.raises(Unauthorized):
        sender.verify(inbound(body, headers), SETTINGS)


def test_the_official_library_signs_what_we_accept() -> None:
    now = datetime.now(UTC)
    body = json.dumps(MESSAGE)
    headers = {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": str(int(now.timestamp())),
        "Webhook-Signature": "v1,AAAA v1a,BBBB " + Webhook(SECRET).sign("msg_1", now, body),
    }
    provider(**SCHEMES[0]).verify(inbound(body.encode(), headers), SETTINGS)


@pytest.mark.parametrize("minutes", [-6, 6])
def test_an_old_or_a_future_signature_is_refused(minutes: int) -> None:
    then = datetime.now(UTC) + timedelta(minutes=minutes)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(then.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("msg_1", then, "{}"),
    }
    with pytest.raises(Unauthorized):
        provider(**SCHEMES[0]).verify(inbound(b"{}", headers), SETTINGS)


def test_github_like_signature() -> None:
    digest = hmac.new(b"s3cret", b"{}", hashlib.sha256).hexdigest()
    sender = provider(**SCHEMES[1])
    sender.verify(inbound(b"{}", {"x-hub-signature-256": f"sha256={digest}"}), SETTINGS)
    with pytest.raises(Unauthorized):
        sender.verify(inbound(b"{}", {"x-hub-signature-256": digest}), SETTINGS)


class NoLookups:
    def videos(self, conversation_id: str, *, fresh: bool = False) -> tuple[()]:
        return ()

    def scenario(self, conversation_id: str) -> None:
        return None

    def phone(self, phone_number: str) -> None:
        return None


def understood(sender: Provider, payload: Any, headers: dict[str, str] | None = None) -> Any:
    call = inbound(json.dumps(payload).encode(), headers or {})
    credential = sender.verify(inbound(call.body, signed(sender, call.body)), SETTINGS)
    return WebhookEventProcessingService(lookups=NoLookups()).process(call, sender, credential)


def test_an_event_is_named_by_its_key_path_its_id_or_its_body() -> None:
    by_path = provider(scheme="bearer", secret="s", key="data.id", event_type="kind")
    one = understood(by_path, {"kind": "order.paid", "data": {"id": 7}, "n": 1})
    two = understood(by_path, {"kind": "order.paid", "data": {"id": 7}, "n": 2})
    assert one.event_key == two.event_key == "-:id:7"
    assert one.event_type == "order.paid"
    standard = provider(**SCHEMES[0])
    assert understood(standard, {}, {"webhook-id": "msg_9"}).event_key == "-:id:msg_9"
    by_body = provider(scheme="bearer", secret="s")
    assert understood(by_body, {"a": 1}).event_key != understood(by_body, {"a": 2}).event_key
    assert understood(by_body, {"a": 1}).event_type == "unknown"


def test_two_long_ids_are_two_events() -> None:
    sender = provider(scheme="bearer", secret="s", key="id")
    ids = ["x" * 300 + end for end in ("a", "b")]
    keys = [understood(sender, {"id": one}).event_key for one in ids]
    assert keys[0] != keys[1]
    assert keys[0] == understood(sender, {"id": ids[0], "n": 2}).event_key


def test_a_message_becomes_a_row() -> None:
    sender = provider(scheme="bearer", secret="s", payload="message", key="data.id")
    [row] = understood(sender, MESSAGE).effects.records
    assert (row.table, row.key) == ("received_messages", {"source": "acme", "message_id": "m1"})
    assert row.values["content"] == "Hello"
    assert row.values["changed_at"] == "2026-03-01T10:00:01+00:00"
    assert row.rank == pytest.approx(datetime(2026, 3, 1, 10, 0, 1, tzinfo=UTC).timestamp() + 0.001)


def test_a_message_keeps_its_conversation() -> None:
    sender = provider(scheme="bearer", secret="s", payload="message")
    event = understood(sender, MESSAGE)
    assert event.conversation_id == MESSAGE["conversation_id"]
    assert event.effects.records[0].values["conversation_id"] == MESSAGE["conversation_id"]
    assert understood(provider(scheme="bearer", secret="s"), MESSAGE).conversation_id is None


def test_an_unknown_enum_value_is_named() -> None:
    sender = provider(scheme="bearer", secret="s", payload="message")
    wrong = {**MESSAGE, "data": {**MESSAGE["data"], "channel": "PIGEON"}}  # type: ignore[dict-item]
    with pytest.raises(ConvohooksError, match=r"data\.channel: found 'PIGEON', wanted one of API"):
        understood(sender, wrong)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=8,
)
PARTS = st.fixed_dictionaries({}, optional={name: JSON for name in MESSAGE["data"]})  # type: ignore[attr-defined]


@given(
    st.fixed_dictionaries(
        {},
        optional={"conversation_id": JSON, "timestamp": JSON, "type": JSON, "data": JSON | PARTS},
    )
)
def test_any_body_is_understood_or_refused(payload: dict[str, Any]) -> None:
    sender = provider(scheme="bearer", secret="s", payload="message", key="data.id")
    try:
        event = understood(sender, payload)
    except ConvohooksError:
        return
    assert event.state == "processed"
    assert len(event.event_type) <= 255


def test_a_huge_body_is_shown_without_its_depth() -> None:
    event = understood(
        provider(scheme="bearer", secret="s"), {"type": "a", "blob": ["x" * 9000], "n": 1}
    )
    assert event.projections[0].event_data == {"type": "a", "n": 1}


@pytest.mark.parametrize(
    ("told", "complaint"),
    [
        ("[]", "is no JSON object"),
        ("{", "is no JSON"),
        ('{"Stripe!": {"scheme": "bearer"}}', "no free name"),
        ('{"stripe": {"scheme": "bearer"}}', "no free name"),
        ('{"a": {"scheme": "rot13"}}', "is wrong in a: scheme"),
        ('{"a": {}}', "is wrong in a: scheme"),
        ('{"a": {"scheme": "bearer", "colour": 1}}', "is wrong in a: colour"),
        ('{"a": {"scheme": "standard-webhooks", "secret": "whsec_"}}', "no whsec_ and base64"),
        ('{"a": {"scheme": "bearer", "secret": ""}}', "is wrong in a: secret"),
        ('{"a": {"scheme": "bearer", "header": "X\\nY"}}', "is wrong in a: header"),
    ],
)
def test_a_wrong_setting_is_named_without_its_secret(told: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        read_sources(told)


def test_secrets_are_not_shown() -> None:
    assert "s3cret" not in repr(read_sources('{"a": {"scheme": "bearer", "secret": "s3cret"}}'))

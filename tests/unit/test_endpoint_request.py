"""endpoint_request.py and message_request.py: what may be asked, and what is wrong with it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from services.egress import Egress
from services.errors import Unprocessable
from services.outgoing.endpoint_request import (
    EVENT_TYPES,
    ConversationWebhook,
    EndpointChange,
    EventType,
    NewEndpoint,
    ResendFailed,
    Rotation,
    SampleWanted,
)
from services.outgoing.endpoints import check_url, new_secret
from services.outgoing.message_request import MessageChange, NewMessage
from services.outgoing.samples import sample
from services.validation import explain
from tests.unit.egress_vectors import REFUSED_URLS

URL = "https://hooks.example.test/in"


def complaint(model: type[BaseModel], fields: dict[str, Any]) -> str:
    """Return what a model says against some fields."""
    with pytest.raises(ValidationError) as raised:
        model.model_validate(fields)
    return explain(raised.value)


def test_an_endpoint_needs_only_its_url() -> None:
    assert NewEndpoint(url=URL).model_dump() == {
        "url": URL,
        "event_types": None,
        "description": None,
        "disabled": False,
        "headers": {},
        "rate_per_minute": None,
        "concurrency": None,
        "ordered": False,
        "retry_schedule": None,
    }


def test_everything_that_may_be_said_of_an_endpoint_is_kept() -> None:
    told = {
        "url": URL,
        "event_types": [*EVENT_TYPES],
        "description": "x" * 1000,
        "disabled": True,
        "headers": {"X-Key": "a b\tc~!", "Authorization": "", "x!#$%&'*+.^_`|~-9": "v"},
        "rate_per_minute": 10_000,
        "concurrency": 100,
        "ordered": True,
        "retry_schedule": [1, 604_800] * 10,
    }

    assert NewEndpoint.model_validate(told).model_dump() == told


def test_header_stays_as_it_is_in_a_change_only() -> None:
    told = {"headers": {"X-Key": None}}

    assert EndpointChange.model_validate(told).fields() == told
    assert complaint(NewEndpoint, {"url": URL, **told}).startswith("headers")


def test_null_and_an_empty_schedule_are_said_too() -> None:
    told = dict.fromkeys(
        ("event_types", "description", "rate_per_minute", "concurrency", "retry_schedule")
    )
    assert NewEndpoint.model_validate({"url": URL, **told}).retry_schedule is None
    assert EndpointChange.model_validate(told).fields() == told
    assert EndpointChange.model_validate({"retry_schedule": []}).fields() == {"retry_schedule": []}
    assert EndpointChange.model_validate({}).fields() == {}


def test_a_text_that_postgres_cannot_store_is_changed() -> None:
    assert NewEndpoint(url=URL, description="a\0b\ud800").description == "a\ufffdb\ufffd"
    assert NewMessage(content="\0").content == "\ufffd"


WRONG = [
    ("event_types", []),
    ("event_types", ["message.created", "message.created"]),
    ("event_types", ["message.deleted"]),
    ("event_types", "message.created"),
    ("event_types", [None]),
    ("event_types", {"message.created": 1}),
    ("description", "x" * 1001),
    ("description", 7),
    ("disabled", None),
    ("disabled", "false"),
    ("disabled", 1),
    ("ordered", None),
    ("ordered", 0),
    ("rate_per_minute", 0),
    ("rate_per_minute", 10_001),
    ("rate_per_minute", 1.5),
    ("rate_per_minute", "10"),
    ("rate_per_minute", True),
    ("rate_per_minute", 2**70),
    ("concurrency", 0),
    ("concurrency", 101),
    ("retry_schedule", [0]),
    ("retry_schedule", [604_801]),
    ("retry_schedule", [1.5]),
    ("retry_schedule", ["4"]),
    ("retry_schedule", [True]),
    ("retry_schedule", [1] * 21),
    ("retry_schedule", 4),
    ("url", None),
    ("url", 7),
    ("url", [URL]),
    ("id", "00000000-0000-0000-0000-000000000000"),
    ("user_id", "00000000-0000-0000-0000-000000000000"),
    ("conversation_id", "00000000-0000-0000-0000-000000000000"),
    ("secret", "whsec_AAAA"),
    ("disabled_reason", "owner"),
    ("version", 9),
]


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_a_wrong_field_is_named_when_made_and_when_changed(field: str, value: Any) -> None:
    assert field in complaint(NewEndpoint, {"url": URL, field: value})
    assert field in complaint(EndpointChange, {field: value})


WRONG_HEADERS: list[Any] = [
    {"Host": "internal"},
    {"host": "internal"},
    {"Content-Length": "0"},
    {"TRANSFER-ENCODING": "chunked"},
    {"Connection": "keep-alive"},
    {"Keep-Alive": "5"},
    {"TE": "trailers"},
    {"te": "trailers"},
    {"Trailer": "x"},
    {"Upgrade": "h2c"},
    {"Expect": "100-continue"},
    {"Proxy-Authorization": "Basic x"},
    {"proxy-connection": "x"},
    {"Accept-Encoding": "gzip"},
    {"Content-Type": "text/plain"},
    {"User-Agent": "x"},
    {"webhook-id": "msg_1"},
    {"Webhook-Signature": "v1,x"},
    {"WEBHOOK-ANYTHING": "x"},
    {"X-A": "1\r\nX-B: 2"},
    {"X-A": "1\nX-B: 2"},
    {"X-A": "1\r"},
    {"X-A": "\0"},
    {"X-A": "é"},
    {"X-A": "\u2028"},
    {"X-A": "\x7f"},
    {"X-A": "\x0b"},
    {"X-A\r\nX-B": "1"},
    {"X-A\n": "1"},
    {"X A": "1"},
    {"X-A ": "1"},
    {" X-A": "1"},
    {"X-A:": "1"},
    {"": "1"},
    {"X-\u00e9": "1"},
    {"X-\uff21": "1"},
    {"Ho\u017ft": "x"},
    {"\u212aeep-Alive": "x"},
    {"X-A": "1", "x-a": "2"},
    {"X-A": 1},
    {"X-A": ["1"]},
    {"X-A": "v" * 4094},
    {f"X-{n}": "1" for n in range(21)},
    [["X-A", "1"]],
    "X-A: 1",
    None,
]


@pytest.mark.parametrize("headers", WRONG_HEADERS)
def test_a_header_that_is_ours_or_none_is_refused(headers: Any) -> None:
    said = complaint(NewEndpoint, {"url": URL, "headers": headers})

    assert said.startswith("headers")
    assert "\r" not in said
    assert "\n" not in said
    assert "headers" in complaint(EndpointChange, {"headers": headers})


def test_headers_may_be_as_many_and_as_long_as_they_may() -> None:
    NewEndpoint(url=URL, headers={f"X-{n}": "1" for n in range(20)})
    NewEndpoint(url=URL, headers={"X-A": "v" * 4093})


# --- urls ------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", REFUSED_URLS)
def test_a_url_that_is_refused_as_it_is_written_is_named(url: str) -> None:
    with pytest.raises(Unprocessable, match=r"^callback_url: ") as raised:
        check_url(Egress(), url, "callback_url")

    assert "password" not in raised.value.detail
    assert len(raised.value.detail) < 400


@pytest.mark.parametrize(
    "url",
    [
        URL,
        "https://hooks.example.test:8443/in?a=b&c=%20",
        "HTTPS://Hooks.Example.Test",
        "https://9.9.9.9/in",
        "https://[2620:fe::fe]/in",
        "https://b\u00fccher.example.test/",
    ],
)
def test_an_address_in_the_open_is_taken(url: str) -> None:
    check_url(Egress(), url, "url")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/", "http://hooks.example.test/", "HTTP://hooks.example.test/"]
)
def test_http_is_refused_with_the_setting_that_allows_it(url: str) -> None:
    with pytest.raises(Unprocessable, match="WEBHOOK_ALLOW_LOCAL=1"):
        check_url(Egress(), url, "url")


def test_with_the_setting_this_machine_is_taken_and_nothing_else_more() -> None:
    local = Egress(allow_loopback=True)

    for url in ("http://127.0.0.1:9/", "http://[::1]/", "https://127.0.0.1/", "http://localhost/"):
        check_url(local, url, "url")
    for url in ("http://9.9.9.9/", "http://10.0.0.1/", "https://10.0.0.1/", "https://0.0.0.0/"):
        with pytest.raises(Unprocessable):
            check_url(local, url, "url")


def test_secrets_are_those_of_standard_webhooks_and_differ() -> None:
    made = {new_secret() for _ in range(100)}

    assert len(made) == 100
    assert all(secret.startswith("whsec_") and len(secret) == 38 for secret in made)


# --- actions ---------------------------------------------------------------------------------


def test_what_is_not_said_of_an_action_has_a_default() -> None:
    assert Rotation().overlap_seconds == 86_400
    assert Rotation(overlap_seconds=0).overlap_seconds == 0
    assert Rotation(overlap_seconds=604_800).overlap_seconds == 604_800
    assert SampleWanted().event_type is None


@pytest.mark.parametrize("wrong", [-1, 604_801, 1.5, "60", None, True])
def test_an_overlap_of_more_than_a_week_is_refused(wrong: Any) -> None:
    assert "overlap_seconds" in complaint(Rotation, {"overlap_seconds": wrong})


def test_a_time_without_a_zone_is_utc() -> None:
    since = ResendFailed.model_validate({"since": "2026-03-01T10:00:00"}).since

    assert since == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert ResendFailed.model_validate({"since": "2026-03-01T12:00:00+02:00"}).since == since


@pytest.mark.parametrize("wrong", [None, "", "yesterday", "2026-13-01", [], {"a": 1}, 10**30])
def test_a_time_that_is_none_is_named(wrong: Any) -> None:
    assert "since" in complaint(ResendFailed, {"since": wrong})
    assert "since" in complaint(ResendFailed, {})


# --- the webhook of a conversation -----------------------------------------------------------


def test_the_guides_example_is_a_webhook() -> None:
    webhook = ConversationWebhook.model_validate(
        {
            "channel": "API",
            "usecase": "WORKFLOW_EXECUTION",
            "config": {"workflow_id": "123", "callback_url": URL},
        }
    )

    assert webhook.config.callback_url == URL
    assert webhook.workflow() == {
        "channel": "API",
        "usecase": "WORKFLOW_EXECUTION",
        "workflow_id": "123",
    }


def test_only_the_callback_url_is_required() -> None:
    webhook = ConversationWebhook.model_validate({"config": {"callback_url": URL}})

    assert (webhook.channel, webhook.usecase, webhook.config.workflow_id) == (
        "API",
        "WORKFLOW_EXECUTION",
        None,
    )


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("config", {}),
        ("config", {"config": None}),
        ("config", {"config": [URL]}),
        ("config.callback_url", {"config": {}}),
        ("config.callback_url", {"config": {"callback_url": None}}),
        ("config.workflow_id", {"config": {"callback_url": URL, "workflow_id": 123}}),
        ("config.workflow_id", {"config": {"callback_url": URL, "workflow_id": ""}}),
        ("config.workflow_id", {"config": {"callback_url": URL, "workflow_id": "x" * 256}}),
        ("config.secret", {"config": {"callback_url": URL, "secret": "x"}}),
        ("channel", {"channel": "EMAIL", "config": {"callback_url": URL}}),
        ("channel", {"channel": "api", "config": {"callback_url": URL}}),
        ("channel", {"channel": None, "config": {"callback_url": URL}}),
        ("usecase", {"usecase": "OTHER", "config": {"callback_url": URL}}),
        ("disabled", {"disabled": True, "config": {"callback_url": URL}}),
    ],
)
def test_another_shape_is_refused_and_named(field: str, fields: dict[str, Any]) -> None:
    assert f"{field}: " in complaint(ConversationWebhook, fields)


# --- messages --------------------------------------------------------------------------------


def test_a_message_needs_only_its_content() -> None:
    assert NewMessage(content="Hello.").model_dump() == {
        "content": "Hello.",
        "content_type": "TEXT",
        "type": "USER_INPUT",
        "channel": "API",
        "status": "RECEIVED",
        "filename": None,
        "metadata": {},
        "created_by": None,
    }


@pytest.mark.parametrize("content_type", ["IMAGE", "VIDEO", "DOCUMENT", "AUDIO"])
def test_a_medium_may_have_the_name_of_its_file(content_type: Any) -> None:
    made = NewMessage(content="x", content_type=content_type, filename="document.pdf")

    assert made.filename == "document.pdf"


def test_content_and_metadata_may_be_as_long_as_they_may() -> None:
    NewMessage(content="x" * 100_000, metadata={"k": "v" * (16_384 - len('{"k": ""}'))})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("content", None),
        ("content", ""),
        ("content", 7),
        ("content", "x" * 100_001),
        ("content_type", "text"),
        ("content_type", "STICKER"),
        ("content_type", None),
        ("type", "USER"),
        ("channel", "EMAIL"),
        ("status", "SENT"),
        ("filename", "document.pdf"),
        ("metadata", None),
        ("metadata", []),
        ("metadata", "{}"),
        ("metadata", {"k": "v" * 16_384}),
        ("metadata", {"k": "é" * 8_190}),
        ("metadata", {"k": "\ud800" * 6_000}),
        ("created_by", ""),
        ("created_by", "x" * 256),
        ("created_by", 7),
        ("id", "x"),
        ("updated_by", "x"),
        ("created_at", "2026-03-01T10:00:00Z"),
    ],
)
def test_a_wrong_field_of_a_message_is_named(field: str, value: Any) -> None:
    assert f"{field}: " in complaint(NewMessage, {"content": "x", field: value})


@pytest.mark.parametrize("name", ["", "x" * 256, 7])
def test_a_wrong_name_of_a_file_is_named(name: Any) -> None:
    fields = {"content": "x", "content_type": "IMAGE", "filename": name}

    assert "filename: " in complaint(NewMessage, fields)


@pytest.mark.parametrize("status", ["RECEIVED", "processed", None, "", 1])
def test_a_message_ends_processed_or_failed(status: Any) -> None:
    assert "status: " in complaint(MessageChange, {"status": status})
    assert "status: " in complaint(MessageChange, {})


# --- samples ---------------------------------------------------------------------------------


def test_there_is_a_sample_of_every_type_and_of_nothing_else() -> None:
    there = {path.stem for path in Path("services/samples/outgoing").iterdir()}

    assert there == set(EVENT_TYPES) == set(get_args(EventType))


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_a_sample_is_of_now_and_of_nothing_that_was(event_type: EventType) -> None:
    one, other = sample(event_type), sample(event_type)

    made = datetime.fromisoformat(one["timestamp"])
    assert abs((datetime.now(UTC) - made).total_seconds()) < 60
    if "id" in one["data"]:
        assert one["data"]["id"] != other["data"]["id"]
    if not event_type.startswith("message."):
        assert one["type"] == event_type


def test_a_sample_of_a_conversation_names_it() -> None:
    assert sample("message.created", "c1")["conversation_id"] == "c1"
    assert "conversation_id" not in sample("message.created", "c1")["data"]
    assert sample("feedback.created", "c1")["data"]["conversation_id"] == "c1"
    assert sample("endpoint.disabled", "c1")["data"]["conversation_id"] is None

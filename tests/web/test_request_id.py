"""Each request has a name: in its answer, in every line of its log, with its event."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest

from services.local.stack import LocalStack
from tests.database.events import new_conversation_id, rows
from tests.stack import Service, start_service
from tests.web.caller import LIMITS, SETTINGS, TAVUS, TOKEN, Caller, joined, utterance

TOO_LARGE = b"x" * 11_000_000
MADE = re.compile(r"[0-9a-f]{32}")


@pytest.fixture(name="service", scope="module")
def _service(stack: LocalStack) -> Iterator[Service]:
    service = start_service(stack, **SETTINGS)
    yield service
    service.kill()


@pytest.fixture(name="caller")
def _caller(service: Service) -> Iterator[Caller]:
    with httpx.Client(base_url=service.url, timeout=30, limits=LIMITS) as http:
        yield Caller(http)


def lines(service: Service) -> list[dict[str, Any]]:
    """Return every line of the service's log."""
    text = service.supervisor.state.log(service.name).read_text()
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def lines_of(service: Service, request_id: str) -> list[dict[str, Any]]:
    return [line for line in lines(service) if line.get("request_id") == request_id]


def test_name_of_the_sender_is_answered_logged_and_kept(
    caller: Caller, service: Service, db: psycopg.Connection
) -> None:
    conversation = new_conversation_id()

    answer = caller.send(joined(conversation), headers={"X-Request-ID": "made.by_the-sender"})

    assert answer.headers["X-Request-ID"] == "made.by_the-sender"
    [line] = lines_of(service, "made.by_the-sender")
    assert line["event"] == "webhook"
    kept = rows(
        db,
        "select id::text, headers ->> 'x-request-id' as name from private.webhook_inbox"
        " where conversation_id = %s",
        conversation,
    )
    assert kept == [{"id": line["event_id"], "name": "made.by_the-sender"}]


@pytest.mark.parametrize(
    "name", ["", "a b", "a\tb", "é", "<script>", '"}', "a" * 129, "a,b", "a;b", "${jndi:x}"]
)
def test_name_that_is_none_is_replaced(
    caller: Caller, service: Service, db: psycopg.Connection, name: str
) -> None:
    conversation = new_conversation_id()

    answer = caller.send(joined(conversation), headers={"X-Request-ID": name.encode()})

    made = answer.headers["X-Request-ID"]
    assert MADE.fullmatch(made)
    assert [line["event"] for line in lines_of(service, made)] == ["webhook"]
    kept = rows(
        db,
        "select headers ->> 'x-request-id' as name from private.webhook_inbox"
        " where conversation_id = %s",
        conversation,
    )
    assert kept == [{"name": made}]


REFUSALS = {
    "unauthentic": (401, lambda http: http.post(TAVUS, json={})),
    "malformed": (400, lambda http: http.post(TAVUS, params={"t": TOKEN}, content=b"{")),
    "no such page": (404, lambda http: http.get("/nothing/here")),
    "wrong method": (405, lambda http: http.get(TAVUS)),
    "too large": (413, lambda http: http.post(TAVUS, params={"t": TOKEN}, content=TOO_LARGE)),
    "a form with files": (
        415,
        lambda http: http.post(TAVUS, params={"t": TOKEN}, files={"a": b"b"}),
    ),
    "nobody is signed in": (401, lambda http: http.get("/api/webhook-events")),
}


@pytest.mark.parametrize(("status", "call"), REFUSALS.values(), ids=REFUSALS)
def test_every_refusal_names_its_request(service: Service, status: int, call: Any) -> None:
    with httpx.Client(base_url=service.url, timeout=30) as http:
        answer = call(http)

    assert answer.status_code == status
    assert MADE.fullmatch(answer.headers["X-Request-ID"])
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]


def test_pages_of_other_origins_may_read_it(service: Service) -> None:
    answer = httpx.get(
        f"{service.url}/api/webhook-events", headers={"Origin": "https://app.example.test"}
    )

    assert "X-Request-ID" in answer.headers["Access-Control-Expose-Headers"]


def test_names_of_requests_at_once_never_mix(service: Service, db: psycopg.Connection) -> None:
    conversations = {f"request-{n}": new_conversation_id() for n in range(120)}

    def send(name: str) -> httpx.Response:
        return Caller(http).send(utterance(conversations[name], 1), headers={"X-Request-ID": name})

    with (
        httpx.Client(base_url=service.url, timeout=30, limits=LIMITS) as http,
        ThreadPoolExecutor(40) as pool,
    ):
        answers = list(pool.map(send, conversations))

    assert [answer.headers["X-Request-ID"] for answer in answers] == list(conversations)
    logged = {
        line["request_id"]: line["conversation_id"]
        for line in lines(service)
        if line["event"] == "webhook" and line.get("request_id") in conversations
    }
    assert logged == conversations
    kept = rows(
        db,
        "select headers ->> 'x-request-id' as name, conversation_id from private.webhook_inbox"
        " where conversation_id = any(%s)",
        list(conversations.values()),
    )
    assert {row["name"]: row["conversation_id"] for row in kept} == conversations


def test_refused_call_has_one_line_too(caller: Caller, service: Service) -> None:
    for body, status in ((b"{", 400), (TOO_LARGE, 413)):
        answer = caller.send(body)
        [line] = lines_of(service, answer.headers["X-Request-ID"])
        assert (line["event"], line["status"], line["source"]) == ("webhook", status, "tavus")
        assert 0 <= line["ms"] < 60_000
        assert line["reason"]


def test_call_in_an_outage_has_one_line(stack: LocalStack) -> None:
    service = start_service(stack, **SETTINGS, SUPABASE_URL="http://127.0.0.1:9")
    try:
        with httpx.Client(base_url=service.url, timeout=30) as http:
            answer = Caller(http).send(joined(new_conversation_id()))
        [line] = lines_of(service, answer.headers["X-Request-ID"])
    finally:
        service.kill()

    assert answer.status_code == 503
    assert (line["event"], line["status"], line["level"]) == ("webhook", 503, "error")

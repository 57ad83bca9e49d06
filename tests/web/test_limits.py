"""Floods: who is throttled, who is not, and what happens to what is too much."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psycopg
import pytest

from app import create_app
from services.errors import TooManyRequests
from services.inbound import Inbound
from services.local.stack import LocalStack
from services.providers.tavus import TAVUS as PROVIDER
from services.settings import Settings, load_settings
from services.web import webhooks
from services.wiring.web import wire
from services.wiring.worker import wire_worker
from tests.database.events import make_conversation, new_conversation_id, rows
from tests.redis_server import redis_server
from tests.stack import Service, start_service
from tests.web.caller import (
    FUNCTION,
    KEY,
    TAVUS,
    TOKEN,
    Caller,
    conversation_query,
    joined,
    utterance,
)

LIMITS = {
    "TAVUS_WEBHOOK_TOKEN": TOKEN,
    "CALLBACK_SIGNING_KEY": KEY,
    "AUTH_FAILURES_PER_MINUTE": "5",
    "EVENTS_PER_MINUTE": "0",
    "TRUSTED_PROXIES": "1",
}


@contextmanager
def limited(stack: LocalStack, **env: str) -> Iterator[tuple[Caller, Service]]:
    """Run a service with low limits behind a proxy."""
    service = start_service(stack, **{**LIMITS, **env})
    try:
        limits = httpx.Limits(max_connections=100)
        with httpx.Client(base_url=service.url, timeout=30, limits=limits) as http:
            yield Caller(http), service
    finally:
        service.kill()


@pytest.fixture(name="throttling", scope="module")
def _throttling(stack: LocalStack) -> Iterator[Caller]:
    with limited(stack) as (caller, _):
        yield caller


@pytest.fixture(name="settings")
def _settings(stack: LocalStack) -> Settings:
    """Settings of a service that runs within the test."""
    return load_settings({**stack.env(), **LIMITS})


def log(service: Service) -> str:
    """Return all that a service has written."""
    return service.supervisor.state.log(service.name).read_text()


def wrong(caller: Caller, address: str, path: str = TAVUS) -> httpx.Response:
    """Call without proof, from an address."""
    return caller.send(b"{}", path=path, query={}, headers={"X-Forwarded-For": address})


def flood(caller: Caller, address: str) -> None:
    for _ in range(6):
        wrong(caller, address)


def test_flood_of_unproven_calls_is_429_and_says_until_when(throttling: Caller) -> None:
    answers = [wrong(throttling, "192.0.2.1") for _ in range(8)]

    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 3
    refusal = answers[-1]
    assert refusal.headers["Content-Type"] == "application/problem+json"
    assert 0 < int(refusal.headers["Retry-After"]) <= 60
    assert refusal.headers["RateLimit-Limit"] == "5"
    assert refusal.headers["RateLimit-Remaining"] == "0"
    assert refusal.headers["RateLimit-Reset"] == refusal.headers["Retry-After"]
    assert "WWW-Authenticate" not in refusal.headers


def test_authentic_calls_from_a_throttled_address_are_served(throttling: Caller) -> None:
    flood(throttling, "192.0.2.2")

    answer = throttling.send(
        joined(new_conversation_id()), headers={"X-Forwarded-For": "192.0.2.2"}
    )

    assert answer.status_code == 200
    assert wrong(throttling, "192.0.2.2").status_code == 429


def test_authentic_calls_do_not_count_as_failures(throttling: Caller) -> None:
    for _ in range(10):
        throttling.send(b"not JSON", headers={"X-Forwarded-For": "192.0.2.3"})

    assert wrong(throttling, "192.0.2.3").status_code == 401


def test_every_webhook_address_counts_for_the_same_caller(throttling: Caller) -> None:
    flood(throttling, "192.0.2.4")

    assert wrong(throttling, "192.0.2.4", FUNCTION).status_code == 429


def test_other_addresses_are_not_throttled(throttling: Caller) -> None:
    flood(throttling, "192.0.2.5")

    assert wrong(throttling, "192.0.2.6").status_code == 401


def test_ipv6_counts_by_network(throttling: Caller) -> None:
    for n in range(6):
        wrong(throttling, f"2001:db8:0:1::{n}")

    assert wrong(throttling, "2001:db8:0:1:a:b:c:d").status_code == 429
    assert wrong(throttling, "2001:db8:0:2::1").status_code == 401


def test_token_of_another_conversation_counts_too(
    throttling: Caller, db: psycopg.Connection
) -> None:
    """It is genuine, and only the database knows that it is misused: each try costs a look."""
    stolen = conversation_query(make_conversation(db, new_conversation_id()))

    answers = [
        throttling.send(
            joined(new_conversation_id()), query=stolen, headers={"X-Forwarded-For": "192.0.2.7"}
        )
        for _ in range(6)
    ]

    assert [answer.status_code for answer in answers] == [401] * 5 + [429]


def test_concurrent_flood_is_counted_exactly(throttling: Caller) -> None:
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: wrong(throttling, "192.0.2.8"), range(100)))

    assert [answer.status_code for answer in answers].count(401) == 5
    assert {answer.status_code for answer in answers} == {401, 429}


@pytest.mark.parametrize(
    ("hops", "forwarded", "throttled"),
    [
        (0, "203.0.113.{n}", True),
        (0, "{n}, 203.0.113.1", True),
        (1, "203.0.113.{n}", False),
        (1, "198.51.100.{n}, 203.0.113.1", True),
        (1, "203.0.113.1, 198.51.100.{n}", False),
        (2, "198.51.100.{n}, 203.0.113.1, 192.0.2.1", True),
        (2, "203.0.113.1, 198.51.100.{n}, 192.0.2.1", False),
        (2, "203.0.113.{n}", True),  # fewer hops than there must be: it bypassed a proxy
        (1, "nonsense {n}", True),
    ],
)
def test_only_trusted_hops_of_x_forwarded_for_are_believed(
    settings: Settings, hops: int, forwarded: str, throttled: bool
) -> None:
    client = create_app(replace(settings, trusted_proxies=hops)).test_client()

    statuses = [
        client.post(TAVUS, headers={"X-Forwarded-For": forwarded.format(n=n)}).status_code
        for n in range(6)
    ]

    assert statuses == [401] * 5 + [429 if throttled else 401]


def test_proxies_say_nothing_but_the_address(settings: Settings) -> None:
    app = create_app(replace(settings, trusted_proxies=1))
    app.add_url_rule("/whoami", view_func=lambda: webhooks.request.url)

    answer = app.test_client().get(
        "/whoami", headers={"X-Forwarded-Host": "evil.example.test", "X-Forwarded-Proto": "https"}
    )

    assert answer.text == "http://localhost/whoami"


def work(stack: LocalStack) -> None:
    """Let a worker do all that is due."""
    worker = wire_worker(load_settings(stack.env()))
    while worker.work():
        pass
    worker.database.close()


def states(db: psycopg.Connection, conversation: str) -> list[str]:
    found = rows(
        db,
        "select state from private.webhook_inbox where conversation_id = %s order by seq",
        conversation,
    )
    return [row["state"] for row in found]


def messages(db: psycopg.Connection, conversation: str) -> list[str]:
    found = rows(
        db,
        "select content from public.conversation_messages where conversation_id = %s"
        " order by content",
        conversation,
    )
    return [row["content"] for row in found]


def projected(db: psycopg.Connection, conversation: str) -> int:
    found = rows(
        db, "select 1 from public.processed_webhook_events where conversation_id = %s", conversation
    )
    return len(found)


def test_too_many_events_of_a_sender_that_never_retries_are_handled_later(
    stack: LocalStack, db: psycopg.Connection
) -> None:
    conversation = new_conversation_id()
    make_conversation(db, conversation)
    events = [utterance(conversation, n, f"line {n}") for n in range(6)]

    with limited(stack, EVENTS_PER_MINUTE="3") as (caller, _):
        answers = [caller.send(event) for event in events]
        again = caller.send(events[5])
        unreadable = caller.send(b"not JSON")
        unproven = caller.send(events[0], query={})

    assert [answer.status_code for answer in answers] == [200] * 6
    outcomes = [answer.json()["outcome"] for answer in [*answers, again]]
    assert outcomes == ["new"] * 3 + ["deferred"] * 3 + ["duplicate"]
    assert (unreadable.status_code, unproven.status_code) == (400, 401)
    assert states(db, conversation) == ["processed"] * 3 + ["received"] * 3
    assert messages(db, conversation) == ["line 0", "line 1", "line 2"]

    work(stack)

    assert states(db, conversation) == ["processed"] * 6
    assert messages(db, conversation) == [f"line {n}" for n in range(6)]
    assert projected(db, conversation) == 6
    attempts = rows(
        db,
        "select distinct attempts, last_error from private.webhook_inbox"
        " where conversation_id = %s",
        conversation,
    )
    assert attempts == [{"attempts": 1, "last_error": None}]


def test_deferred_event_of_an_unknown_conversation_waits_for_it(
    stack: LocalStack, db: psycopg.Connection
) -> None:
    conversation = new_conversation_id()
    with limited(stack, EVENTS_PER_MINUTE="1") as (caller, _):
        caller.send(joined(new_conversation_id()))
        strict = {"conversation_id": conversation, "status": "ended", "duration": 1}
        answers = [caller.send(joined(conversation)), caller.send(strict, path=FUNCTION)]

    assert [answer.status_code for answer in answers] == [200, 404]
    work(stack)
    assert states(db, conversation) == ["unmatched"] * 2
    make_conversation(db, conversation)
    assert states(db, conversation) == ["processed"] * 2


def test_sender_that_retries_is_refused_and_nothing_is_stored(
    settings: Settings, db: psycopg.Connection
) -> None:
    services = wire(replace(settings, events_per_minute=1))
    retrying = replace(PROVIDER, retries=True)
    kept, refused = new_conversation_id(), new_conversation_id()

    receipt = services.webhooks.receive(call(kept), retrying)
    with pytest.raises(TooManyRequests) as raised:
        services.webhooks.receive(call(refused), retrying)
    services.database.close()

    assert receipt.outcome == "new"
    assert raised.value.limit == 1
    assert 0 < raised.value.retry_after <= 60
    assert states(db, kept) == ["unmatched"]
    assert states(db, refused) == []


def call(conversation: str) -> Inbound:
    """Return an authentic call as the service sees it."""
    return Inbound(
        method="POST",
        path=TAVUS,
        query={"t": TOKEN},
        headers={},
        body=json.dumps(joined(conversation)).encode(),
        received_at=datetime.now(UTC),
    )


def test_two_services_count_together_and_serve_on_when_redis_is_gone(
    stack: LocalStack, tmp_path: Path
) -> None:
    with (
        redis_server(tmp_path) as redis,
        limited(stack, RATE_LIMIT_STORAGE_URL=redis.url) as (one, service),
        limited(stack, RATE_LIMIT_STORAGE_URL=redis.url) as (other, _),
    ):
        together = [wrong(caller, "192.0.2.9") for caller in (one, other, one, other, one, other)]

        redis.kill()
        unlimited = [wrong(one, "192.0.2.9") for _ in range(20)]
        authentic = one.send(joined(new_conversation_id()))

        assert [answer.status_code for answer in together] == [401] * 5 + [429]
        assert {answer.status_code for answer in unlimited} == {401}
        assert authentic.status_code == 200
        assert log(service).count("limits off") == 1


def test_flood_beyond_redis_connections_is_still_limited(stack: LocalStack, tmp_path: Path) -> None:
    with (
        redis_server(tmp_path) as redis,
        limited(stack, RATE_LIMIT_STORAGE_URL=redis.url) as (caller, service),
        ThreadPoolExecutor(100) as pool,
    ):
        answers = list(pool.map(lambda _: wrong(caller, "192.0.2.10"), range(1000)))

        assert [answer.status_code for answer in answers].count(401) == 5
        assert "limits off" not in log(service)


TYPES = {
    None: 200,
    "": 200,
    "application/json; charset=utf-8": 200,
    "application/cloudevents+json": 200,
    "text/plain": 200,
    "application/x-www-form-urlencoded": 200,
    "multipart/form-data; boundary=x": 415,
    "MultiPart/Mixed": 415,
}


@pytest.mark.parametrize(("content_type", "status"), TYPES.items())
def test_body_that_says_it_is_a_form_with_files_is_415_and_kept(
    caller: Caller, db: psycopg.Connection, content_type: str | None, status: int
) -> None:
    body = b'{"event_type": "x.y", "conversation_id": "%s"}' % new_conversation_id().encode()
    headers = {} if content_type is None else {"Content-Type": content_type}

    unproven = caller.http.post(TAVUS, content=body, headers=headers)
    answer = caller.http.post(TAVUS, params={"t": TOKEN}, content=body, headers=headers)

    assert (unproven.status_code, answer.status_code) == (401, status)
    kept = rows(db, "select reason from private.rejected_events where body = %s", body)
    assert len(kept) == (status == 415)


def test_form_that_holds_no_json_is_400(caller: Caller) -> None:
    form = caller.http.post(TAVUS, params={"t": TOKEN}, data={"event_type": "x"})

    assert form.status_code == 400

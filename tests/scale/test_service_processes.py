"""Five processes of three services: what all are told has one effect, and limits are of all."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from functools import partial

import httpx
import psycopg
import pytest

from app import create_app
from services.local.stack import LocalStack
from services.settings import load_settings
from tests.database.events import make_conversation, new_conversation_id, rows
from tests.redis_server import redis_server
from tests.scale.fleet import App, at_once, running_apps, serving_alone
from tests.unit.test_metrics import samples
from tests.waiting import until
from tests.web.caller import SETTINGS, TAVUS, Caller, joined, utterance
from tests.web.people import sign_up

EVENTS, FAILURES, REQUESTS = 150, 20, 30
SECRET = "token-of-the-sources-for-tests"
BEARER = {"Authorization": f"Bearer {SECRET}"}
SOURCES = {
    name: {"scheme": "bearer", "secret": SECRET, "key": "id"} for name in ("limited", "counted")
}
METRICS = {"Authorization": "Bearer metrics-token-for-tests"}
LIMITED = {
    **SETTINGS,
    "WEBHOOK_SOURCES": json.dumps(SOURCES),
    "EVENTS_PER_MINUTE": str(EVENTS),
    "AUTH_FAILURES_PER_MINUTE": str(FAILURES),
    "API_REQUESTS_PER_MINUTE": str(REQUESTS),
    "TRUSTED_PROXIES": "1",
    "METRICS_TOKEN": "metrics-token-for-tests",
}


@pytest.fixture(name="apps", scope="module")
def _apps(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[App]]:
    """Two services of one process and one of three, which count their limits in one Redis."""
    folder = tmp_path_factory.mktemp("scale")
    with redis_server(folder) as redis:
        one = {**LIMITED, "RATE_LIMIT_STORAGE_URL": redis.url, "WEB_CONCURRENCY": "1"}
        many = {"WEB_CONCURRENCY": "3", "PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics")}
        with running_apps(stack, one, one, {**one, **many}) as apps:
            yield apps


def order(caller: Caller, source: str, number: int) -> httpx.Response:
    """Send an order of a source."""
    payload = {"type": "order.paid", "id": f"order-{number}"}
    return caller.send(payload, path=f"/api/webhooks/{source}", query={}, headers=BEARER)


def unproven(caller: Caller, address: str) -> httpx.Response:
    """Call without proof, from an address."""
    return caller.send(b"{}", query={}, headers={"X-Forwarded-For": address})


def statuses(answers: list[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


def test_event_that_all_are_told_at_once_has_one_effect(
    apps: list[App], db: psycopg.Connection
) -> None:
    conversation = new_conversation_id()
    make_conversation(db, conversation)
    events = [joined(conversation)] + [utterance(conversation, n, f"line {n}") for n in range(11)]
    calls = [
        (partial(app.caller.send, event), number)
        for number, event in enumerate(events)
        for app in apps
        for _ in range(4)
    ]
    random.Random(1).shuffle(calls)

    answers = at_once(call for call, _ in calls)

    assert statuses(answers) == {200: len(calls)}
    told = Counter(
        (number, answer.json()["outcome"])
        for (_, number), answer in zip(calls, answers, strict=True)
    )
    once = {(number, "new"): 1 for number in range(12)}
    assert told == once | {(number, "duplicate"): 11 for number in range(12)}
    for table in ("private.webhook_inbox", "public.processed_webhook_events"):
        stored = rows(db, f"select 1 from {table} where conversation_id = %s", conversation)
        assert len(stored) == 12
    said = rows(
        db,
        "select content from public.conversation_messages where conversation_id = %s",
        conversation,
    )
    assert sorted(row["content"] for row in said) == sorted(f"line {n}" for n in range(11))


def test_events_of_a_sender_are_limited_together(apps: list[App], db: psycopg.Connection) -> None:
    calls = [partial(order, apps[n % 3].caller, "limited", n) for n in range(EVENTS + 60)]

    answers = at_once(calls)

    assert statuses(answers) == {200: EVENTS, 429: 60}
    stored = rows(db, "select 1 from private.webhook_inbox where source = 'limited'")
    assert len(stored) == EVENTS


def test_failed_authentications_of_an_address_are_limited_together(apps: list[App]) -> None:
    calls = [partial(unproven, apps[n % 3].caller, "192.0.2.77") for n in range(FAILURES + 25)]

    answers = at_once(calls)
    others = [unproven(app.caller, "192.0.2.78") for app in apps]

    assert statuses(answers) == {401: FAILURES, 429: 25}
    assert statuses(others) == {401: 3}


def test_requests_of_a_person_are_limited_together(apps: list[App], stack: LocalStack) -> None:
    headers = sign_up(stack).headers
    path = "/api/conversations"
    calls = [
        partial(apps[n % 3].caller.http.get, path, headers=headers) for n in range(REQUESTS + 15)
    ]

    answers = at_once(calls)

    assert statuses(answers) == {200: REQUESTS, 429: 15}
    left = [
        int(answer.headers["RateLimit-Remaining"])
        for answer in answers
        if answer.status_code == 200
    ]
    assert sorted(left) == list(range(REQUESTS))


def test_without_redis_each_process_counts_for_itself(stack: LocalStack) -> None:
    settings = load_settings({**stack.env(), **LIMITED})
    clients = [create_app(settings).test_client() for _ in range(2)]

    answers = [
        client.post(TAVUS, headers={"X-Forwarded-For": "192.0.2.79"}).status_code
        for _ in range(FAILURES + 5)
        for client in clients
    ]

    assert Counter(answers) == {401: 2 * FAILURES, 429: 2 * 5}


def test_counts_of_all_processes_add_up(apps: list[App], db: psycopg.Connection) -> None:
    *lone, several = apps
    sent = 0
    for process in several.processes:
        with serving_alone(several, process), httpx.Client(base_url=several.service.url) as http:
            answers = [order(Caller(http), "counted", sent + n) for n in range(4)]
        assert statuses(answers) == {200: 4}
        sent += 4
    for app in lone:
        answers = [order(app.caller, "counted", n) for n in range(sent)]
        assert [answer.json()["outcome"] for answer in answers] == ["duplicate"] * sent

    scrapes = [
        samples(httpx.get(f"{several.service.url}/metrics", headers=METRICS).content)
        for _ in range(6)
    ]
    counts = [
        told["convohooks_events_received_total{outcome=new,source=counted}"] for told in scrapes
    ]
    assert counts == [sent] * 6

    def reported() -> dict[str, int]:
        [row] = rows(
            db,
            "select coalesce(sum(received), 0)::int as calls,"
            " coalesce(sum(duplicates), 0)::int as repeats,"
            " count(distinct process_id)::int as processes"
            " from private.webhook_minutes where source = 'counted'",
        )
        return row

    # A process reports every ten seconds.
    until(lambda: reported()["calls"] == 3 * sent)
    assert reported() == {"calls": 3 * sent, "repeats": 2 * sent, "processes": 5}

"""Deliveries from the database to receivers on this machine, which verify every one of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
import pytest

from services.errors import Unavailable
from services.local.stack import LocalStack
from services.outgoing.deliveries import Deliveries
from services.outgoing.store import OutgoingStore
from services.settings import load_settings
from services.wiring.worker import wire_deliveries
from tests.database.endpoints import (
    SECRET,
    advance,
    call,
    deliveries,
    make_endpoint,
    new_owner,
    send,
)
from tests.database.events import rows
from tests.receivers import (
    Call,
    Play,
    Reply,
    answering,
    hanging,
    playing,
    receiving,
    repeating,
    resetting,
)
from tests.waiting import until

PATIENCE = 20.0
NEWER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


@pytest.fixture(name="owner")
def _owner(db: psycopg.Connection) -> str:
    """An owner; what others have left waiting is gone, so that nobody else is sent anything."""
    db.execute("delete from public.webhook_endpoints")
    return new_owner(db)


@contextmanager
def wired(stack: LocalStack, **settings: Any) -> Iterator[Deliveries]:
    """Give what the worker sends with."""
    environment = {
        **stack.env(),
        "PUBLIC_BASE_URL": "http://x.example.test",
        "WEBHOOK_ALLOW_LOCAL": "1",
        **{name: str(value) for name, value in settings.items()},
    }
    made = wire_deliveries(load_settings(environment))
    assert isinstance(made.store, OutgoingStore)
    with closing(made.store.database):
        yield made


@contextmanager
def working(stack: LocalStack, **settings: Any) -> Iterator[None]:
    """Send what is due meanwhile."""
    with wired(stack, **settings) as made, running(made):
        yield


@contextmanager
def running(worked: Deliveries) -> Iterator[None]:
    stopping = threading.Event()
    thread = threading.Thread(target=worked.run, args=(stopping,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def states(db: psycopg.Connection, endpoint: str) -> list[str]:
    return [row["state"] for row in deliveries(db, endpoint)]


def attempts(db: psycopg.Connection, endpoint: str) -> list[dict[str, Any]]:
    query = "select * from public.delivery_attempts where endpoint_id = %s order by attempt"
    return rows(db, query, endpoint)


def ended(db: psycopg.Connection, endpoint: str) -> Callable[[], bool]:
    return lambda: "waiting" not in states(db, endpoint)


def test_each_webhook_arrives_once_and_is_written_down(
    stack: LocalStack, db: psycopg.Connection, owner: str
) -> None:
    with receiving(SECRET, answer=lambda call: Reply(status=200, body=b"thanks")) as receiver:
        endpoint = make_endpoint(db, owner, url=receiver.url, headers={"X-Team": "blue"})
        send(db, owner, endpoint, 40)
        with working(stack):
            until(ended(db, endpoint))

    stored = deliveries(db, endpoint)
    assert sorted(receiver.ids) == sorted(row["webhook_id"] for row in stored)
    assert {row["webhook_id"]: row["payload"] for row in stored} == {
        call.webhook_id: call.payload for call in receiver.calls
    }
    assert receiver.forged == []
    assert {call.headers["x-team"] for call in receiver.calls} == {"blue"}
    assert {(row["state"], row["attempts"], row["last_status"]) for row in stored} == {
        ("delivered", 1, 200)
    }
    made = attempts(db, endpoint)
    assert len(made) == 40
    assert {row["response"] for row in made} == {"thanks"}
    assert all(row["duration_ms"] > 0 for row in made)


def test_old_and_new_secret_sign_while_one_follows_the_other(
    stack: LocalStack, db: psycopg.Connection, owner: str
) -> None:
    with receiving(SECRET) as late, receiving(NEWER) as early:
        endpoints = [make_endpoint(db, owner, url=each.url) for each in (late, early)]
        for endpoint in endpoints:
            call(db, "rotate_endpoint_secret", owner, endpoint, NEWER, 3600.0)
            send(db, owner, endpoint, 3)
        with working(stack):
            for endpoint in endpoints:
                until(ended(db, endpoint))

    assert (len(late.calls), len(early.calls)) == (3, 3)
    assert late.forged + early.forged == []
    signatures = late.calls[0].headers["webhook-signature"].split(" ")
    assert [each[:3] for each in signatures] == ["v1,", "v1,"]


def test_failures_are_tried_again_by_the_schedule_and_never_sooner(
    stack: LocalStack, db: psycopg.Connection, owner: str
) -> None:
    with receiving(SECRET) as receiver:
        receiver.answer = lambda call: Reply(status=204 if len(receiver.calls) == 3 else 500)
        endpoint = make_endpoint(db, owner, url=receiver.url, retry_schedule=[1, 2])
        send(db, owner, endpoint)
        with working(stack):
            until(ended(db, endpoint))

    first, second, third = (call.at for call in receiver.calls)
    assert 1.0 <= second - first < 1.1 + 3
    assert 2.0 <= third - second < 2.2 + 3
    assert len({(call.webhook_id, call.body) for call in receiver.calls}) == 1
    assert receiver.calls[0].headers["webhook-timestamp"] != third
    assert states(db, endpoint) == ["delivered"]
    assert [row["status"] for row in attempts(db, endpoint)] == [500, 500, 204]


def test_schedule_ends_and_the_delivery_with_it(
    stack: LocalStack, db: psycopg.Connection, owner: str
) -> None:
    with receiving(SECRET, answer=lambda call: Reply(status=503)) as receiver:
        endpoint = make_endpoint(db, owner, url=receiver.url, retry_schedule=[1])
        send(db, owner, endpoint)
        with working(stack):
            until(ended(db, endpoint))

    assert states(db, endpoint) == ["failed"]
    assert len(receiver.calls) == 2


def test_receiver_may_ask_for_a_longer_wait(
    stack: LocalStack, db: psycopg.Connection, owner: str
) -> None:
    with receiving(SECRET) as receiver:
        busy = Reply(status=429, headers={"Retry-After": "2"})
        receiver.answer = lambda call: busy if len(receiver.calls) == 1 else Reply()
        endpoint = make_endpoint(db, owner, url=receiver.url, retry_schedule=[1])
        send(db, owner, endpoint)
        with working(stack):
            until(ended(db, endpoint))

    first, second = (call.at for call in receiver.calls)
    assert 2.0 <= second - first < 2.0 + 3


def test_endpoint_that_is_gone_is_disabled_and_its_owner_told(
    stack: LocalStack, db: psycopg.Connection, owner: str
) -> None:
    with (
        receiving(SECRET, answer=lambda call: Reply(status=410)) as gone,
        receiving(SECRET) as other,
    ):
        endpoint = make_endpoint(db, owner, url=gone.url, ordered=True)
        make_endpoint(db, owner, url=other.url, event_types=["endpoint.disabled"])
        send(db, owner, endpoint, 3)
        with working(stack):
            other.wait_for_calls(1)

    [row] = rows(db, "select * from public.webhook_endpoints where id = %s", endpoint)
    assert (row["disabled"], row["disabled_reason"]) == (True, "gone")
    assert len(gone.calls) == 1
    assert sorted(states(db, endpoint)) == ["failed", "waiting", "waiting"]
    told = other.calls[0].payload
    assert (told["type"], told["data"]["endpoint_id"]) == ("endpoint.disabled", endpoint)


def test_who_wants_order_gets_it_through_failures(
    stack: LocalStack, db: psycopg.Connection, owner: str
) -> None:
    """Every third webhook fails the first time; the next waits until it has arrived."""
    failed: set[str] = set()

    def stumble(call: Call) -> Reply:
        fails = call.payload["n"] % 3 == 1 and call.webhook_id not in failed
        failed.add(call.webhook_id)
        return Reply(status=500 if fails else 204)

    with receiving(SECRET, answer=stumble) as receiver:
        endpoint = make_endpoint(db, owner, url=receiver.url, ordered=True, retry_schedule=[1])
        send(db, owner, endpoint, 8)
        with working(stack):
            until(ended(db, endpoint))

    assert [call.payload["n"] for call in receiver.calls] == [0, 1, 1, 2, 3, 4, 4, 5, 6, 7, 7]
    assert receiver.most_in_hand == 1


def test_concurrency_is_kept(stack: LocalStack, db: psycopg.Connection, owner: str) -> None:
    with receiving(SECRET, answer=lambda call: Reply(after=0.1)) as receiver:
        endpoint = make_endpoint(db, owner, url=receiver.url, concurrency=3)
        send(db, owner, endpoint, 20)
        with working(stack):
            until(ended(db, endpoint))

    assert receiver.most_in_hand == 3


HOSTILE: dict[str, tuple[Play, str, float]] = {
    "hanging": (hanging, "did not answer within 1 seconds", 1),
    "slow headers": (repeating(b"HTTP/1.1 200 OK\r\n", b"X", 0.2), "did not answer within", 1),
    "endless head": (repeating(b"HTTP/1.1 200 OK\r\n", b"X-A: 1\r\n"), "not answered", 20),
    "reset": (resetting, "not answered", 20),
    "redirect": (
        answering(
            b"HTTP/1.1 308 Moved\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"
        ),
        "a redirect; none is followed",
        20,
    ),
    "garbage": (answering(b"\0\x01\xff" * 100), "not answered", 20),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_receiver_costs_one_attempt_and_says_why(
    stack: LocalStack, db: psycopg.Connection, owner: str, kind: str
) -> None:
    play, sentence, timeout = HOSTILE[kind]
    with playing(play) as url:
        endpoint = make_endpoint(db, owner, url=url, retry_schedule=[])
        send(db, owner, endpoint)
        with working(stack, WEBHOOK_TIMEOUT=timeout):
            until(ended(db, endpoint))

    [row] = deliveries(db, endpoint)
    assert row["state"] == "failed"
    assert sentence in row["last_error"]
    assert attempts(db, endpoint)[0]["duration_ms"] < 1000 * (timeout + 1)


def test_endless_answer_counts_by_its_status(
    stack: LocalStack, db: psycopg.Connection, owner: str
) -> None:
    with playing(repeating(b"HTTP/1.1 200 OK\r\n\r\n\0", "ü".encode() * 9999)) as url:
        endpoint = make_endpoint(db, owner, url=url)
        send(db, owner, endpoint)
        with working(stack):
            until(ended(db, endpoint))

    assert states(db, endpoint) == ["delivered"]
    assert set(attempts(db, endpoint)[0]["response"]) == {"ü"}


def test_address_inside_is_refused_at_every_attempt(
    stack: LocalStack, db: psycopg.Connection, owner: str
) -> None:
    """It was written into the row by somebody else: what creation checks is checked again."""
    urls = ["https://10.0.0.1/", "http://example.test/", "https://169.254.169.254/latest"]
    endpoints = [make_endpoint(db, owner, url=url, retry_schedule=[1]) for url in urls]
    for endpoint in endpoints:
        send(db, owner, endpoint)

    with working(stack):
        for endpoint in endpoints:
            until(ended(db, endpoint))

    for endpoint in endpoints:
        assert states(db, endpoint) == ["failed"]
        assert len(attempts(db, endpoint)) == 2


def test_without_the_setting_this_machine_is_sent_nothing(
    stack: LocalStack, db: psycopg.Connection, owner: str
) -> None:
    with receiving(SECRET) as receiver:
        endpoint = make_endpoint(db, owner, url=receiver.url, retry_schedule=[])
        send(db, owner, endpoint)
        with working(stack, WEBHOOK_ALLOW_LOCAL=0):
            until(ended(db, endpoint))

    assert receiver.calls == []
    assert states(db, endpoint) == ["failed"]


def test_endpoints_that_hang_or_fail_do_not_delay_the_healthy(
    stack: LocalStack, db: psycopg.Connection, owner: str
) -> None:
    """More hang than there are places; they do so for half a minute."""
    with (
        receiving(SECRET, answer=lambda call: Reply(status=500)) as broken,
        receiving(SECRET) as healthy,
        working(stack, DELIVERIES_AT_ONCE=24),
        playing(hanging) as hung,
    ):
        for url in [hung] * 4 + [broken.url] * 4:
            send(db, owner, make_endpoint(db, owner, url=url), 10)
        broken.wait_for_calls(40)
        time.sleep(1.0)
        fine = make_endpoint(db, owner, url=healthy.url)
        sent_at = time.monotonic()
        send(db, owner, fine, 20)
        healthy.wait_for_calls(20)

    assert max(call.at for call in healthy.calls) - sent_at < 10.0


@dataclass(slots=True)
class FlakyStore:
    """A store that is away now and then, before it has done something or after."""

    store: Any
    calls: list[str] = field(default_factory=list)

    def claim(self, wanted: dict[str, Any]) -> dict[str, Any]:
        return dict(self._flaky("claim", wanted))

    def finish(
        self,
        batch: Sequence[Mapping[str, Any]],
        disable_after: float,
        seen: dict[str, Any] | None,
    ) -> list[dict[str, Any]]:
        return list(self._flaky("finish", batch, disable_after, seen))

    def _flaky(self, name: str, *arguments: Any) -> Any:
        self.calls.append(name)
        amount = self.calls.count(name)
        if amount % 3 == 1:
            raise Unavailable
        answer = getattr(self.store, name)(*arguments)
        if name == "finish" and amount % 3 == 2:
            raise Unavailable
        return answer


def test_nothing_is_lost_or_written_twice_while_supabase_comes_and_goes(
    stack: LocalStack, db: psycopg.Connection, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.outgoing.deliveries.AWAY", 0.05)
    monkeypatch.setattr("services.outgoing.finisher.AWAY", 0.05)
    with receiving(SECRET) as receiver:
        endpoint = make_endpoint(db, owner, url=receiver.url, concurrency=2)
        send(db, owner, endpoint, 20)
        with wired(stack) as worked:
            flaky = FlakyStore(worked.store)
            with running(replace(worked, store=flaky)):
                until(ended(db, endpoint))

    assert sorted(set(receiver.ids)) == sorted(
        row["webhook_id"] for row in deliveries(db, endpoint)
    )
    assert set(states(db, endpoint)) == {"delivered"}
    assert len(attempts(db, endpoint)) == 20
    assert flaky.calls.count("finish") > 3


def test_two_workers_send_within_the_rate(
    stack: LocalStack, db: psycopg.Connection, owner: str
) -> None:
    with receiving(SECRET) as receiver:
        endpoint = make_endpoint(db, owner, url=receiver.url, rate_per_minute=5)
        send(db, owner, endpoint, 12)
        with working(stack), working(stack):
            for expected in (5, 10, 12):
                receiver.wait_for_calls(expected)
                time.sleep(0.5)
                assert len(receiver.calls) == expected
                advance(db, endpoint, 30)
                time.sleep(0.3)
                assert len(receiver.calls) == expected
                advance(db, endpoint, 31)

    assert len(set(receiver.ids)) == 12

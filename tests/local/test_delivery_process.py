"""Workers as processes of their own: several at once, stopped, and killed while they deliver."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from services.local.stack import LocalStack
from tests.database.endpoints import SECRET, advance, deliveries, make_endpoint, new_owner, send
from tests.receivers import Receiver, Reply, receiving
from tests.waiting import until

CONVOHOOKS = str(Path(sys.executable).with_name("convohooks"))
PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker, and where it writes its log."""

    process: subprocess.Popen[bytes]
    output: Path

    @property
    def log(self) -> list[dict[str, Any]]:
        """The lines that it has written."""
        lines = self.output.read_text().splitlines()
        return [json.loads(line) for line in lines if line.endswith("}")]

    def end(self, by: signal.Signals) -> None:
        """Send a signal, and wait for the end."""
        self.process.send_signal(by)
        self.process.wait(PATIENCE)


Start = Callable[..., Worker]


@pytest.fixture(name="start")
def _start(stack: LocalStack, tmp_path: Path) -> Iterator[Start]:
    """Start workers; none outlives the test."""
    started: list[Worker] = []

    def start(**settings: str) -> Worker:
        output = tmp_path / f"worker-{len(started)}.log"
        env = {
            **os.environ,
            **stack.env(),
            "PUBLIC_BASE_URL": "http://x.example.test",
            "WEBHOOK_ALLOW_LOCAL": "1",
            **settings,
        }
        with output.open("wb") as log:
            process = subprocess.Popen([CONVOHOOKS, "worker"], env=env, stdout=log, stderr=log)
        started.append(Worker(process, output))
        return started[-1]

    yield start
    for worker in started:
        if worker.process.poll() is None:
            worker.end(signal.SIGKILL)


@pytest.fixture(name="owner")
def _owner(db: psycopg.Connection) -> str:
    """An owner; what others have left waiting is gone, so that nobody else is sent anything."""
    db.execute("delete from public.webhook_endpoints")
    return new_owner(db)


@contextmanager
def slow_receiver(seconds: float) -> Iterator[Receiver]:
    with receiving(SECRET, answer=lambda call: Reply(after=seconds)) as receiver:
        yield receiver


def all_delivered(db: psycopg.Connection, *endpoints: str) -> bool:
    return all(
        row["state"] == "delivered" for endpoint in endpoints for row in deliveries(db, endpoint)
    )


def test_worker_says_that_this_machine_may_be_called(start: Start) -> None:
    worker = start()
    until(lambda: len(worker.log) >= 2)
    worker.end(signal.SIGTERM)

    assert worker.log[0]["event"] == "local webhooks"
    assert worker.log[0]["level"] == "warning"
    assert "WEBHOOK_ALLOW_LOCAL" in worker.log[0]["reason"]


def test_workers_at_once_keep_rate_and_concurrency_and_send_each_webhook_once(
    start: Start, db: psycopg.Connection, owner: str
) -> None:
    workers = [start(), start()]
    until(lambda: all(worker.log[1:] for worker in workers))
    with ExitStack() as entered:
        receivers = [entered.enter_context(slow_receiver(0.1)) for _ in range(6)]
        limits: list[dict[str, int]] = [{"concurrency": 3, "rate_per_minute": 10_000}] * 5
        limits.append({"rate_per_minute": 7})
        endpoints = [
            make_endpoint(db, owner, url=receiver.url, **limit)
            for receiver, limit in zip(receivers, limits, strict=True)
        ]
        *_, rated = endpoints
        for endpoint in endpoints:
            send(db, owner, endpoint, 14 if endpoint == rated else 20)
        until(lambda: all_delivered(db, *endpoints[:-1]))
        assert len(receivers[-1].calls) == 7
        advance(db, rated, 61)
        until(lambda: all_delivered(db, rated))
    for worker in workers:
        worker.end(signal.SIGTERM)

    for receiver, endpoint in zip(receivers, endpoints, strict=True):
        wanted = [row["webhook_id"] for row in deliveries(db, endpoint)]
        assert sorted(receiver.ids) == sorted(wanted)
        assert receiver.forged == []
    assert [receiver.most_in_hand for receiver in receivers[:-1]] == [3] * 5
    sent_by = [sum(line["event"] == "delivery" for line in worker.log) for worker in workers]
    assert sum(sent_by) == 114
    assert min(sent_by) > 0
    assert [worker.process.returncode for worker in workers] == [0, 0]


def test_killed_worker_loses_no_webhook(start: Start, db: psycopg.Connection, owner: str) -> None:
    """It dies twice with attempts in hand; what it had comes again, the same, under its id."""
    with slow_receiver(0.3) as receiver:
        endpoints = [
            make_endpoint(db, owner, url=receiver.url, ordered=ordered, concurrency=4)
            for ordered in (False, False, True)
        ]
        for endpoint in endpoints:
            send(db, owner, endpoint, 12)
        for died in (1, 2):
            worker = start(WEBHOOK_TIMEOUT="2")
            receiver.wait_for(
                lambda calls=8 * died: len(receiver.calls) >= calls and receiver.in_hand >= 2,
                PATIENCE,
            )
            worker.end(signal.SIGKILL)
            for endpoint in endpoints:
                advance(db, endpoint, 18)
        last = start(WEBHOOK_TIMEOUT="2")
        until(lambda: all_delivered(db, *endpoints))
        last.end(signal.SIGTERM)

    sent = [row["webhook_id"] for endpoint in endpoints for row in deliveries(db, endpoint)]
    assert len(sent) == 36
    assert set(receiver.ids) == set(sent)
    assert receiver.forged == []
    again = [webhook_id for webhook_id, times in Counter(receiver.ids).items() if times > 1]
    assert again
    assert len({(call.webhook_id, call.body) for call in receiver.calls}) == 36
    in_order = [
        call.payload["n"]
        for call in receiver.calls
        if call.webhook_id in {row["webhook_id"] for row in deliveries(db, endpoints[2])}
    ]
    assert in_order == sorted(in_order)


def test_worker_that_is_told_to_stop_ends_what_it_has_begun(
    start: Start, db: psycopg.Connection, owner: str
) -> None:
    with slow_receiver(1.0) as receiver:
        endpoint = make_endpoint(db, owner, url=receiver.url, concurrency=5)
        send(db, owner, endpoint, 20)
        worker = start()
        receiver.wait_for_calls(5, PATIENCE)
        worker.end(signal.SIGTERM)

    assert worker.process.returncode == 0
    stored = deliveries(db, endpoint)
    done = [row["webhook_id"] for row in stored if row["state"] == "delivered"]
    assert sorted(done) == sorted(receiver.ids)
    assert len(done) < 20
    assert worker.log[-1]["event"] == "worker stopped"

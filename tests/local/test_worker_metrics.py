"""What a worker counts: at its own port, in the reports, and in no folder of the service's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

from services.local.ports import HOST, free_port
from services.local.stack import LocalStack
from tests.database.events import event, new_conversation_id, receive, rows
from tests.unit.test_metrics import samples
from tests.waiting import until

CONVOHOOKS = str(Path(sys.executable).with_name("convohooks"))

Start = Callable[..., str]


@pytest.fixture(name="start")
def _start(stack: LocalStack) -> Iterator[Start]:
    """Starts workers; returns where each tells its metrics."""
    with ExitStack() as started:

        @contextmanager
        def running(**env: str) -> Iterator[str]:
            port = free_port()
            own = {"PUBLIC_BASE_URL": "http://x.example.test", "WORKER_METRICS_PORT": str(port)}
            worker = subprocess.Popen(
                [CONVOHOOKS, "worker"],
                env={**os.environ, **stack.env(), **own, **env},
                stdout=subprocess.DEVNULL,
            )
            try:
                yield f"http://{HOST}:{port}/metrics"
            finally:
                worker.send_signal(signal.SIGTERM)
                worker.wait(15)

        yield lambda **env: started.enter_context(running(**env))


def scrape(url: str) -> dict[str, float]:
    try:
        return samples(httpx.get(url).content)
    except httpx.TransportError:
        return {}


def defer(db: psycopg.Connection, conversation: str, source: str) -> None:
    """Store an event that the worker is to handle, or to fail at."""
    late = event(conversation, "utterance", source=source, state="received")
    receive(db, {name: value for name, value in late.items() if name != "effects"})


def test_attempts_are_counted_by_how_they_ended(
    start: Start, db: psycopg.Connection, tmp_path: Path
) -> None:
    db.execute("delete from private.process_reports where kind = 'worker'")
    conversation = new_conversation_id()
    defer(db, conversation, "nobody's")
    url = start(PROMETHEUS_MULTIPROC_DIR=str(tmp_path))

    told = until(lambda: scrape(url).get("convohooks_attempts_total{outcome=failed}"))
    reported = until(
        lambda: rows(
            db,
            "select sum(m.retried) as n from private.webhook_minutes m"
            " join private.process_reports r using (process_id)"
            " where r.kind = 'worker' and m.source = 'other' having sum(m.retried) > 0",
        )
    )

    assert told >= 1
    assert reported[0]["n"] >= 1
    assert list(tmp_path.iterdir()) == []
    assert "convohooks_delivery_seconds_count{}" in scrape(url)


def test_taken_port_is_named(stack: LocalStack) -> None:
    port = stack.backend.gateway_port
    env = {**os.environ, **stack.env(), "WORKER_METRICS_PORT": str(port)}

    ended = subprocess.run(
        [CONVOHOOKS, "worker"], env=env, capture_output=True, text=True, check=False
    )

    assert ended.returncode == 1
    assert f"WORKER_METRICS_PORT {port}" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_metrics_port_is_another(stack: LocalStack) -> None:
    env = {**os.environ, **stack.env(), "PORT": "8123", "METRICS_PORT": "8123"}
    ended = subprocess.run(
        [CONVOHOOKS, "worker"], env=env, capture_output=True, text=True, check=False
    )

    assert ended.returncode == 1
    assert "METRICS_PORT is the port of the service itself" in ended.stderr

"""situation.py: a scrape waits for nobody longer than it may."""

from __future__ import annotations

import threading
import time
from typing import Any, cast

import pytest

from services.database import Database
from services.errors import Unavailable
from services.outage.breaker import Breaker
from services.outage.spool import Counts, Spool, SpoolBroken
from services.telemetry.metrics import Metrics
from services.telemetry.situation import Question, Situation
from tests.unit.test_metrics import samples

OPERATIONS = {
    "database": {"received": 1, "failed": 2, "unmatched": 3, "dead": 4, "oldest_due_seconds": 5.5},
    "deliveries": {"waiting": 6, "oldest_due_seconds": None, "disabled_endpoints": 7},
    "processes": [
        {"kind": "web", "host": "a", "silent_seconds": 8.0},
        {"kind": "web", "host": "a", "silent_seconds": 3.0},
        {"kind": "worker", "host": "b", "silent_seconds": 90.0},
    ],
    "realtime": {"changes_per_second": 1.5, "peak_per_second": 9.0, "since": None},
}


class FakeDatabase:
    """Answers, refuses or hangs as it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_away = False
        self.hangs = threading.Event()
        self.hangs.set()

    def operations(self) -> dict[str, Any]:
        self.asked += 1
        self.hangs.wait()
        if self.is_away:
            raise Unavailable()
        return OPERATIONS


class FakeSpool:
    """A spool with two rows, unless it is broken."""

    is_broken = False

    def count(self) -> Counts:
        if self.is_broken:
            raise SpoolBroken()
        return Counts(spooled=2, unsendable=1)

    def used_bytes(self) -> int:
        return 4096


@pytest.fixture(name="database")
def _database() -> FakeDatabase:
    return FakeDatabase()


@pytest.fixture(name="breaker")
def _breaker() -> Breaker:
    return Breaker(1, 60.0)


def situation_of(
    database: FakeDatabase,
    breaker: Breaker,
    spool: FakeSpool | None = None,
    patience: float = 0.2,
) -> Situation:
    return Situation(
        cast(Database, database),
        breaker,
        cast(Spool | None, spool),
        realtime_limit=30,
        patience=patience,
    )


def told(
    database: FakeDatabase, breaker: Breaker, spool: FakeSpool | None = None
) -> dict[str, float]:
    metrics = Metrics([])
    moment = samples(metrics.exposition(situation_of(database, breaker, spool).metrics()))
    counted = samples(metrics.exposition())
    return {name: value for name, value in moment.items() if name not in counted}


def open_circuit(breaker: Breaker) -> None:
    def away() -> None:
        raise Unavailable()

    with pytest.raises(Unavailable):
        breaker.call(away)


def test_what_waits_is_told(database: FakeDatabase, breaker: Breaker) -> None:
    assert told(database, breaker, FakeSpool()) == {
        "convohooks_database_up{}": 1,
        "convohooks_inbox_events{state=received}": 1,
        "convohooks_inbox_events{state=failed}": 2,
        "convohooks_inbox_events{state=unmatched}": 3,
        "convohooks_dead_letters{}": 4,
        "convohooks_inbox_oldest_due_seconds{}": 5.5,
        "convohooks_deliveries_waiting{}": 6,
        "convohooks_delivery_oldest_due_seconds{}": 0,
        "convohooks_endpoints_disabled{}": 7,
        "convohooks_process_reported_seconds{host=a,kind=web}": 3,
        "convohooks_process_reported_seconds{host=b,kind=worker}": 90,
        "convohooks_realtime_changes_per_second{}": 1.5,
        "convohooks_realtime_limit{}": 30,
        "convohooks_spool_up{}": 1,
        "convohooks_spool_events{}": 2,
        "convohooks_spool_unsendable{}": 1,
        "convohooks_spool_bytes{}": 4096,
    }


def test_what_is_away_is_left_out(database: FakeDatabase, breaker: Breaker) -> None:
    database.is_away = True
    spool = FakeSpool()
    spool.is_broken = True

    assert told(database, breaker, spool) == {
        "convohooks_database_up{}": 0,
        "convohooks_realtime_limit{}": 30,
        "convohooks_spool_up{}": 0,
    }
    assert breaker.state == "closed"


def test_hanging_database_holds_nobody_up(database: FakeDatabase, breaker: Breaker) -> None:
    database.hangs.clear()
    situation = situation_of(database, breaker)

    started = time.monotonic()
    for _ in range(3):
        assert samples(Metrics([]).exposition(situation.metrics()))["convohooks_database_up{}"] == 0
    waited = time.monotonic() - started
    database.hangs.set()

    assert 0.6 <= waited < 2
    assert database.asked == 1


def test_open_circuit_is_respected(database: FakeDatabase, breaker: Breaker) -> None:
    open_circuit(breaker)

    assert told(database, breaker) == {
        "convohooks_database_up{}": 0,
        "convohooks_realtime_limit{}": 30,
    }
    assert database.asked == 0


def test_open_circuit_spares_the_wait(database: FakeDatabase, breaker: Breaker) -> None:
    situation = situation_of(database, breaker, patience=5)
    database.hangs.clear()
    situation._ask_database()
    open_circuit(breaker)

    started = time.monotonic()
    told = samples(Metrics([]).exposition(situation.metrics()))
    waited = time.monotonic() - started
    database.hangs.set()

    assert told["convohooks_database_up{}"] == 0
    assert waited < 1


def test_scrape_of_an_idle_service_closes_its_circuit(database: FakeDatabase) -> None:
    now = [0.0]
    breaker = Breaker(1, 60.0, lambda: now[0])
    open_circuit(breaker)
    now[0] = 61.0

    assert told(database, breaker)["convohooks_database_up{}"] == 1
    assert breaker.state == "closed"


def test_who_asks_meanwhile_shares_the_answer() -> None:
    asked: list[int] = []
    go = threading.Event()

    def ask() -> int:
        asked.append(1)
        go.wait()
        return len(asked)

    question = Question(ask)
    first, second = question.put(), question.put()
    go.set()

    assert (first(5), second(5)) == (1, 1)
    assert question.put()(5) == 2

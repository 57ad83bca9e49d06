"""drainer.py: rows leave the spool once Supabase has answered for them; none holds others up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from services.database import DatabaseRefused
from services.errors import TakesNothing, Unavailable
from services.outage import mounts
from services.outage.breaker import Breaker
from services.outage.drainer import MAX_TRIES, Drainer
from services.outage.spool import Counts, Spool, Spooled, SpoolFull
from services.writer import Row, Writer
from tests.waiting import until


class FakeDatabase:
    """Answers as it is told to, and remembers what it was sent."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.answered = threading.Semaphore(0)
        self.outcome: Callable[[Row], str] = lambda row: "new"

    def receive_events(self, batch: Sequence[Row]) -> list[dict[str, Any]]:
        self.batches.append([row["n"] for row in batch])
        answers = [{"outcome": self.outcome(row)} for row in batch]
        self.answered.release()
        return answers


@pytest.fixture(name="database")
def _database() -> FakeDatabase:
    return FakeDatabase()


@pytest.fixture(name="spool")
def _spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Spool:
    # Many a /tmp lies in memory.
    monkeypatch.setattr(mounts, "IN_MEMORY", frozenset())
    return Spool(tmp_path / "spool.db")


@pytest.fixture(name="drainer")
def _drainer(spool: Spool, database: FakeDatabase) -> Drainer:
    return Drainer(spool, Writer(database.receive_events, breaker=Breaker(1000)))


def fill(spool: Spool, count: int, first: int = 0, size: int = 0) -> None:
    for n in range(first, count):
        spool.put({"n": n, "body": "x" * size})


def drain_all(drainer: Drainer) -> None:
    while drainer.drain():
        pass


def unavailable(row: Row) -> str:
    raise Unavailable("away")


def test_everything_goes_in_batches(spool: Spool, database: FakeDatabase, drainer: Drainer) -> None:
    fill(spool, 70)

    drain_all(drainer)

    assert [len(batch) for batch in database.batches] == [64, 6]
    assert spool.count() == Counts(spooled=0, unsendable=0)


@pytest.mark.parametrize("outcome", ["duplicate", "failed", "rejected", "forbidden", "deferred"])
def test_every_answer_settles_a_row(
    spool: Spool, database: FakeDatabase, drainer: Drainer, outcome: str
) -> None:
    fill(spool, 1)
    database.outcome = lambda row: outcome

    drain_all(drainer)

    assert spool.count() == Counts(spooled=0, unsendable=0)


def test_outage_blames_nobody(spool: Spool, database: FakeDatabase, drainer: Drainer) -> None:
    fill(spool, 3)
    real, database.receive_events = database.receive_events, unavailable  # type: ignore[assignment]
    away = Drainer(spool, Writer(database.receive_events, breaker=Breaker(1000)))
    for _ in range(MAX_TRIES + 1):
        assert not away.drain()
    database.receive_events = real  # type: ignore[method-assign]

    drain_all(drainer)

    assert database.batches == [[0, 1, 2]]


def test_a_database_that_takes_nothing_blames_nobody(
    spool: Spool, database: FakeDatabase, drainer: Drainer
) -> None:
    fill(spool, 3)
    full = True

    def outcome(row: Row) -> str:
        if full:
            raise TakesNothing("Supabase cannot commit now (53100).")
        return "new"

    database.outcome = outcome
    for _ in range(MAX_TRIES + 1):
        assert not drainer.drain()
    assert {spooled.tries for spooled in spool.take(10, 1000)} == {0}
    full = False

    drain_all(drainer)

    assert spool.count() == Counts(spooled=0, unsendable=0)


def test_open_circuit_is_respected(spool: Spool, database: FakeDatabase) -> None:
    breaker = Breaker(1)
    with pytest.raises(Unavailable):
        breaker.call(lambda: unavailable({}))
    fill(spool, 1)

    assert not Drainer(spool, Writer(database.receive_events, breaker=breaker)).drain()
    assert database.batches == []


def test_what_cannot_be_stored_is_set_aside_at_once(
    spool: Spool, database: FakeDatabase, drainer: Drainer
) -> None:
    fill(spool, 3)
    database.outcome = lambda row: "unstored" if row["n"] == 1 else "new"

    drain_all(drainer)

    assert spool.count() == Counts(spooled=0, unsendable=1)


@pytest.mark.parametrize("size", [100_000, 500_000])
@pytest.mark.usefixtures("spool")
def test_what_cannot_be_stored_holds_up_nobody_in_a_full_spool(
    tmp_path: Path, database: FakeDatabase, size: int
) -> None:
    spool = Spool(tmp_path / "full.db", max_bytes=600_000)
    spool.put({"n": 0, "body": "x" * size})
    with pytest.raises(SpoolFull):
        fill(spool, 1000, first=1, size=4000)
    database.outcome = lambda row: "new" if row["n"] else "unstored"

    drain_all(Drainer(spool, Writer(database.receive_events, breaker=Breaker(1000))))

    assert spool.count() == Counts(spooled=0, unsendable=1)


@pytest.mark.parametrize("error", [Unavailable("57014"), DatabaseRefused("22P05")])
def test_row_that_fails_its_batch_holds_up_nobody(
    spool: Spool, database: FakeDatabase, drainer: Drainer, error: Exception
) -> None:
    fill(spool, 4)

    def poisoned(row: Row) -> str:
        if row["n"] == 1:
            raise error
        return "new"

    database.outcome = poisoned
    for _ in range(5):
        drainer.drain()

    assert [spooled.row["n"] for spooled in spool.take(10, 1000)] == [1]
    for _ in range(MAX_TRIES):
        drainer.drain()
    assert spool.count() == Counts(spooled=0, unsendable=1)


def test_broken_spool_is_told_of_once_and_drained_when_it_is_mended(
    spool: Spool, database: FakeDatabase, tmp_path: Path
) -> None:
    fill(spool, 1)
    spool.close()
    whole = (tmp_path / "spool.db").read_bytes()
    (tmp_path / "spool.db").write_bytes(b"no database at all" * 1000)
    looks: list[int] = []

    class Watched(Spool):
        def take(self, most: int, max_bytes: int) -> list[Spooled]:
            looks.append(most)
            return super().take(most, max_bytes)

    watched = Watched(tmp_path / "spool.db")
    drainer = Drainer(watched, Writer(database.receive_events), idle=0.001)
    with capture_logs() as logs:
        drainer.start()
        until(lambda: len(looks) > 3)
        mended = tmp_path / "mended.db"
        mended.write_bytes(whole)
        mended.rename(tmp_path / "spool.db")
        assert database.answered.acquire(timeout=10)
        drainer.stop()

    told = [log for log in logs if log["event"] == "spool"]
    assert [log["log_level"] for log in told] == ["error"]
    assert told[0]["error"]
    assert database.batches == [[0]]


def test_second_drainer_leaves_it_to_the_first(
    spool: Spool, database: FakeDatabase, drainer: Drainer
) -> None:
    fill(spool, 1)

    with spool.claimed() as ours:
        assert ours
        assert not drainer.drain()

    assert database.batches == []


def test_keeping_a_row_starts_the_draining(
    spool: Spool, database: FakeDatabase, drainer: Drainer
) -> None:
    drainer.keep({"n": 1})

    assert database.answered.acquire(timeout=10)
    drainer.stop()

"""writer.py: what arrives together is committed together, and everyone gets their own answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from services.database import DatabaseRefused
from services.errors import Unavailable
from services.outage.breaker import Breaker
from services.writer import MAX_BYTES, MAX_EVENTS, Row, Writer


class FakeDatabase:
    """Commits when told to, and remembers the batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may_commit = threading.Event()
        self.called = threading.Semaphore(0)
        self.answer: Callable[[Sequence[Row]], list[dict[str, Any]]] = lambda batch: [
            {"outcome": "new", "n": row["n"]} for row in batch
        ]

    def receive_events(self, batch: Sequence[Row]) -> list[dict[str, Any]]:
        self.batches.append([row["n"] for row in batch])
        self.called.release()
        self.may_commit.wait(10)
        return self.answer(batch)


@pytest.fixture(name="database")
def _database() -> FakeDatabase:
    return FakeDatabase()


def submit_all(
    pool: ThreadPoolExecutor, writer: Writer, numbers: range, size: int = 1
) -> list[Future[dict[str, Any]]]:
    return [pool.submit(writer.submit, {"n": n}, size) for n in numbers]


def fill_flights(
    pool: ThreadPoolExecutor, writer: Writer, database: FakeDatabase
) -> list[Future[dict[str, Any]]]:
    """Occupy both commits in flight with an event each."""
    flights = []
    for n in (-1, -2):
        flights.append(pool.submit(writer.submit, {"n": n}, 1))
        assert database.called.acquire(timeout=5)
    return flights


def queued(writer: Writer, count: int) -> None:
    """Wait until that many events are queued."""
    with writer._arrived:
        assert writer._arrived.wait_for(lambda: len(writer._queue) >= count, timeout=5)


def test_lone_event_waits_for_nobody(database: FakeDatabase) -> None:
    database.may_commit.set()

    assert Writer(database.receive_events).submit({"n": 1}, 1) == {"outcome": "new", "n": 1}
    assert database.batches == [[1]]


def test_events_that_arrive_during_commits_go_together(database: FakeDatabase) -> None:
    writer = Writer(database.receive_events)
    with ThreadPoolExecutor(100) as pool:
        flights = fill_flights(pool, writer, database)
        futures = submit_all(pool, writer, range(80))
        queued(writer, 80)
        database.may_commit.set()

        assert [future.result()["n"] for future in futures] == list(range(80))
        assert all(flight.result()["outcome"] == "new" for flight in flights)
    sizes = sorted(len(batch) for batch in database.batches)
    assert sizes == [1, 1, 80 - MAX_EVENTS, MAX_EVENTS]


def test_large_events_go_alone(database: FakeDatabase) -> None:
    writer = Writer(database.receive_events)
    with ThreadPoolExecutor(10) as pool:
        fill_flights(pool, writer, database)
        futures = submit_all(pool, writer, range(3), size=MAX_BYTES + 1)
        queued(writer, 3)
        database.may_commit.set()
        for future in futures:
            future.result()

    assert all(len(batch) == 1 for batch in database.batches)


def test_row_that_fails_its_batch_fails_alone_and_is_kept_without_effects(
    database: FakeDatabase,
) -> None:
    def refuse_the_poison(batch: Sequence[Row]) -> list[dict[str, Any]]:
        if any(row["n"] == 1 and "effects" in row for row in batch):
            raise DatabaseRefused("22P02 bad")
        return [{"outcome": row.get("state", "new")} for row in batch]

    database.answer = refuse_the_poison
    writer = Writer(database.receive_events)
    with ThreadPoolExecutor(10) as pool:
        fill_flights(pool, writer, database)
        rows = [{"n": n, "effects": {}} for n in range(3)]
        futures = [pool.submit(writer.submit, row, 1) for row in rows]
        queued(writer, 3)
        database.may_commit.set()

        assert [future.result()["outcome"] for future in futures] == ["new", "failed", "new"]


def test_outage_is_waited_out_while_somebody_waits(database: FakeDatabase) -> None:
    answers = iter([Unavailable(), Unavailable()])

    def away_at_first(batch: Sequence[Row]) -> list[dict[str, Any]]:
        for error in answers:
            raise error
        return [{"outcome": "new"} for _ in batch]

    database.answer = away_at_first
    database.may_commit.set()

    assert Writer(database.receive_events).submit({"n": 1}, 1) == {"outcome": "new"}
    assert database.batches == [[1], [1], [1]]


def test_long_outage_is_said_to_be_one(database: FakeDatabase) -> None:
    def away(batch: Sequence[Row]) -> list[dict[str, Any]]:
        raise Unavailable

    database.answer = away
    database.may_commit.set()

    with pytest.raises(Unavailable):
        Writer(database.receive_events, patience=0.2).submit({"n": 1}, 1)


def test_open_circuit_refuses_at_once(database: FakeDatabase) -> None:
    breaker = Breaker(failures=1)
    writer = Writer(database.receive_events, breaker=breaker, patience=0.2)

    def away(batch: Sequence[Row]) -> list[dict[str, Any]]:
        raise Unavailable

    database.answer = away
    database.may_commit.set()
    with pytest.raises(Unavailable):
        writer.submit({"n": 1}, 1)
    tries = len(database.batches)
    with pytest.raises(Unavailable, match="tried again soon"):
        writer.submit({"n": 2}, 1)

    assert len(database.batches) == tries


def test_rows_of_a_caller_go_as_one_batch_with_one_try(database: FakeDatabase) -> None:
    database.may_commit.set()
    writer = Writer(database.receive_events)

    answers = writer.commit([{"n": 1}, {"n": 2}])

    assert answers == [{"outcome": "new", "n": 1}, {"outcome": "new", "n": 2}]
    assert writer.is_reachable()
    assert database.batches == [[1, 2], []]


def test_request_that_gave_up_is_withdrawn(database: FakeDatabase) -> None:
    writer = Writer(database.receive_events, patience=0.2)
    with ThreadPoolExecutor(10) as pool:
        fill_flights(pool, writer, database)
        with pytest.raises(Unavailable):
            writer.submit({"n": 7}, 1)
        database.may_commit.set()

    assert [7] not in database.batches


def test_defect_in_the_commit_leaves_nobody_waiting(database: FakeDatabase) -> None:
    def broken(batch: Sequence[Row]) -> list[dict[str, Any]]:
        raise ZeroDivisionError

    database.answer = broken
    database.may_commit.set()
    writer = Writer(database.receive_events)

    with pytest.raises(ZeroDivisionError):
        writer.submit({"n": 1}, 1)
    database.answer = lambda batch: [{"outcome": "new"} for _ in batch]
    assert writer.submit({"n": 2}, 1) == {"outcome": "new"}


def test_rows_of_a_caller_are_tried_once_while_supabase_is_away(database: FakeDatabase) -> None:
    def away(batch: Sequence[Row]) -> list[dict[str, Any]]:
        raise Unavailable("gone")

    database.answer = away
    database.may_commit.set()
    writer = Writer(database.receive_events, breaker=Breaker(failures=9))

    answers = writer.commit([{"n": 1}, {"n": 2}])

    assert [str(answer) for answer in answers] == ["gone", "gone"]
    assert all(isinstance(answer, Unavailable) for answer in answers)
    assert database.batches == [[1, 2]]
    assert not writer.is_reachable()


def test_of_two_rows_the_one_that_is_refused_alone_is_kept_without_its_effects(
    database: FakeDatabase,
) -> None:
    stored: list[Row] = []

    def refuse_the_poison(batch: Sequence[Row]) -> list[dict[str, Any]]:
        if any(row["n"] == 1 and "effects" in row for row in batch):
            raise DatabaseRefused("22P02 bad")
        stored.extend(batch)
        return [{"outcome": "new"} for _ in batch]

    database.answer = refuse_the_poison
    database.may_commit.set()
    rows = [{"n": n, "effects": {}, "projections": [], "state": "processed"} for n in range(2)]

    Writer(database.receive_events).commit(rows)

    assert stored == [rows[0], {"n": 1, "state": "failed", "error": "22P02 bad"}]


def test_row_that_is_refused_without_effects_is_to_be_sent_again(database: FakeDatabase) -> None:
    def refuse(batch: Sequence[Row]) -> list[dict[str, Any]]:
        raise DatabaseRefused("22P02 bad")

    database.answer = refuse
    database.may_commit.set()

    [answer] = Writer(database.receive_events).commit([{"n": 1}])

    assert isinstance(answer, Unavailable)
    assert answer.detail == "The event could not be stored; send it again."
    assert database.batches == [[1]]


def test_request_that_gave_up_is_told_to_send_it_again(database: FakeDatabase) -> None:
    writer = Writer(database.receive_events, patience=0.05)

    with pytest.raises(Unavailable) as refused:
        writer.submit({"n": 1}, 1)
    database.may_commit.set()

    assert refused.value.detail == "The event was not committed in time; send it again."


def test_batch_is_as_large_as_allowed_and_no_larger(database: FakeDatabase) -> None:
    writer = Writer(database.receive_events)
    with ThreadPoolExecutor(10) as pool:
        fill_flights(pool, writer, database)
        futures = []
        for n in range(3):
            futures += submit_all(pool, writer, range(n, n + 1), size=MAX_BYTES // 2)
            queued(writer, n + 1)
        database.may_commit.set()
        for future in futures:
            future.result()

    assert sorted(database.batches[2:]) == [[0, 1], [2]]


def test_pauses_between_tries_double_up_to_a_second(database: FakeDatabase) -> None:
    now, pauses = 0.0, []

    def away(batch: Sequence[Row]) -> list[dict[str, Any]]:
        raise Unavailable("gone")

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        pauses.append(seconds)

    database.answer = away
    database.may_commit.set()
    writer = Writer(database.receive_events, patience=5.0, clock=lambda: now, sleep=sleep)

    with pytest.raises(Unavailable, match="gone"):
        writer.submit({"n": 1}, 1)

    # The next one would end behind the deadline.
    assert pauses == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8, 1, 1, 1])


def test_too_few_answers_leave_nobody_waiting_and_the_writer_at_work(
    database: FakeDatabase,
) -> None:
    database.answer = lambda batch: [{"outcome": "new"}][len(batch) == 1 :]
    database.may_commit.set()
    writer = Writer(database.receive_events)

    assert [type(answer) for answer in writer.commit([{"n": 1}, {"n": 2}])] == [ValueError] * 2
    for n in range(3):
        with pytest.raises(ValueError, match="shorter"):
            writer.submit({"n": n}, 1)
    database.answer = lambda batch: [{"outcome": "new"} for _ in batch]
    assert writer.submit({"n": 4}, 1) == {"outcome": "new"}


def test_threads_are_two_and_hold_no_process_up(database: FakeDatabase) -> None:
    database.may_commit.set()
    writer = Writer(database.receive_events)
    for n in range(3):
        writer.submit({"n": n}, 1)

    committers = [(thread.name, thread.daemon) for thread in writer._committers]
    assert committers == [("committer", True)] * 2


class FakeTracing:
    """Remembers the spans; a request is in the span of its number."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, list[str | None], dict[str, Any]]] = []

    def here(self) -> str:
        return "here"

    @contextmanager
    def span(self, name: str, *, links: Sequence[str | None], **facts: Any) -> Iterator[None]:
        self.spans.append((name, list(links), facts))
        yield


def test_a_commits_span_is_linked_to_those_of_its_events(
    database: FakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracing = FakeTracing()
    monkeypatch.setattr("services.writer.tracing", tracing)
    database.may_commit.set()

    Writer(database.receive_events).commit([{"n": 1}, {"n": 2}])

    assert tracing.spans == [("commit", ["here", "here"], {"events": 2})]

"""tally.py: what is counted by the minute, until it is reported."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from services.telemetry.tally import KEPT, KINDS, MINUTES, SECONDS, Tally

START = 1_772_347_500.0  # 2026-03-01T06:45:00Z


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock()


@pytest.fixture(name="tally")
def _tally(clock: Clock) -> Tally:
    return Tally(["tavus", "stripe"], clock)


def counts(row: dict[str, Any]) -> dict[str, int]:
    return {kind: row[kind] for kind in KINDS if row[kind]}


def test_calls_are_counted_by_how_they_ended(tally: Tally) -> None:
    for outcome in ("new", "duplicate", "failed", "deferred", "spooled", "rejected"):
        tally.received("tavus", outcome, 0.02)
    for status in (400, 404, 408, 413, 415, 401, 429, 500, 503):
        tally.refused("tavus", status)
    tally.retried("tavus")

    [row] = tally.take()

    assert counts(row) == {
        "received": 6,
        "duplicates": 1,
        "failed": 1,
        "deferred": 1,
        "spooled": 1,
        "rejected": 5,
        "unauthentic": 1,
        "throttled": 1,
        "unavailable": 2,
        "retried": 1,
    }
    assert (row["minute"], row["source"]) == ("2026-03-01T06:45:00+00:00", "tavus")
    assert row["seconds"] == pytest.approx(0.12)


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(0, 0), (0.0025, 0), (0.0026, 1), (10, 11), (10.1, 12), (1e9, 12)]
)
def test_times_are_counted_by_the_bound_that_they_do_not_pass(
    tally: Tally, seconds: float, bucket: int
) -> None:
    tally.received("tavus", "new", seconds)

    buckets = tally.take()[0]["buckets"]

    assert buckets.index(1) == bucket
    assert (sum(buckets), len(buckets)) == (1, len(SECONDS) + 1)


@pytest.mark.parametrize("hostile", ["", "x" * 10_000, "\ud800", "TAVUS", "tavus "])
def test_no_source_comes_from_outside(tally: Tally, hostile: str) -> None:
    tally.received(hostile, hostile, 0.1)
    tally.refused(hostile, 400)

    assert [(row["source"], counts(row)) for row in tally.take()] == [
        ("other", {"received": 1, "rejected": 1})
    ]


def test_only_who_could_prove_it_was_seen(tally: Tally, clock: Clock) -> None:
    tally.refused("tavus", 401)
    tally.refused("tavus", 429)
    unseen = tally.take()[0]["last_at"]
    clock.now += 5
    tally.refused("tavus", 400)

    assert (unseen, tally.take()[0]["last_at"]) == (None, "2026-03-01T06:45:05+00:00")


def test_what_was_told_is_not_told_again_until_it_changes(tally: Tally) -> None:
    tally.received("tavus", "new", 0.01)
    first = tally.take()
    nothing = tally.take()
    tally.received("tavus", "new", 0.01)

    assert (len(first), nothing) == (1, [])
    assert tally.take()[0]["received"] == 2


def test_what_nobody_heard_is_told_again_as_it_stands_then(tally: Tally, clock: Clock) -> None:
    tally.received("tavus", "new", 0.01)
    rows = tally.take()
    clock.now += 60
    tally.received("tavus", "new", 0.01)

    tally.put_back(rows)

    assert [row["received"] for row in tally.take()] == [1, 1]


def test_minutes_that_nobody_hears_are_forgotten_in_the_end(tally: Tally, clock: Clock) -> None:
    for _ in range(MINUTES * 2):
        tally.received("tavus", "new", 0.01)
        clock.now += 60

    assert len(tally.take()) == MINUTES + 1


def test_what_comes_back_after_its_minute_was_forgotten_is_not_told(
    tally: Tally, clock: Clock
) -> None:
    tally.received("tavus", "new", 0.01)
    taken = tally.take()
    clock.now += 60 * (KEPT + 1)
    tally.received("stripe", "new", 0.01)

    tally.put_back(taken)

    assert [row["source"] for row in tally.take()] == ["stripe"]


def test_clock_that_is_set_back_counts_on(tally: Tally, clock: Clock) -> None:
    tally.received("tavus", "new", 0.01)
    tally.take()
    for _ in range(KEPT):
        clock.now += 60
        tally.received("tavus", "new", 0.01)
        tally.take()
    clock.now = START
    tally.received("tavus", "new", 0.01)

    [row] = tally.take()

    assert row["received"] == 2


def test_threads_lose_no_count(tally: Tally) -> None:
    def count() -> None:
        for _ in range(5000):
            tally.received("tavus", "new", 0.01)

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    told = [row["received"] for _ in range(50) for row in tally.take()]
    for thread in threads:
        thread.join()
    told += [row["received"] for row in tally.take()]

    assert told == sorted(told)
    assert told[-1] == 40_000

"""statistics.py: counts become series and percentiles."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.telemetry.statistics import Span, percentile_ms, percentiles, series, success_rate
from services.telemetry.tally import SECONDS

NOW = datetime(2026, 3, 1, 6, 45, 47, 472000, tzinfo=UTC)


def buckets(**amounts: int) -> list[int]:
    """Return counts by bucket, each named by its place: b0=3."""
    return [amounts.get(f"b{n}", 0) for n in range(len(SECONDS) + 1)]


@pytest.mark.parametrize("hours", [1, 24, 168])
def test_this_moment_is_in_the_last_step(hours: int) -> None:
    span = Span.ending(NOW, hours)

    times = span.times()

    assert len(times) == span.steps
    assert times[0] == span.since
    assert 0 <= (NOW - times[-1]).total_seconds() < span.step_seconds
    assert span.steps * span.step_seconds == hours * 3600


@pytest.mark.parametrize(
    ("counted", "share", "wanted"),
    [
        (buckets(), 0.5, None),
        (buckets(b0=1), 0.5, 1.25),
        (buckets(b0=1), 1.0, 2.5),
        (buckets(b1=100), 0.5, 3.75),
        (buckets(b0=50, b5=50), 0.5, 2.5),
        (buckets(b0=50, b5=50), 0.95, 95.0),
        (buckets(b0=1, b12=99), 0.5, 10_000.0),
        (buckets(b12=1), 0.01, 10_000.0),
    ],
)
def test_percentiles_are_found_within_their_bucket(
    counted: list[int], share: float, wanted: float | None
) -> None:
    assert percentile_ms(counted, share) == wanted


def test_steps_without_calls_are_zeros_and_gaps() -> None:
    span = Span.ending(NOW, 1)
    rows = [
        {"n": 3, "received": 2, "buckets": buckets(b0=2)},
        {"n": 3, "received": 5, "buckets": buckets(b0=5)},
        {"n": 59, "received": 1, "bucket": 12},
        {"n": 60, "received": 9, "bucket": 1},
        {"n": -1, "received": 9, "bucket": 1},
        {"n": 7, "received": 1, "bucket": None},
    ]

    amounts, middles = series(rows, span, "received"), percentiles(rows, span, 0.5)

    assert {n: amount for n, amount in enumerate(amounts) if amount} == {3: 7, 7: 1, 59: 1}
    assert {n: ms for n, ms in enumerate(middles) if ms is not None} == {3: 1.25, 59: 10_000.0}


def test_rate_of_nothing_is_none() -> None:
    assert (success_rate(0, 0), success_rate(3, 1), success_rate(2, 2)) == (None, 0.6667, 0.0)

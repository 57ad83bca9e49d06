"""What happened in the last hour, day or week: rows of counts become series and percentiles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.telemetry.tally import SECONDS

STEPS = {1: 60, 24: 900, 168: 3600}
"""The seconds of a step by how many hours are shown."""
EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")

Row = Mapping[str, Any]
Buckets = list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Whole steps, the one of this moment the last."""

    since: datetime
    step_seconds: int
    steps: int

    @classmethod
    def ending(cls, now: datetime, hours: int) -> Span:
        """Return the last 1, 24 or 168 hours."""
        step_seconds = STEPS[hours]
        steps = hours * 3600 // step_seconds
        first = (now - EPOCH) // timedelta(seconds=step_seconds) - steps + 1
        since = EPOCH + timedelta(seconds=first * step_seconds)
        return cls(since=since, step_seconds=step_seconds, steps=steps)

    def times(self) -> list[datetime]:
        """Return when each step begins."""
        return [self.since + timedelta(seconds=self.step_seconds * n) for n in range(self.steps)]


def percentile_ms(buckets: Sequence[int], share: float) -> float | None:
    """Return the time below which a share of the calls was, interpolated within its bucket.

    What took longer than the last bound counts as that long. None of no calls.
    """
    rank = share * sum(buckets)
    if rank == 0:
        return None
    below, lower = 0.0, 0.0
    for amount, upper in zip(buckets, SECONDS, strict=False):
        if below + amount >= rank:
            return round(1000 * (lower + (upper - lower) * (rank - below) / amount), 2)
        below, lower = below + amount, upper
    return 1000 * SECONDS[-1]


def success_rate(received: int, failed: int) -> float | None:
    """Return the share that did not fail; None of nothing."""
    return round((received - failed) / received, 4) if received else None


def sum_buckets(many: Iterable[Sequence[int | None]]) -> Buckets:
    """Return the sum of several counts by bucket."""
    total = [0] * (len(SECONDS) + 1)
    for buckets in many:
        for n, amount in enumerate(buckets):
            total[n] += amount or 0
    return total


def series(rows: Iterable[Row], span: Span, name: str) -> list[int]:
    """Return the sum of a count for each step."""
    found = [0] * span.steps
    for row in rows:
        # A process whose clock is ahead counts in minutes to come.
        if 0 <= row["n"] < span.steps:
            found[row["n"]] += row.get(name, 0)
    return found


def percentiles(rows: Iterable[Row], span: Span, share: float) -> list[float | None]:
    """Return a percentile for each step, None where nothing was."""
    found: list[list[Buckets]] = [[] for _ in range(span.steps)]
    for row in rows:
        if 0 <= row["n"] < span.steps:
            found[row["n"]].append(buckets_of(row))
    return [percentile_ms(sum_buckets(step), share) for step in found]


def buckets_of(row: Row) -> Buckets:
    """Return a row's buckets, also where it is itself the count of one."""
    if "buckets" in row:
        return [amount or 0 for amount in row["buckets"]]
    single = [0] * (len(SECONDS) + 1)
    if row["bucket"] is not None:
        single[row["bucket"]] = row["received"] if "received" in row else _sent(row)
    return single


def _sent(row: Row) -> int:
    return int(row["delivered"] + row["failed"])

"""What a process has counted of each sender's calls, minute by minute, until it is reported.

The counts of a minute only rise and are told as they stand, so a report that is told twice, or
late, changes nothing.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from threading import Lock
from typing import Any

SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""The bounds of the buckets: who adds one adds a sum to `private.count_minutes` too."""
KINDS = (
    "received",
    "duplicates",
    "failed",
    "deferred",
    "spooled",
    "rejected",
    "unauthentic",
    "throttled",
    "unavailable",
    "retried",
)
OF_OUTCOME = {
    "duplicate": "duplicates",
    "failed": "failed",
    "deferred": "deferred",
    "spooled": "spooled",
}
OF_STATUS = {401: "unauthentic", 429: "throttled"}
MINUTES = 180
"""How many minutes wait to be reported at most, while Supabase is away; then the oldest go."""
KEPT = 10
"""Minutes that stay although they were reported: a clock that is set back counts on in them."""

Row = dict[str, Any]


class _Minute:
    """The counts of one sender in one minute."""

    __slots__ = ("buckets", "is_told", "last_at", "numbers", "seconds")

    def __init__(self) -> None:
        self.numbers = dict.fromkeys(KINDS, 0)
        self.seconds = 0.0
        self.buckets = [0] * (len(SECONDS) + 1)
        self.last_at: float | None = None
        self.is_told = False


class Tally:
    """Counts from any thread, a microsecond a call."""

    def __init__(self, sources: Iterable[str] = (), clock: Callable[[], float] = time.time) -> None:
        """Take the senders' names; whatever else is named counts as `other`."""
        self._sources = frozenset(sources)
        self._clock = clock
        self._lock = Lock()
        self._minutes: dict[tuple[int, str], _Minute] = {}

    def received(self, source: str, outcome: str, seconds: float) -> None:
        """Count a call that was answered with 200, and the time it took."""
        bucket = bisect_left(SECONDS, seconds)
        now = self._clock()
        with self._lock:
            minute = self._minute(source, now)
            minute.numbers["received"] += 1
            kind = OF_OUTCOME.get(outcome)
            if kind:
                minute.numbers[kind] += 1
            minute.seconds += seconds
            minute.buckets[bucket] += 1
            minute.last_at = now

    def refused(self, source: str, status: int) -> None:
        """Count a call that was answered with an error."""
        kind = OF_STATUS.get(status) or ("unavailable" if status >= 500 else "rejected")
        now = self._clock()
        with self._lock:
            minute = self._minute(source, now)
            minute.numbers[kind] += 1
            if status not in OF_STATUS:
                minute.last_at = now

    def retried(self, source: str) -> None:
        """Count an attempt at a stored event after one that failed."""
        with self._lock:
            self._minute(source, self._clock()).numbers["retried"] += 1

    def take(self) -> list[Row]:
        """Return what has changed since it was last taken, as `report_process` wants it."""
        with self._lock:
            changed = [item for item in self._minutes.items() if not item[1].is_told]
            for _, minute in changed:
                minute.is_told = True
            return [_row(at, source, minute) for (at, source), minute in changed]

    def put_back(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Have rows told again that were taken, since nobody has heard them."""
        with self._lock:
            for row in rows:
                at = int(datetime.fromisoformat(row["minute"]).timestamp()) // 60
                if minute := self._minutes.get((at, row["source"])):
                    minute.is_told = False

    def _minute(self, source: str, now: float) -> _Minute:
        key = (int(now // 60), source if source in self._sources else "other")
        minute = self._minutes.get(key)
        if minute is None:
            self._forget(key[0])
            minute = self._minutes[key] = _Minute()
        minute.is_told = False
        return minute

    def _forget(self, now: int) -> None:
        for key, minute in list(self._minutes.items()):
            if abs(now - key[0]) > (KEPT if minute.is_told else MINUTES):
                del self._minutes[key]


def _row(at: int, source: str, minute: _Minute) -> Row:
    last_at = minute.last_at
    return {
        "minute": _iso(at * 60),
        "source": source,
        **minute.numbers,
        "seconds": minute.seconds,
        "buckets": list(minute.buckets),
        "last_at": None if last_at is None else _iso(last_at),
    }


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()

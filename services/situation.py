"""What waits at this moment, for a scrape: in the inbox, and in the spool.

Both are asked from threads of their own, so that a scrape waits for neither longer than it may.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from services.breaker import Breaker
from services.database import Database
from services.errors import ConvohooksError
from services.spool import Counts, Spool

PATIENCE = 2.0
WAITING = ("received", "failed", "unmatched")

Answer = TypeVar("Answer")


@dataclass(slots=True)
class _Pending(Generic[Answer]):
    done: threading.Event
    answer: Answer | None = None


class Question(Generic[Answer]):
    """Asks for something without keeping anybody waiting; who asks meanwhile shares the answer."""

    def __init__(self, ask: Callable[[], Answer]) -> None:
        """Take what finds the answer; it may raise a ConvohooksError."""
        self._ask = ask
        self._lock = threading.Lock()
        self._pending: _Pending[Answer] | None = None

    def put(self) -> Callable[[float], Answer | None]:
        """Ask, and return what waits so many seconds for the answer; None when there is none."""
        with self._lock:
            if self._pending is None or self._pending.done.is_set():
                self._pending = _Pending(threading.Event())
                threading.Thread(target=self._find, args=(self._pending,), daemon=True).start()
            pending = self._pending
        return lambda seconds: pending.answer if pending.done.wait(seconds) else None

    def _find(self, pending: _Pending[Answer]) -> None:
        try:
            pending.answer = self._ask()
        except ConvohooksError:
            # That there is no answer is the answer.
            return
        finally:
            pending.done.set()


class Situation:
    """Finds out what waits."""

    def __init__(
        self, database: Database, breaker: Breaker, spool: Spool | None, patience: float = PATIENCE
    ) -> None:
        """Take whom to ask; `patience` is how long a scrape may wait for all of them."""
        self._breaker = breaker
        self._backlog = Question(lambda: _backlog(database, breaker))
        self._spool = Question(lambda: (spool.count(), spool.used_bytes())) if spool else None
        self._patience = patience

    def metrics(self) -> Iterator[Metric]:
        """Yield the gauges; those of what does not answer are missing, and its `up` is 0."""
        deadline = time.monotonic() + self._patience
        backlog = self._ask_database()
        spool = self._spool.put() if self._spool else None
        yield from _of_inbox(backlog(deadline - time.monotonic()))
        if spool:
            yield from _of_spool(spool(deadline - time.monotonic()))

    def _ask_database(self) -> Callable[[float], Mapping[str, Any] | None]:
        try:
            self._breaker.check_turn()
        except ConvohooksError:
            # Not even for an answer that an earlier scrape still waits for.
            return lambda seconds: None
        return self._backlog.put()


def _backlog(database: Database, breaker: Breaker) -> Mapping[str, Any]:
    # A scrape may be the call that closes the circuit, but never one of those that open it.
    if breaker.state == "closed":
        return database.backlog()
    return breaker.call(database.backlog)


def _of_inbox(backlog: Mapping[str, Any] | None) -> Iterator[Metric]:
    yield _gauge(
        "database_up", "Whether the database has answered this scrape.", backlog is not None
    )
    if backlog is None:
        return
    waiting = GaugeMetricFamily(
        "convohooks_inbox_events", "Events of the inbox that wait.", labels=["state"]
    )
    for state in WAITING:
        waiting.add_metric([state], backlog[state])
    yield waiting
    yield _gauge("dead_letters", "Events that failed too often.", backlog["dead"])
    yield _gauge(
        "inbox_oldest_due_seconds",
        "How long the longest due event has waited for a worker; 0 when none is due.",
        backlog["oldest_due_seconds"] or 0,
    )


def _of_spool(answer: tuple[Counts, int] | None) -> Iterator[Metric]:
    yield _gauge("spool_up", "Whether the spool could be read.", answer is not None)
    if answer is None:
        return
    counts, used = answer
    yield _gauge("spool_events", "Events on the disk that wait for Supabase.", counts.spooled)
    yield _gauge("spool_unsendable", "Events that Supabase would not store.", counts.unsendable)
    yield _gauge("spool_bytes", "What the spool uses of SPOOL_MAX_BYTES.", used)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"convohooks_{name}", text, value=float(value))

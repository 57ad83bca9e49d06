"""What waits at this moment, for a scrape: in the inbox, and in the spool.

Both are asked from threads of their own, so that a scrape waits for neither longer than it may.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from services.database import Database
from services.errors import ConvohooksError
from services.outage.breaker import Breaker
from services.outage.spool import Counts, Spool

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
        self,
        database: Database,
        breaker: Breaker,
        spool: Spool | None,
        *,
        realtime_limit: int,
        patience: float = PATIENCE,
    ) -> None:
        """Take whom to ask; `patience` is how long a scrape may wait for all of them."""
        self._breaker = breaker
        # A scrape may be the call that closes the circuit, but never one of those that open it.
        self._database = Question(lambda: breaker.call_aside(database.operations))
        self._realtime_limit = realtime_limit
        self._spool = Question(lambda: (spool.count(), spool.used_bytes())) if spool else None
        self._patience = patience

    def metrics(self) -> Iterator[Metric]:
        """Yield the gauges; those of what does not answer are missing, and its `up` is 0."""
        deadline = time.monotonic() + self._patience
        operations = self._ask_database()
        spool = self._spool.put() if self._spool else None
        yield from _of_database(operations(deadline - time.monotonic()))
        yield _gauge("realtime_limit", "REALTIME_CHANGES_PER_SECOND.", self._realtime_limit)
        if spool:
            yield from _of_spool(spool(deadline - time.monotonic()))

    def _ask_database(self) -> Callable[[float], Mapping[str, Any] | None]:
        try:
            self._breaker.check_turn()
        except ConvohooksError:
            # Not even for an answer that an earlier scrape still waits for.
            return lambda seconds: None
        return self._database.put()


def _of_database(told: Mapping[str, Any] | None) -> Iterator[Metric]:
    yield _gauge("database_up", "Whether the database has answered this scrape.", told is not None)
    if told is not None:
        yield from _of_inbox(told["database"])
        yield from _of_deliveries(told["deliveries"])
        yield from _of_processes(told["processes"])
        yield from _of_realtime(told["realtime"])


def _of_inbox(backlog: Mapping[str, Any]) -> Iterator[Metric]:
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


def _of_deliveries(told: Mapping[str, Any]) -> Iterator[Metric]:
    yield _gauge("deliveries_waiting", "Deliveries that are not through.", told["waiting"])
    yield _gauge(
        "delivery_oldest_due_seconds",
        "How long the longest due delivery has waited; 0 when none is due.",
        told["oldest_due_seconds"] or 0,
    )
    yield _gauge(
        "endpoints_disabled", "Endpoints that nothing is sent to.", told["disabled_endpoints"]
    )


def _of_processes(processes: Iterable[Mapping[str, Any]]) -> Iterator[Metric]:
    """Yield for how long each kind of process has been silent on each host."""
    silent: dict[tuple[str, str], float] = {}
    for process in processes:
        names = process["kind"], process["host"]
        silent[names] = min(process["silent_seconds"], silent.get(names, math.inf))
    reported = GaugeMetricFamily(
        "convohooks_process_reported_seconds",
        "How long ago a process of this kind last reported from this host.",
        labels=["kind", "host"],
    )
    for names, seconds in silent.items():
        reported.add_metric(names, max(seconds, 0.0))
    yield reported


def _of_realtime(load: Mapping[str, Any]) -> Iterator[Metric]:
    if load["changes_per_second"] is not None:
        yield _gauge(
            "realtime_changes_per_second",
            "Changes of published tables, over two minutes.",
            load["changes_per_second"],
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

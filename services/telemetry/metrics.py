"""What happens, counted for Prometheus: a few microseconds each, and no label from outside.

With a folder, several processes count into files there, and each tells the sum of all.
https://prometheus.github.io/client_python/multiprocess/
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from services.outage.breaker import State
from services.telemetry.tally import SECONDS, Tally

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
OUTCOMES = frozenset(
    {"new", "duplicate", "deferred", "failed", "rejected", "forbidden", "unstored", "spooled"}
)
OTHER = "other"
KINDS = ("counter", "histogram", "gauge")
LATENCIES = (*SECONDS, 30.0, 60.0, 300.0, 900.0, 3600.0, 21600.0)
"""What failed is tried again for hours."""
BATCHES = (1, 2, 4, 8, 16, 32, 64)
STATES: dict[State, int] = {"closed": 0, "half-open": 1, "open": 2}

Batch = TypeVar("Batch", bound=Sequence[Any])
Answer = TypeVar("Answer")


class Metrics:
    """Counters and histograms of this process, or of all that share a folder."""

    def __init__(
        self, sources: Iterable[str], folder: Path | None = None, tally: Tally | None = None
    ) -> None:
        """Take the senders' names; whatever else is named counts as `other`.

        The `tally` counts the same for the reports.
        """
        self._sources = frozenset(sources)
        self._tally = tally or Tally()
        self._registry = CollectorRegistry()
        if folder:
            self._registry.register(_Shared(folder))
        # What lies in the files is told from there.
        registry = None if folder else self._registry
        self._received = Counter(
            "convohooks_events_received",
            "Calls answered with 200, by what became of them.",
            ["source", "outcome"],
            registry=registry,
        )
        self._refused = Counter(
            "convohooks_events_refused",
            "Calls answered otherwise.",
            ["source", "status"],
            registry=registry,
        )
        self._unauthentic = Counter(
            "convohooks_signature_failures",
            "Calls whose token or signature was missing or wrong.",
            ["source"],
            registry=registry,
        )
        self._seconds = Histogram(
            "convohooks_request_seconds",
            "From a webhook's arrival to its answer.",
            ["source"],
            buckets=SECONDS,
            registry=registry,
        )
        self._latency = latency(registry)
        self._batch = Histogram(
            "convohooks_commit_batch_events",
            "Events that were committed together.",
            buckets=BATCHES,
            registry=registry,
        )
        self._commit = Histogram(
            "convohooks_commit_seconds",
            "Round trip of a commit.",
            buckets=SECONDS,
            registry=registry,
        )
        self._breaker = Gauge(
            "convohooks_breaker_state",
            "0 closed, 1 half-open, 2 open; of several processes the highest.",
            multiprocess_mode="livemax",
            registry=registry,
        )
        self._begin_at_zero()
        # To look a series up by its labels costs more than to count.
        self._received_as = cache(self._received.labels)
        self._refused_as = cache(self._refused.labels)
        self._seconds_of = cache(self._seconds.labels)
        self._latency_of = cache(self._latency.labels)

    def received(self, source: str, outcome: str, seconds: float) -> None:
        """Count a call that was answered with 200, and the time it took."""
        self._tally.received(source, outcome, seconds)
        source = self._known(source)
        self._received_as(source, outcome if outcome in OUTCOMES else OTHER).inc()
        self._seconds_of(source).observe(seconds)
        if outcome == "new":
            self._latency_of(source).observe(seconds)

    def refused(self, source: str, status: int, seconds: float) -> None:
        """Count a call that was answered with an error, and the time it took."""
        self._tally.refused(source, status)
        source = self._known(source)
        self._refused_as(source, status).inc()
        self._seconds_of(source).observe(seconds)

    def unauthentic(self, source: str) -> None:
        """Count a call that could not prove where it came from."""
        self._unauthentic.labels(self._known(source)).inc()

    def committed(self, events: int, seconds: float) -> None:
        """Count a commit."""
        self._batch.observe(events)
        self._commit.observe(seconds)

    def breaker_changed(self, state: State) -> None:
        """Note the circuit's state."""
        self._breaker.set(STATES[state])

    def timed(self, commit: Callable[[Batch], Answer]) -> Callable[[Batch], Answer]:
        """Return a function that does the same and counts each batch that it committed."""

        def timed_commit(batch: Batch) -> Answer:
            started = time.perf_counter()
            answer = commit(batch)
            if batch:
                self.committed(len(batch), time.perf_counter() - started)
            return answer

        return timed_commit

    def exposition(self, moment: Iterable[Metric] = ()) -> bytes:
        """Return all there is to tell, in Prometheus's text format, `moment` after the rest."""
        return generate_latest(self._registry) + generate_latest(_Moment(moment))

    def _begin_at_zero(self) -> None:
        """Have the series that alerts are on from the start: `increase` misses a series' first."""
        for source in self._sources:
            self._unauthentic.labels(source)
            for outcome in OUTCOMES:
                self._received.labels(source, outcome)

    def _known(self, source: str) -> str:
        return source if source in self._sources else OTHER


def latency(registry: CollectorRegistry | None) -> Histogram:
    """Return the histogram that the service and its workers count into, each their own."""
    return Histogram(
        "convohooks_event_latency_seconds",
        "From an event's arrival to its committed effects.",
        ["source"],
        buckets=LATENCIES,
        registry=registry,
    )


class _Shared(Collector):
    """Tells the sum of what all processes have counted; other files of the folder are not read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        files = [str(file) for kind in KINDS for file in self._folder.glob(f"{kind}_*.db")]
        merged = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
        return cast(Iterable[Metric], merged)


class _Moment(Collector):
    """Tells metrics that were read this very moment."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics

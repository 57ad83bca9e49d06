"""What a worker does, counted: for its own /metrics, and for the reports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import prometheus_client.values
from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server

from services.errors import SettingsError
from services.outgoing.attempt import Attempt, Claimed
from services.outgoing.deliveries import Sends
from services.telemetry.metrics import OTHER, latency
from services.telemetry.tally import SECONDS, Tally

ENDS = {
    "processed": "processed",
    "ignored": "processed",
    "unmatched": "processed",
    "failed": "failed",
    "dead": "dead",
    "lost": "lost",
}


class WorkerMetrics:
    """Counters and histograms of this process."""

    def __init__(self, sources: Iterable[str] = ()) -> None:
        """Take the senders' names; whatever else is named counts as `other`."""
        # PROMETHEUS_MULTIPROC_DIR is for the service's processes, also where a worker inherits it.
        prometheus_client.values.ValueClass = prometheus_client.values.MutexValue
        self._sources = frozenset(sources)
        self.tally = Tally(self._sources)
        self._registry = CollectorRegistry()
        self._attempts = Counter(
            "convohooks_attempts",
            "Attempts at stored events, by how they ended.",
            ["outcome"],
            registry=self._registry,
        )
        self._retries = Counter(
            "convohooks_retries",
            "Attempts at stored events after one that failed.",
            registry=self._registry,
        )
        self._deliveries = Counter(
            "convohooks_delivery_attempts",
            "Attempts at deliveries, by how they ended.",
            ["outcome"],
            registry=self._registry,
        )
        self._delivery_seconds = Histogram(
            "convohooks_delivery_seconds",
            "How long attempts at deliveries took.",
            buckets=(*SECONDS, 30.0),
            registry=self._registry,
        )
        self._latency = latency(self._registry)
        # Prometheus's `increase` misses the first count of a series that begins with it.
        for end in ENDS.values():
            self._attempts.labels(end)
        for outcome in ("delivered", "failed"):
            self._deliveries.labels(outcome)

    def attempted(self, event: Mapping[str, Any], outcome: str) -> None:
        """Count an attempt at a claimed event."""
        source = event["source"] if event["source"] in self._sources else OTHER
        end = ENDS.get(outcome, OTHER)
        # The first try of what was replayed, or left for later, is none again.
        if event["tries"] > 1:
            self.tally.retried(source)
            self._retries.inc()
        self._attempts.labels(end).inc()
        if end == "processed":
            waited = datetime.now(UTC) - datetime.fromisoformat(event["received_at"])
            self._latency.labels(source).observe(max(waited.total_seconds(), 0.0))

    def delivered(self, attempt: Attempt) -> None:
        """Count an attempt at a delivery."""
        self._deliveries.labels(attempt.outcome).inc()
        self._delivery_seconds.observe(attempt.duration_ms / 1000)

    def serve(self, port: int) -> None:
        """Tell them on this machine alone, in Prometheus's text format, until the process ends.

        Raises SettingsError when the port is taken.
        """
        try:
            start_http_server(port, "127.0.0.1", self._registry)
        except OSError as error:
            raise SettingsError(f"WORKER_METRICS_PORT {port}: {error.strerror}.") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedSender:
    """Makes attempts as another does, and counts them."""

    sender: Sends
    metrics: WorkerMetrics

    @property
    def timeout(self) -> float:
        """Seconds that one takes at most."""
        return self.sender.timeout

    def send(self, delivery: Claimed, at: datetime) -> Attempt:
        """Make one; never raises."""
        attempt = self.sender.send(delivery, at)
        self.metrics.delivered(attempt)
        return attempt

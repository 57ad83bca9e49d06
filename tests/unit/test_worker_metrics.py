"""worker_metrics.py: what counts as tried again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from prometheus_client import generate_latest

from services.telemetry.worker_metrics import WorkerMetrics


@pytest.mark.parametrize(("tries", "retries"), [(1, 0), (2, 1), (6, 1)])
def test_first_try_of_what_was_replayed_or_deferred_is_no_retry(tries: int, retries: int) -> None:
    worker = WorkerMetrics(["tavus"])
    event = {"source": "tavus", "received_at": datetime.now(UTC).isoformat(), "tries": tries}

    worker.attempted(event, "failed")

    told = generate_latest(worker._registry).decode()
    assert sum(row["retried"] for row in worker.tally.take()) == retries
    assert f"convohooks_retries_total {float(retries)}\n" in told
    assert 'convohooks_attempts_total{outcome="failed"} 1.0\n' in told

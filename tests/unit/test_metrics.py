"""metrics.py: what happens is counted, under no name that came from outside."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from services.errors import Unavailable
from services.outage.breaker import Breaker
from services.telemetry.metrics import Metrics

COUNT = """
import sys
from pathlib import Path
from services.telemetry.metrics import Metrics

metrics = Metrics(["tavus"], Path(sys.argv[1]))
metrics.received("tavus", "new", 0.1)
metrics.committed(3, 0.01)
metrics.breaker_changed(sys.argv[2])
if sys.argv[3:]:
    print(metrics.exposition().decode())
"""


@pytest.fixture(name="metrics")
def _metrics() -> Metrics:
    return Metrics(["tavus", "stripe"])


def samples(text: bytes | str) -> dict[str, float]:
    """Return every sample by its name and labels, as `name{label=value}`."""
    return {
        sample.name + "{" + ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items())) + "}": (
            sample.value
        )
        for family in text_string_to_metric_families(
            text.decode() if isinstance(text, bytes) else text
        )
        for sample in family.samples
    }


def test_calls_are_counted_by_sender_and_end(metrics: Metrics) -> None:
    metrics.received("tavus", "new", 0.02)
    metrics.received("tavus", "duplicate", 0.02)
    metrics.refused("stripe", 401, 0.001)
    metrics.unauthentic("stripe")

    told = samples(metrics.exposition())

    assert told["convohooks_events_received_total{outcome=new,source=tavus}"] == 1
    assert told["convohooks_events_received_total{outcome=duplicate,source=tavus}"] == 1
    assert told["convohooks_events_refused_total{source=stripe,status=401}"] == 1
    assert told["convohooks_signature_failures_total{source=stripe}"] == 1
    assert told["convohooks_request_seconds_count{source=tavus}"] == 2
    assert told["convohooks_request_seconds_bucket{le=0.01,source=tavus}"] == 0
    assert told["convohooks_request_seconds_bucket{le=0.025,source=tavus}"] == 2


@pytest.mark.parametrize("hostile", ["", "x" * 100_000, 'a"}\n', "\ud800", "TAVUS", "tavus "])
def test_no_label_comes_from_outside(metrics: Metrics, hostile: str) -> None:
    metrics.received(hostile, hostile, 0.1)
    metrics.refused(hostile, 400, 0.1)
    metrics.unauthentic(hostile)

    told = metrics.exposition().decode()

    assert 'convohooks_events_received_total{outcome="other",source="other"} 1.0' in told
    assert 'convohooks_signature_failures_total{source="other"} 1.0' in told
    assert len(told) < 10_000


def test_commits_are_counted_with_their_size(metrics: Metrics) -> None:
    commit = metrics.timed(lambda batch: [n * 2 for n in batch])

    answers = [commit([1, 2, 3]), commit([4]), commit([])]

    told = samples(metrics.exposition())
    assert answers == [[2, 4, 6], [8], []]
    assert told["convohooks_commit_batch_events_sum{}"] == 4
    assert told["convohooks_commit_batch_events_count{}"] == 2
    assert told["convohooks_commit_seconds_count{}"] == 2


def test_failed_commit_is_none(metrics: Metrics) -> None:
    def fail(batch: list[int]) -> list[int]:
        raise Unavailable()

    with pytest.raises(Unavailable):
        metrics.timed(fail)([1])

    assert samples(metrics.exposition())["convohooks_commit_seconds_count{}"] == 0


def test_circuit_is_told_as_it_opens_and_closes(metrics: Metrics) -> None:
    now = [0.0]
    breaker = Breaker(1, 10.0, lambda: now[0], changed=metrics.breaker_changed)

    def state() -> float:
        return samples(metrics.exposition())["convohooks_breaker_state{}"]

    def away() -> None:
        raise Unavailable()

    assert state() == 0
    with pytest.raises(Unavailable):
        breaker.call(away)
    assert state() == 2
    now[0] = 11.0
    breaker.call(lambda: None)
    assert state() == 0


def count_elsewhere(folder: Path, state: str, *tell: str) -> str:
    """Count from a process of its own, which tells the sum if asked to."""
    env = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", COUNT, str(folder), state, *tell],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_processes_that_share_a_folder_tell_their_sum(tmp_path: Path) -> None:
    count_elsewhere(tmp_path, "open")
    count_elsewhere(tmp_path, "closed")

    told = samples(count_elsewhere(tmp_path, "half-open", "tell"))

    assert told["convohooks_events_received_total{outcome=new,source=tavus}"] == 3
    assert told["convohooks_commit_batch_events_sum{}"] == 9
    assert told["convohooks_commit_batch_events_bucket{le=4.0}"] == 3
    assert told["convohooks_breaker_state{}"] == 2
    assert not [name for name in told if "pid" in name]

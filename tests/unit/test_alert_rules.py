"""alerts/: the rules are right, and say when they fire and when they do not."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from services.notifier.outage import NAME as OUTAGE
from services.notifier.rules import RULES as WORKER_RULES
from services.outage.breaker import Breaker
from services.outgoing.attempt import Attempt
from services.telemetry.metrics import Metrics
from services.telemetry.worker_metrics import WorkerMetrics
from tests.promtool import promtool
from tests.unit.test_situation import FakeDatabase, FakeSpool, situation_of

FOLDER = Path("alerts")
RULES = FOLDER / "convohooks.rules.yml"
TESTS = sorted(FOLDER.glob("*.test.yml"))
ALERTS = re.findall(r"- alert: (\w+)", RULES.read_text())
PAGE = Path("docs/operations/alerts.md").read_text()


@pytest.fixture(name="tool", scope="module")
def _tool() -> str:
    return promtool()


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_the_rules_are_well_formed(tool: str) -> None:
    checked = run(tool, "check", "rules", RULES.name, cwd=FOLDER)

    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.name)
def test_alerts_fire_when_they_are_to_and_only_then(tool: str, file: Path) -> None:
    tested = run(tool, "test", "rules", file.name, cwd=FOLDER)

    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_alert_is_tested_to_fire_beside_others_that_do_not() -> None:
    text = "\n".join(file.read_text() for file in TESTS)
    blocks = text.split("  - name: ")
    tested = {
        alert
        for alert in ALERTS
        for block in blocks
        if re.search(rf"alertname: {alert}\n.*\n +exp_alerts:\n", block)
        and re.search(r'job="(near|few|another)', block)
    }

    assert tested == set(ALERTS)


def test_a_rule_that_is_loosened_or_tightened_is_noticed(tool: str, tmp_path: Path) -> None:
    """The tests above can fail: with the bound of a rule moved, they do."""
    rules = RULES.read_text()
    for old, new in (
        ("convohooks_dead_letters) > 0", "convohooks_dead_letters) > 2"),
        ("oldest_due_seconds) > 60", "oldest_due_seconds) > 58"),
        ("calls:increase10m > 0.05", "calls:increase10m > 0.04"),
        ("calls:increase3m > 0.05", "calls:increase3m >= 0"),
        ("convohooks:calls:increase10m >= 20", "convohooks:calls:increase10m >= 5"),
    ):
        assert old in rules
        shutil.copy(FOLDER / "convohooks.rules.test.yml", tmp_path)
        (tmp_path / RULES.name).write_text(rules.replace(old, new))
        assert run(tool, "test", "rules", "convohooks.rules.test.yml", cwd=tmp_path).returncode


def test_every_alert_leads_to_what_to_do() -> None:
    """By the address of its heading, below which stands what it says of itself."""
    rules = re.findall(
        r"- alert: (\w+)\n.*?for: (\w+)\n.*?severity: (\w+)\}.*?alerts\.md#(\S+)",
        RULES.read_text(),
        re.DOTALL,
    )
    workers = {*(rule.name for rule in WORKER_RULES), OUTAGE}

    assert [name for name, *_ in rules] == ALERTS
    for name, hold, severity, anchor in rules:
        rule = anchor.replace("-", "_")
        told = f"{severity.capitalize()} · Prometheus `{name}` after {hold}"
        assert sections()[anchor] == told + (f" · worker `{rule}`" if rule in workers else "")
    assert workers <= {anchor.replace("-", "_") for *_, anchor in rules}


def test_no_heading_is_of_an_alert_that_is_gone() -> None:
    assert {*sections()} == set(re.findall(r"alerts\.md#(\S+)", RULES.read_text()))


def test_severities_of_the_workers_are_those_of_prometheus() -> None:
    for rule in WORKER_RULES:
        assert sections()[rule.name.replace("_", "-")].startswith(rule.severity.capitalize())


def test_every_metric_of_the_rules_is_told_by_the_service_or_a_worker() -> None:
    asked = RULES.read_text().replace("_(received|refused)_", "_received_")

    names = set(re.findall(r"\bconvohooks_[a-z0-9_]+\b", asked))

    assert names
    assert names <= told()
    assert "convohooks_events_refused_total" in told()


def test_what_is_counted_begins_at_zero() -> None:
    """`increase` would miss the first failures of a series that begins with them."""
    service, worker = Metrics(["tavus"]), WorkerMetrics(["tavus"])
    texts = service.exposition() + generate_latest(worker._registry)

    for series in (
        'events_received_total{outcome="failed",source="tavus"}',
        'signature_failures_total{source="tavus"}',
        'attempts_total{outcome="dead"}',
        'delivery_attempts_total{outcome="failed"}',
    ):
        assert f"convohooks_{series} 0.0\n" in texts.decode()


def told() -> set[str]:
    """Return the names of all samples of a service and of a worker at which something happened."""
    service, worker = Metrics(["tavus"]), WorkerMetrics(["tavus"])
    service.received("tavus", "new", 0.1)
    service.refused("tavus", 503, 0.1)
    service.unauthentic("tavus")
    now = datetime.now(UTC).isoformat()
    worker.attempted({"source": "tavus", "received_at": now, "tries": 2}, "processed")
    worker.delivered(Attempt(outcome="delivered", duration_ms=1.0))
    situation = situation_of(FakeDatabase(), Breaker(1, 60.0), FakeSpool())
    texts = (service.exposition(situation.metrics()), generate_latest(worker._registry))
    return {
        sample.name
        for text in texts
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def sections() -> dict[str, str]:
    """Return the first line below each heading of the page, by the heading's address."""
    found = re.findall(r"^## (.+)\n\n(.+)$", PAGE, re.MULTILINE)
    return {heading.lower().replace(" ", "-"): line for heading, line in found}

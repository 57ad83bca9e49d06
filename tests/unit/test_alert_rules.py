"""alerts/: the rules are right, and say when they fire and when they do not."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.promtool import promtool

FOLDER = Path("alerts")
RULES = FOLDER / "convohooks.rules.yml"
TESTS = sorted(FOLDER.glob("*.test.yml"))
ALERTS = re.findall(r"- alert: (\w+)", RULES.read_text())
OPERATIONS = Path("docs/operations.md").read_text()


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
        ("convohooks:calls:increase10m >= 20", "convohooks:calls:increase10m >= 5"),
    ):
        assert old in rules
        shutil.copy(FOLDER / "convohooks.rules.test.yml", tmp_path)
        (tmp_path / RULES.name).write_text(rules.replace(old, new))
        assert run(tool, "test", "rules", "convohooks.rules.test.yml", cwd=tmp_path).returncode


def test_every_alert_leads_to_what_to_do() -> None:
    places = re.findall(r"runbook: docs/operations\.md#(\S+)", RULES.read_text())

    assert len(places) == len(ALERTS)
    assert set(places) <= anchors(OPERATIONS)


def anchors(page: str) -> set[str]:
    """Return the addresses of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}

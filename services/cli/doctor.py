"""`convohooks doctor`: what is wrong, and how to mend it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table
from rich.text import Text

from services.doctor import examine
from services.doctor.finding import Finding, State

STYLES: dict[State, str] = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def run(as_json: bool) -> int:
    """Print every finding; return 1 when something does not work, else 0."""
    findings = examine()
    is_well = all(finding.state != "fail" for finding in findings)
    if as_json:
        told = {"ok": is_well, "findings": [asdict(finding) for finding in findings]}
        print(json.dumps(told, indent=2))
    else:
        Console().print(_table(findings))
    return 0 if is_well else 1


def _table(findings: Sequence[Finding]) -> Table:
    table = Table("", "check", "what was seen", "how to mend it")
    for finding in findings:
        state = Text(finding.state, STYLES[finding.state])
        table.add_row(state, *map(Text, (finding.name, finding.seen, finding.mend)))
    return table

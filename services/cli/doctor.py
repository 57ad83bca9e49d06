"""`convohooks doctor`: what is wrong, and how to mend it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table
from rich.text import Text

from services.cli.send import provider_named
from services.diagnosis import Diagnosis, diagnose, read_capture
from services.doctor import examine
from services.doctor.finding import Finding, State
from services.settings import load_settings, raw_settings

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


def signature(
    sender: str, capture: str, secrets: Sequence[str] = (), *, as_json: bool = False
) -> int:
    """Print why a captured call does not verify; return 0 when it does, else 1.

    Raises NotFound for a sender that there is not, Malformed for a capture that is none.
    """
    environment = raw_settings()
    provider = provider_named(load_settings(environment), sender)
    told = diagnose(read_capture(capture), provider, environment, other_secrets=secrets)
    if as_json:
        print(json.dumps(asdict(told), indent=2))
    elif told.verifies:
        Console().print("The call verifies.")
    else:
        Console().print(_mistakes(told))
    return 0 if told.verifies else 1


def _mistakes(told: Diagnosis) -> Table | str:
    if not told.findings:
        return (
            "The call does not verify, and no usual mistake explains it: most likely it was signed"
            " with a secret that is not set here (try it with --secret)."
        )
    table = Table("what is wrong", "how to mend it")
    for finding in told.findings:
        table.add_row(Text(finding.cause), Text(finding.mend))
    return table


def _table(findings: Sequence[Finding]) -> Table:
    table = Table("", "check", "what was seen", "how to mend it")
    for finding in findings:
        state = Text(finding.state, STYLES[finding.state])
        table.add_row(state, *map(Text, (finding.name, finding.seen, finding.mend)))
    return table

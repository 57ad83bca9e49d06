"""`convohooks doctor`: what is wrong, and how to mend it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import typer

from services.cli.output import print_json, print_table, progress, styled
from services.cli.send import provider_named
from services.doctor import Target, examine
from services.doctor.diagnosis import Diagnosis, diagnose, read_capture
from services.doctor.finding import State
from services.settings import load_settings, raw_settings

STYLES: dict[State, str] = {
    "ok": "green", "warn": "yellow", "fail": "bold red", "skip": "dim"
}  # fmt: skip


def run(as_json: bool, target: Target = "any") -> int:
    """Print every finding; return 1 when something does not work, else 0."""
    with progress("Looking"):
        findings = examine(target)
    is_well = all(finding.state != "fail" for finding in findings)
    if as_json:
        print_json({"ok": is_well, "findings": [asdict(finding) for finding in findings]})
    else:
        rows = [(styled(f.state, STYLES[f.state]), f.name, f.seen, f.mend) for f in findings]
        print_table(("", "check", "what was seen", "how to mend it"), rows)
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
        print_json(asdict(told))
    elif told.verifies:
        typer.echo("The call verifies.")
    else:
        _print_mistakes(told)
    return 0 if told.verifies else 1


def _print_mistakes(told: Diagnosis) -> None:
    if told.findings:
        rows = [(finding.cause, finding.mend) for finding in told.findings]
        print_table(("what is wrong", "how to mend it"), rows)
        return
    typer.echo(
        "The call does not verify, and no usual mistake explains it: most likely it was signed"
        " with a secret that is not set here (try it with --secret)."
    )

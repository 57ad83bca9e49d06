"""The table of static checks: each says how it ended, and one that failed fails them all."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from checks.__main__ import main
from checks.check import LEFT_OUT, Check, Verdict
from checks.table import CHECKS


def ends_with(code: int, name: str = "it") -> Check:
    """Return a check that says two lines and ends with a code."""
    program = f"print('first'); print('last'); raise SystemExit({code})"
    return Check(name, (sys.executable, "-c", program))


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        (0, Verdict.OK),
        (1, Verdict.FAILED),
        (2, Verdict.FAILED),
        (-9, Verdict.FAILED),
        (LEFT_OUT, Verdict.LEFT_OUT),
    ],
)
def test_the_exit_code_is_the_verdict(code: int, verdict: Verdict) -> None:
    program = f"import os, signal; os._exit({code}) if {code} >= 0 else os.kill(os.getpid(), 9)"

    assert Check("it", (sys.executable, "-c", program)).run().verdict is verdict


def test_a_check_whose_program_is_missing_has_failed() -> None:
    finding = Check("it", ("no-such-program",)).run()

    assert finding.verdict is Verdict.FAILED
    assert "no-such-program is not installed" in finding.output


def test_programs_of_our_own_environment_come_first() -> None:
    which = "import shutil; print(shutil.which('ruff'))"

    found = Check("it", (sys.executable, "-c", which)).run()

    assert found.output == str(Path(sys.executable).with_name("ruff"))


def test_a_failed_check_shows_what_it_said_and_an_ok_one_does_not() -> None:
    assert str(ends_with(1).run()).endswith("s\nfirst\nlast")
    assert str(ends_with(0).run()).endswith("s")
    assert str(ends_with(LEFT_OUT).run()).endswith("s  last")


def test_one_failure_is_the_failure_of_all(capsys: pytest.CaptureFixture[str]) -> None:
    table = (ends_with(0, "good"), ends_with(1, "bad"), ends_with(LEFT_OUT, "away"))

    assert main([], table) == 1

    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines} == {"ok", "FAILED", "first", "last", "left", "1"}
    assert lines[-1].startswith("1 failed, ")


def test_a_check_left_out_fails_nothing() -> None:
    assert main([], (ends_with(0, "good"), ends_with(LEFT_OUT, "away"))) == 0


def test_only_the_named_are_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["good"], (ends_with(0, "good"), ends_with(1, "bad"))) == 0
    assert "bad" not in capsys.readouterr().out


def test_a_wrong_name_names_the_right_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nope", "good"], (ends_with(0, "good"),)) == 2
    assert capsys.readouterr().out == "No such check: nope. There are: good.\n"


def test_every_check_has_a_name_of_its_own() -> None:
    names = [check.name for check in CHECKS]

    assert len(names) == len(set(names))


def test_make_test_runs_the_checks_first() -> None:
    assert "\ntest: check ##" in Path("Makefile").read_text()

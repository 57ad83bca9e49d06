"""`make coverage` counts branches: lines, which are many more, do not make up for them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from checks import branches

PROGRAM = "wanted = 1\nif wanted:\n    found = 1\nelse:\n    found = 0\n" + "found += 1\n" * 100


def measure(folder: Path, text: str) -> None:
    """Run a program under coverage; its data lies in the folder."""
    (folder / "program.py").write_text(text)
    (folder / "rc").write_text("[run]\nbranch = true\n")
    subprocess.run(
        [sys.executable, "-m", "coverage", "run", "--rcfile=rc", "--data-file=data", "program.py"],
        cwd=folder,
        # Not within another measurement, which `make coverage` is.
        env={"PATH": os.environ["PATH"]},
        check=True,
    )


def test_branches_alone_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measure(tmp_path, PROGRAM)
    monkeypatch.setenv("COVERAGE_FILE", str(tmp_path / "data"))

    assert branches.main(50) == 0
    assert branches.main(51) == 1
    assert "1 of 2 branches taken: 50.0 %" in capsys.readouterr().out


def test_nothing_measured_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVERAGE_FILE", str(tmp_path / "none"))

    assert branches.main() == 1

"""A test that fails beside others is run once more, alone; what fails twice fails the run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUN = "import sys; from tests.again import main; sys.exit(main(['-q']))"
SHAKY = """
import pathlib
import pytest

@pytest.mark.parametrize("number", range({number}))
def test_passes_the_second_time(number):
    mark = pathlib.Path(f"mark-{{number}}")
    was_there = mark.exists()
    mark.touch()
    assert was_there
"""
GOOD = "def test_passes():\n    pass\n"
BAD = "def test_fails():\n    assert False\n"


@pytest.mark.parametrize(
    ("tests", "code", "told"),
    [
        (GOOD, 0, ""),
        (GOOD + SHAKY.format(number=1), 0, "SHAKY"),
        (BAD + SHAKY.format(number=1), 1, "2 failed; once more"),
        (SHAKY.format(number=4), 1, ""),
        ("import nothing_of_this_name\n", 2, ""),
    ],
    ids=["passes", "passes-alone", "fails-alone-too", "too-many", "cannot-be-read"],
)
def test_what_fails_is_run_again(tmp_path: Path, tests: str, code: int, told: str) -> None:
    (tmp_path / "test_some.py").write_text(tests)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}

    ended = subprocess.run(
        [sys.executable, "-c", RUN], cwd=tmp_path, env=environment, capture_output=True, text=True
    )

    assert ended.returncode == code, ended.stdout + ended.stderr
    assert told in ended.stdout
    assert ("SHAKY" in ended.stdout) == (told == "SHAKY")
    assert ("once more" in ended.stdout) == bool(told)

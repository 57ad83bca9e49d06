"""The command line starts at once: what a command needs is imported when it is called."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from services.cli import app
from services.cli.lazy import SENTENCES, imported

HEAVY = ("supabase", "pydantic", "httpx", "requests", "structlog", "flask", "gevent", "redis")
PROGRAM = f"""
import sys
of_others = set(sys.modules)
from services.cli import app
try:
    app(["--help"])
finally:
    print([name for name in {HEAVY} if name in sys.modules.keys() - of_others], file=sys.stderr)
"""


def test_help_imports_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == "[]"
    assert [name for name in SENTENCES if name not in done.stdout] == []


@pytest.mark.parametrize("name", SENTENCES)
def test_a_command_says_of_itself_what_the_list_says_of_it(name: str) -> None:
    assert (imported(name).help or "").startswith(SENTENCES[name])


def test_what_is_nearly_a_command_is_named() -> None:
    done = CliRunner().invoke(app, ["evnts"])

    assert done.exit_code == 2
    assert "Did you mean 'events'?" in done.stderr

"""The command line within the test's own process, where a start of Python would be most of it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import chdir
from pathlib import Path
from subprocess import CompletedProcess

from typer.testing import CliRunner

from services.cli import app
from tests.secrecy.known import KNOWN


def convohooks(
    *arguments: str, env: Mapping[str, str], cwd: Path = Path()
) -> CompletedProcess[str]:
    """Run `convohooks …` with these variables in this folder; a traceback of it is the test's."""
    KNOWN.note(env)
    with chdir(cwd):
        done = CliRunner().invoke(app, arguments, env=env, catch_exceptions=False)
    return CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)

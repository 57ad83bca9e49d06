"""One check: a command, run from the root with the programs of this Python's environment."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = Path(sys.executable).parent
LEFT_OUT = os.EX_TEMPFAIL
"""A command that ends with this code could not do its work here; its last line says why."""


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    FAILED = "FAILED"
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class Check:
    """A check's name and command; `python` is the one that runs the checks."""

    name: str
    command: tuple[str, ...]

    def run(self) -> Finding:
        """Run the command and return what came of it. A missing program is a failure."""
        began = time.monotonic()
        code, output = self._ended()
        return Finding(self.name, _verdict(code), output.strip(), time.monotonic() - began)

    def _ended(self) -> tuple[int, str]:
        try:
            done = subprocess.run(  # noqa: S603 (the table's commands)
                self.command,
                cwd=ROOT,
                env={**os.environ, "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                check=False,
            )
        except FileNotFoundError:
            return 1, f"{self.command[0]} is not installed; `make install` does that."
        return done.returncode, done.stdout


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of a check."""

    name: str
    verdict: Verdict
    output: str
    seconds: float

    def __str__(self) -> str:
        """Return its line, and below it what a failed check has to say."""
        line = f"{self.verdict:<9} {self.name:<12} {self.seconds:5.1f} s"
        if self.verdict is Verdict.FAILED:
            return f"{line}\n{self.output}"
        if self.verdict is Verdict.LEFT_OUT:
            return f"{line}  {self.output.splitlines()[-1] if self.output else 'no reason given'}"
        return line


def _verdict(code: int) -> Verdict:
    return {0: Verdict.OK, LEFT_OUT: Verdict.LEFT_OUT}.get(code, Verdict.FAILED)

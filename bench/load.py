"""The load of the throughput rows: 64 connections, each sending as soon as it has its answer."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.plan import CONNECTIONS
from services.local.checkout import ROOT

SCRIPT = Path(__file__).with_name("callbacks.lua")
TAIL = 1.0
"""Seconds that the last answers may take to come in."""


class LoadError(Exception):
    """The load generator did not do its work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What was sent and answered; `refused` answers are those of status 400 and above."""

    sent: int
    answered: int
    refused: int
    lost: int
    seconds: float

    @property
    def acknowledged(self) -> int:
        """The requests that were answered with success."""
        return self.answered - self.refused

    @property
    def rate(self) -> float:
        """Acknowledged requests per second."""
        return self.acknowledged / self.seconds


def generator() -> str:
    """Name the load generator: wrk, or our own where wrk is not installed."""
    return "wrk" if shutil.which("wrk") else "bench.paced"


def press(url: str, requests: Path, seconds: float) -> Load:
    """Send the requests of a file over all connections. Raises LoadError when that fails."""
    command = _wrk if generator() == "wrk" else _own
    return read_load(_run(command(url, requests, seconds)))


def read_load(output: str) -> Load:
    """Return the figures of a generator's last words."""
    for line in output.splitlines():
        if line.startswith("RESULT "):
            return Load(**json.loads(line.removeprefix("RESULT ")))
    raise LoadError(f"The load generator gave no result:\n{output}")


def _wrk(url: str, requests: Path, seconds: float) -> list[str]:
    # One thread: it leaves the cores to what is measured.
    options = ["-t1", f"-c{CONNECTIONS}", f"-d{round(seconds + TAIL)}s", "--timeout", "10s"]
    return ["wrk", *options, "-s", str(SCRIPT), url, "--", str(requests), str(seconds)]


def _own(url: str, requests: Path, seconds: float) -> list[str]:
    return [sys.executable, "-m", "bench.paced", url, str(requests), str(seconds)]


def _run(command: list[str]) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)  # noqa: S603 (our own)
    if done.returncode != 0:
        raise LoadError(f"{command[0]} failed:\n{done.stdout}{done.stderr}")
    return done.stdout

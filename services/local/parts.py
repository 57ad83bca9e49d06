"""One part of the local stack: a process and how to know that it is there."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psycopg


def _nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The system user that a part runs as."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A process to run: for as long as the stack runs, or once.

    `after` names the parts that must be ready (or, run once, have finished) before the first
    start; `before` is called ahead of every start; `ready` says whether the part answers.
    """

    name: str
    command: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    once: bool = False
    before: Callable[[], None] = _nothing
    ready: Callable[[], bool] = lambda: True
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    grace: float = 5.0


def answers(url: str) -> Callable[[], bool]:
    """Make a check that passes when the URL is answered with anything but a server error."""

    # Made once, since it reads all certificates; what it asks may end at any time.
    http = httpx.Client(timeout=2, trust_env=False, headers={"Connection": "close"})

    def check() -> bool:
        try:
            return http.get(url).status_code < 500
        except httpx.TransportError:
            return False

    return check


def accepts_queries(database_url: str) -> Callable[[], bool]:
    """Make a check that passes when the database answers a query."""

    def check() -> bool:
        try:
            with psycopg.connect(database_url, connect_timeout=2) as connection:
                return connection.execute("select true").fetchone() == (True,)
        except psycopg.OperationalError:
            return False

    return check

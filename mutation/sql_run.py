"""Put each break into a running database, and see its test fail."""

from __future__ import annotations

import contextlib
import io
import re
import secrets
import signal
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mutation.mutants import WORK, MutationError
from services.local.checkout import ROOT
from services.local.stack import LocalStack, discard, discard_idle, local_stack, watched
from services.local.state import State, remove_tree
from tests.stack import never, unused_backend

_FUNCTION = re.compile(
    r"^create or replace function (?P<name>\S+?)\(.*?^\$\$;$", re.DOTALL | re.MULTILINE
)
# What the tests before have left would notice for those that come later.
EMPTY = """
truncate private.webhook_inbox, private.rejected_events, public.conversations,
    public.webhook_endpoints, private.outgoing_events, private.clock_jumps cascade
"""
STACKS = WORK / "sql"
BREAKS = Path(__file__).with_name("breaks.toml")
OPTIONS = (
    "--hypothesis-seed=0",
    "-p",
    "no:cacheprovider",
    # Sessions of one process: the second finds everything imported.
    "-W",
    "ignore:Module already imported:pytest.PytestAssertRewriteWarning",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """A text that stands once in a function, what it becomes, and the test that fails then."""

    function: str
    was: str
    becomes: str
    test: str


class RunningStack:
    """A pytest plugin: the fixture `stack` is this one, which goes on after the session."""

    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack
        self.failed: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> LocalStack | None:
        """Give our stack in place of a new one."""
        if fixturedef.argname != "stack":
            return None
        fixturedef.cached_result = (self._stack, fixturedef.cache_key(request), None)
        return self._stack

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember who failed."""
        if report.failed and report.when == "call":
            self.failed.append(report.nodeid)


def breaks() -> list[Break]:
    """Return what is to be broken."""
    return [Break(**told) for told in tomllib.loads(BREAKS.read_text())["break"]]


@contextmanager
def running_stack() -> Iterator[LocalStack]:
    """Start a stack for all breaks; it is gone afterwards, however they end."""
    discard_idle(STACKS)
    state = State(STACKS / secrets.token_hex(4))
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with local_stack(state, unused_backend(), pause=never) as stack, watched(stack):
            yield stack
    finally:
        discard(state)
        remove_tree(state.folder)
        signal.signal(signal.SIGTERM, previous)


def noticed_by(stack: LocalStack, one: Break) -> list[str]:
    """Return the tests that fail while a function is broken; it is whole again afterwards."""
    whole = definition(one.function)
    if whole.count(one.was) != 1:
        raise MutationError(
            f"{one.function} has {one.was!r} {whole.count(one.was)} times, not once."
        )
    with psycopg.connect(stack.database_url, autocommit=True) as db:
        db.execute(EMPTY)
        db.execute(whole.replace(one.was, one.becomes).encode())
        try:
            return failing(stack, one.test)
        finally:
            db.execute(whole.encode())


def failing(stack: LocalStack, test: str) -> list[str]:
    """Run a test and return who failed. Raises MutationError when it could not be run at all."""
    plugin = RunningStack(stack)
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        code = pytest.main(["-x", "-q", *OPTIONS, test], [plugin])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise MutationError(f"{test} could not be run.\n{output.getvalue()[-2000:]}")
    return plugin.failed


def definition(function: str) -> str:
    """Return the statement of sql/ that makes a function."""
    found = [made.group() for made in _made() if made["name"] == function]
    if len(found) != 1:
        raise MutationError(f"sql/ makes {function} {len(found)} times, not once.")
    return found[0]


@cache
def _made() -> tuple[re.Match[str], ...]:
    files = sorted((ROOT / "sql").glob("*.sql"))
    return tuple(made for file in files for made in _FUNCTION.finditer(file.read_text()))

"""A local Supabase for a run of the tests, apart from that of `make dev`; or one that is named.

The fixtures are imported by conftest.py: `stack` for the whole run, `db` for one test.
"""

from __future__ import annotations

import os
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import psycopg
import pytest

from services.local import application, checkout, processes
from services.local.backend import Backend
from services.local.dotenv import Address
from services.local.ports import HOST, free_port
from services.local.stack import LocalStack, discard, local_stack, watched
from services.local.state import State, remove_tree
from services.local.supervisor import Supervisor
from tests import project
from tests.secrecy import net
from tests.secrecy.known import KNOWN

TESTS = checkout.STATE / "tests"
MEASURED = "COVERAGE_PROCESS_CONFIG"
"""Set by coverage.py; a process says what it has covered when it ends by itself."""


@dataclass(slots=True)
class Service:
    """The web service, running in a process of its own."""

    url: str
    supervisor: Supervisor
    name: str

    @property
    def pid(self) -> int:
        """The process id of gunicorn's master."""
        return self.supervisor.pid(self.name)

    @property
    def log(self) -> str:
        """What the service has written last."""
        return self.supervisor.last_lines(self.name)

    def stop(self) -> None:
        """Stop the service with all its workers, which end what they are at."""
        self.supervisor.stop()

    def kill(self) -> None:
        """End the service with all its workers at once, as a test does that is through with it."""
        if MEASURED not in os.environ:
            state = self.supervisor.state
            processes.kill(processes.leftovers(state, None, [self.name]))
        self.supervisor.stop()


@pytest.fixture(name="stack", scope="session")
def _stack() -> Iterator[LocalStack]:
    """A stack of this run's own, gone afterwards however the run ends; or the project named."""
    state = State(TESTS / secrets.token_hex(4))
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with _running(state) as stack:
            yield stack
            net.check(stack)
    finally:
        discard(state)
        remove_tree(state.folder)
        signal.signal(signal.SIGTERM, previous)


@contextmanager
def _running(state: State) -> Iterator[LocalStack]:
    if project.is_asked_for():
        try:
            with project.project(state) as named:
                yield named
        except project.Refused as refused:
            pytest.exit(str(refused), returncode=pytest.ExitCode.USAGE_ERROR)
    else:
        with local_stack(state, unused_backend(), pause=never) as stack, watched(stack):
            yield stack


@pytest.fixture(name="db")
def _db(stack: LocalStack) -> Iterator[psycopg.Connection]:
    """The owner's connection to the stack's database; every statement commits."""
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        yield connection


def start_service(stack: LocalStack, **env: str) -> Service:
    """Start the web service against the stack on a free port, with these variables too.

    Returns when GET /health answers; raises LocalStackError with the log's end when it does not.
    """
    KNOWN.note(env)
    port = free_port()
    name = f"service-{port}"
    part = replace(application.service({**stack.env(), **env}, port), name=name, after=())
    state = State(stack.state.folder / name, owner=stack.state.id)
    state.create()
    supervisor = Supervisor([part], state)
    try:
        supervisor.start(never)
    except BaseException:
        supervisor.stop()
        raise
    return Service(f"http://{HOST}:{port}", supervisor, name)


def never(seconds: float) -> bool:
    """Wait that long; nothing asks to stop but an exception."""
    time.sleep(seconds)
    return False


def unused_backend() -> Backend:
    """Return addresses and keys that nobody else uses."""
    return Backend(
        gateway_port=free_port(),
        database=Address(user="postgres", password=secrets.token_hex(8), port=free_port()),
        publishable_key=f"sb_publishable_{secrets.token_urlsafe(16)}",
        secret_key=f"sb_secret_{secrets.token_urlsafe(16)}",
    )

"""Where is measured: a local Supabase of the run's own, and the services that run against it."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import psycopg

from bench import callbacks
from bench.callbacks import Conversation
from services.local import application, checkout
from services.local.parts import Part
from services.local.ports import HOST, free_port
from services.local.stack import LocalStack, discard, local_stack
from services.local.state import State, remove_tree
from services.local.supervisor import Supervisor
from tests.stack import never, unused_backend

STATES = checkout.STATE / "bench"
OURS = "app:create_app()"
ANSWERING = "bench.answering:create_app()"
TABLE_BY_TABLE = "bench.table_by_table:create_app()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A gunicorn with one of the applications."""

    port: int
    supervisor: Supervisor
    name: str

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self.port}"

    def workers(self) -> list[psutil.Process]:
        """Return gunicorn's worker processes."""
        return psutil.Process(self.supervisor.pid(self.name)).children()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A stack with conversations that may be spoken for."""

    stack: LocalStack
    signing_key: str
    conversations: list[Conversation]
    db: psycopg.Connection

    def requests(self, server: Server, run: str) -> Path:
        """Write the requests of one load on a server to a file and return it."""
        file = self.stack.state.folder / f"{run}.requests"
        host = f"{HOST}:{server.port}"
        made = callbacks.requests(self.conversations, run, host, self.signing_key)
        callbacks.write_requests(file, made)
        return file


@contextmanager
def place(tree: Path = checkout.ROOT) -> Iterator[Place]:
    """Run a stack of its own with a tree's schema; nothing of it is left afterwards."""
    state = State(STATES / secrets.token_hex(4))
    try:
        backend = replace(unused_backend(), project=tree)
        with local_stack(state, backend, pause=never) as stack, _connect(stack) as db:
            yield Place(
                stack=stack,
                signing_key=secrets.token_urlsafe(32),
                conversations=_known_conversations(db),
                db=db,
            )
    finally:
        discard(state)
        remove_tree(state.folder)


@contextmanager
def server(
    here: Place, app: str, tree: Path = checkout.ROOT, python: str = sys.executable
) -> Iterator[Server]:
    """Run one of a tree's applications behind its gunicorn, ready when entered."""
    port = free_port()
    name = f"{app.split(':')[0]}-{port}"
    proofs = {name: here.signing_key for name in ("CALLBACK_SIGNING_KEY", "STRIPE_WEBHOOK_SECRET")}
    env = {**here.stack.env(), **proofs, "WEB_CONCURRENCY": "1"}
    part = application.service(env, port, tree)
    part = replace(part, name=name, command=(python, *part.command[1:-1], app))
    with _running(here, part) as supervisor:
        yield Server(port=port, supervisor=supervisor, name=name)


@contextmanager
def worker(here: Place) -> Iterator[None]:
    """Run one `convohooks worker`, which may send webhooks to this machine."""
    with _running(here, application.worker({**here.stack.env(), "WEBHOOK_ALLOW_LOCAL": "1"})):
        yield


@contextmanager
def _running(here: Place, part: Part) -> Iterator[Supervisor]:
    state = State(here.stack.state.folder / part.name, owner=here.stack.state.id)
    state.create()
    supervisor = Supervisor([replace(part, after=())], state)
    try:
        supervisor.start(never)
        yield supervisor
    finally:
        supervisor.stop()


def _connect(stack: LocalStack) -> psycopg.Connection:
    return psycopg.connect(stack.database_url, autocommit=True)


def _known_conversations(db: psycopg.Connection) -> list[Conversation]:
    made = callbacks.conversations()
    with db.cursor() as cursor:
        cursor.executemany(
            "insert into public.conversations (id, conversation_id, status)"
            " values (%s, %s, 'active')",
            [(conversation.row_id, conversation.conversation_id) for conversation in made],
        )
    return made

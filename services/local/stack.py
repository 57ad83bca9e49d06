"""A running stand-in for Supabase, as `convohooks dev` and the tests use it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from services.local import migration, postgres, processes, schema, toolchain
from services.local.backend import Backend, bootstrap, parts
from services.local.parts import Part
from services.local.ports import require_free
from services.local.state import Pause, Secrets, State, hold, holder, remove_tree, wait_for
from services.local.supervisor import Report, Supervisor, silent

BUSY = "Another `convohooks dev` (process {pid}) runs in this checkout. Stop that one first."


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalStack:
    """What one needs to know of a running stand-in."""

    backend: Backend
    secrets: Secrets
    state: State
    cluster: postgres.Cluster
    supervisor: Supervisor

    @property
    def url(self) -> str:
        """The SUPABASE_URL of this stack."""
        return self.backend.url

    @property
    def database_url(self) -> str:
        """The superuser's way to the database."""
        return self.backend.database_url

    @property
    def publishable_key(self) -> str:
        """The key of browsers."""
        return self.backend.publishable_key

    @property
    def secret_key(self) -> str:
        """The key of the service."""
        return self.backend.secret_key

    @property
    def jwt_secret(self) -> str:
        """What the access tokens are signed with (HS256)."""
        return self.secrets.jwt_secret

    def env(self) -> dict[str, str]:
        """Return the variables under which the service finds this stack."""
        return {
            "SUPABASE_URL": self.url,
            "SUPABASE_PUBLISHABLE_KEY": self.publishable_key,
            "SUPABASE_SECRET_KEY": self.secret_key,
            "SUPABASE_JWT_SECRET": self.jwt_secret,
            "DATABASE_URL": self.database_url,
            "CONVOHOOKS_STATE": str(self.state.folder),
        }

    def empty_database(self, name: str) -> str:
        """Make a database as a new Supabase project has it, without our schema; return its URL."""
        url = self.backend.database_named(name)
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            target = sql.Identifier(name)
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(target))
            connection.execute(sql.SQL("create database {} template template0").format(target))
        processes.run(bootstrap(url, self.secrets))
        return url

    def follow_schema(self) -> bool:
        """Bring the database up to sql/ as it is now; return whether it was behind."""
        marker = self.cluster.home / "schema"
        # A start may have been stopped after this step, before the demo's rows were in.
        is_new = not self.is_seeded() and not marker.exists()
        files = migration.HERE.open_files()
        return schema.follow(self.database_url, files, marker, is_new=is_new)

    def is_seeded(self) -> bool:
        """Whether the demo's rows have been put into this database."""
        return self._seeded.exists()

    def mark_seeded(self) -> None:
        """Remember, for as long as the database lives, that the demo's rows are in it."""
        self._seeded.touch()

    @property
    def _seeded(self) -> Path:
        return self.cluster.home / "seeded"


@contextmanager
def local_stack(
    state: State,
    backend: Backend,
    *,
    pause: Pause,
    ports: Mapping[str, int] | None = None,
    beside: Callable[[LocalStack], Sequence[Part]] = lambda stack: (),
    report: Report = silent,
) -> Iterator[LocalStack]:
    """Run a stack, ready when entered and gone when left, however it is left.

    `ports` names the ports to be found free by the setting each comes from; `beside` gives the
    parts to run beside the stand-in. Raises LocalStackError when something is in the way and
    StopRequestedError when `pause` says so during the start.
    """
    state.create()
    with hold(state.folder / "lock", busy=BUSY):
        cluster = postgres.cluster(state)
        processes.end(processes.leftovers(state, cluster.data))
        require_free(ports or {})
        state.trim_logs()
        toolchain.install(state, pause, report)
        stack = _assemble(state, backend, cluster, beside, report)
        try:
            stack.supervisor.start(pause)
            yield stack
        finally:
            stack.supervisor.stop()


@contextmanager
def watched(stack: LocalStack) -> Iterator[None]:
    """Bring back what dies while this is entered, from a thread of its own."""
    done = threading.Event()
    thread = threading.Thread(target=stack.supervisor.watch, args=(done.wait,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def discard(state: State) -> None:
    """End what a stack has left running and remove its database, logs and secrets."""
    cluster = postgres.cluster(state)
    processes.end(processes.leftovers(state, cluster.data))
    postgres.remove(cluster)
    state.clear()


def discard_idle(folder: Path) -> None:
    """Discard every stack whose state lies in a folder below this one and that nobody runs."""
    # Of two that begin at once, the second would stumble over what the first removes.
    with wait_for(folder / "discard.lock", _patiently):
        for child in folder.glob("*/"):
            if holder(child / "lock") is None:
                discard(State(child))
                remove_tree(child)


def _patiently(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def _assemble(
    state: State,
    backend: Backend,
    cluster: postgres.Cluster,
    beside: Callable[[LocalStack], Sequence[Part]],
    report: Report,
) -> LocalStack:
    if state.is_new:
        # A cluster from before the secrets were removed knows other passwords.
        postgres.remove(cluster)
    postgres.prepare(cluster)
    secrets = state.secrets()
    supervisor = Supervisor(parts(backend, cluster, secrets), state, cluster.data, report)
    stack = LocalStack(
        backend=backend, secrets=secrets, state=state, cluster=cluster, supervisor=supervisor
    )
    supervisor.add(beside(stack))
    return stack

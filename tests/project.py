"""A Supabase that is there already, for a run of the tests: a hosted project, or `supabase start`.

`CONVOHOOKS_TEST_PROJECT` names it once more, as its ref or its URL, so that nobody empties a
project because its keys happened to lie in the environment. See docs/hosted.md.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from services.local import postgres
from services.local.backend import Backend
from services.local.dotenv import Address
from services.local.stack import LocalStack
from services.local.state import Secrets, State, hold
from services.local.supervisor import Supervisor
from services.schema_version import SCHEMA_VERSION

NAME = "CONVOHOOKS_TEST_PROJECT"
NEEDED = ("SUPABASE_URL", "SUPABASE_SECRET_KEY", "SUPABASE_PUBLISHABLE_KEY", "DATABASE_URL")
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
LOCK = 0x636F6E766F
"""Of Postgres: who runs the tests in a database holds it."""
SEED = "5eed0000-0000-4000-8000-%"
"""The ids of the demo's rows, which `supabase start` puts into its database."""

MARK = "create schema if not exists convohooks_tests"
IS_MARKED = "select to_regnamespace('convohooks_tests') is not null"
VERSION = "select obj_description(to_regprocedure('public.describe_schema()'), 'pg_proc')"
TABLES = """
    select n.nspname, c.relname
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('public', 'private') and c.relkind in ('r', 'p')
        and c.oid <> all(array['private.record_tables'::regclass, 'private.readiness'::regclass])
    order by 1, 2
"""
HAS_ID = """
    select 1 from information_schema.columns
    where table_schema = %s and table_name = %s and column_name = 'id'
"""
# Names that are nobody's: https://www.rfc-editor.org/rfc/rfc2606
STRANGERS = r"""
    select count(*) from auth.users
    where email !~ '@([a-z]+\.)*example(\.[a-z]+)?$' or coalesce(phone, '') <> ''
"""
PEOPLE = "delete from auth.users"


class Refused(Exception):
    """The tests may not have the project that is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectBackend(Backend):
    """Where a project is, which need not be this machine."""

    address: str
    database_address: str

    @property
    def url(self) -> str:
        """What clients know as SUPABASE_URL."""
        return self.address

    @property
    def database_url(self) -> str:
        """The way to the database as its owner."""
        return self.database_address


def is_asked_for(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the tests are to use a project instead of a stack of their own."""
    return bool(environ.get(NAME))


def is_near(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether it answers by plain HTTP on this machine."""
    parts = urlsplit(environ.get("SUPABASE_URL", ""))
    return parts.scheme == "http" and parts.hostname in LOOPBACK


@contextmanager
def project(state: State, environ: Mapping[str, str] = os.environ) -> Iterator[LocalStack]:
    """Take the named project for as long as this is entered, emptied of what tests have left.

    Raises Refused when it is not clear that the tests may have it.
    """
    stack = _stack(state, environ)
    state.create()
    # Unless it is held, the next run of tests takes the folder and what runs there for a leftover.
    with (
        hold(state.folder / "lock", busy="Tests run here already."),
        psycopg.connect(stack.database_url, autocommit=True) as db,
    ):
        _require(_first(db, "select pg_try_advisory_lock(%s)", [LOCK]), "other tests run in it now")
        claim(db)
        yield stack


def claim(db: psycopg.Connection) -> None:
    """Empty the database if everything in it is the tests', mark it as theirs; else refuse."""
    version = _first(db, VERSION)
    _require(
        version == SCHEMA_VERSION,
        f"its schema is {version}, the code is for {SCHEMA_VERSION}: push the migrations",
    )
    _require(not _first(db, STRANGERS), "it has accounts of others than the tests' (at example.…)")
    tables: list[tuple[str, str]] = db.execute(TABLES).fetchall()
    if not _first(db, IS_MARKED):
        full = [".".join(table) for table in tables if _holds_rows(db, table)]
        _require(not full, f"it has rows that are not the tests', in {', '.join(full)}")
        db.execute(MARK)
    names = sql.SQL(", ").join(sql.Identifier(*table) for table in tables)
    db.execute(sql.SQL("truncate {} restart identity cascade").format(names))
    db.execute(PEOPLE)


def _stack(state: State, environ: Mapping[str, str]) -> LocalStack:
    missing = [name for name in NEEDED if not environ.get(name)]
    _require(not missing, f"{', '.join(missing)} must be set too")
    url, wanted = environ["SUPABASE_URL"].rstrip("/"), environ[NAME].rstrip("/")
    is_named = wanted in (url, (urlsplit(url).hostname or "").removesuffix(".supabase.co"))
    _require(is_named, f"{NAME} is {wanted}, SUPABASE_URL is {url}")
    secrets = Secrets(
        jwt_secret=environ.get("SUPABASE_JWT_SECRET", ""),
        authenticator_password="",
        demo_password="",
    )
    backend = ProjectBackend(
        address=url,
        database_address=environ["DATABASE_URL"],
        gateway_port=urlsplit(url).port or 443,
        database=Address(user="", password="", port=0),
        publishable_key=environ["SUPABASE_PUBLISHABLE_KEY"],
        secret_key=environ["SUPABASE_SECRET_KEY"],
    )
    return LocalStack(
        backend=backend,
        secrets=secrets,
        state=state,
        cluster=postgres.Cluster(programs=Path(), home=state.folder, account=None),
        supervisor=Supervisor([], state),
    )


def _holds_rows(db: psycopg.Connection, table: tuple[str, str]) -> bool:
    """Whether there is a row, but for those of the demo."""
    is_seed: sql.Composable = sql.SQL("true")
    if db.execute(HAS_ID, table).fetchone():
        is_seed = sql.SQL("t.id::text not like {}").format(sql.Literal(SEED))
    query = sql.SQL("select exists (select from {} t where {})")
    return bool(_first(db, query.format(sql.Identifier(*table), is_seed)))


def _first(db: psycopg.Connection, query: Any, values: Sequence[object] | None = None) -> object:
    row = db.execute(query, values).fetchone()
    return row[0] if row else None


def _require(is_so: object, problem: str) -> None:
    if not is_so:
        raise Refused(f"The tests do not take the project of {NAME}: {problem}.")

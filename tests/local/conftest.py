"""Visitors of the local stack and a table of their own."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from services.local.stack import LocalStack
from tests.local.phoenix import PATIENCE

TABLE = """
create table public.{table} (
    id bigint generated always as identity primary key,
    owner uuid,
    room text,
    size int,
    hidden text,
    body jsonb
);
alter table public.{table} enable row level security;
grant select (id, owner, room, size, body) on public.{table} to authenticated;
grant select, insert, update, delete on public.{table} to service_role;
create policy own on public.{table} for select to authenticated using (owner = (select auth.uid()));
alter publication supabase_realtime add table public.{table};
notify pgrst, 'reload schema';
"""


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person who is signed in."""

    id: str
    token: str
    refresh_token: str


@dataclass(frozen=True, slots=True)
class Table:
    """A published table that shows each person only their own rows."""

    name: str
    db: psycopg.Connection

    def insert(self, **values: Any) -> int:
        """Store a row and return its id."""
        names = sql.SQL(", ").join(map(sql.Identifier, values))
        places = sql.SQL(", ").join(map(sql.Placeholder, values))
        table = sql.Identifier("public", self.name)
        query = sql.SQL("insert into {} ({}) values ({}) returning id").format(table, names, places)
        stored = {name: Jsonb(v) if isinstance(v, dict) else v for name, v in values.items()}
        row = self.db.execute(query, stored).fetchone()
        assert row is not None
        return int(row[0])


@pytest.fixture(name="api")
def _api(stack: LocalStack) -> Iterator[httpx.Client]:
    """An HTTP client of the gateway that sends the publishable key."""
    headers = {"apikey": stack.publishable_key}
    with httpx.Client(base_url=stack.url, headers=headers, timeout=PATIENCE) as client:
        yield client


@pytest.fixture(name="visit")
def _visit(api: httpx.Client) -> Callable[[], Visitor]:
    """Sign in another anonymous visitor."""
    return lambda: visitor(api.post("/auth/v1/signup", json={"data": {}}))


@pytest.fixture(name="forge")
def _forge(stack: LocalStack) -> Callable[..., str]:
    """Sign a token with the project's own secret."""
    return lambda **claims: jwt.encode(claims, stack.jwt_secret, "HS256")


@pytest.fixture(name="table")
def _table(stack: LocalStack) -> Iterator[Table]:
    """A table that lives as long as the test."""
    name = f"things_{secrets.token_hex(4)}"
    with psycopg.connect(stack.database_url, autocommit=True) as db:
        db.execute(sql.SQL(TABLE).format(table=sql.Identifier(name)))
        yield Table(name, db)
        db.execute(sql.SQL("drop table public.{}").format(sql.Identifier(name)))


def visitor(answer: httpx.Response) -> Visitor:
    """Read a session from an answer of /auth/v1."""
    body = answer.raise_for_status().json()
    return Visitor(body["user"]["id"], body["access_token"], body["refresh_token"])

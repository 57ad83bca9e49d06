"""The owner of a hosted project's database is no superuser; the schema is made by such a one."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from tests.database.catalog import catalog
from tests.database.conftest import MakeDatabase
from tests.database.schema import apply_sources
from tests.database.test_migrations import _browsers_grants

# What `postgres` of a hosted project may, and no more.
RIGHTS = (
    "grant anon, authenticated, service_role to {owner}",
    "grant create, connect, temporary on database {database} to {owner}",
    "grant usage on schema auth to {owner}",
    "grant all on all tables in schema auth to {owner}",
    "grant execute on all functions in schema auth to {owner}",
    "alter schema public owner to {owner}",
    "alter publication supabase_realtime owner to {owner}",
)


@pytest.fixture(name="owned")
def _owned(new_database: MakeDatabase) -> Iterator[str]:
    """A database of a new project, as its owner without the rights of a superuser enters it."""
    url, owner = new_database(), f"owner_{secrets.token_hex(4)}"
    names = {"owner": sql.Identifier(owner), "database": sql.Identifier(url.rpartition("/")[2])}
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(sql.SQL("create role {owner} createrole bypassrls").format(**names))
        for right in RIGHTS:
            db.execute(sql.SQL(right).format(**names))
        yield f"{url}?options={quote(f'-crole={owner}')}"
        db.execute(sql.SQL("reassign owned by {owner} to postgres").format(**names))
        db.execute(sql.SQL("drop owned by {owner}").format(**names))
        db.execute(sql.SQL("drop role {owner}").format(**names))


def test_owner_without_the_rights_of_a_superuser_makes_the_same(owned: str, sourced: str) -> None:
    apply_sources(owned)
    apply_sources(owned)

    made, wanted = catalog(owned), catalog(sourced)

    assert [name for name in wanted if made[name] != wanted[name]] == ["grants"]
    assert _browsers_grants(owned) == _browsers_grants(sourced)

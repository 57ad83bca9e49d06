"""Where in the database a text stands: every column that can hold one is looked through."""

from __future__ import annotations

import psycopg
from psycopg import sql

COLUMNS = """
    select c.oid::regclass::text, a.attname, format_type(a.atttypid, null)
    from pg_class c join pg_attribute a on a.attrelid = c.oid
    where c.relkind = 'r' and c.relnamespace::regnamespace::text in ('public', 'private')
        and a.attnum > 0 and not a.attisdropped
    order by 1, 2
"""


def columns(db: psycopg.Connection) -> list[tuple[str, str, str]]:
    """Return table, column and type of all that our schemas have."""
    return [(table, column, kind) for table, column, kind in db.execute(COLUMNS).fetchall()]


def traces(db: psycopg.Connection, *texts: str) -> dict[str, int]:
    """Return how many values of which column hold one of these texts, in any case."""
    found = {}
    for table, column, kind in columns(db):
        name = sql.Identifier(column)
        told = sql.SQL("encode({}, 'escape')" if kind == "bytea" else "{}::text").format(name)
        query = sql.SQL(
            "select count(*) from {} where exists ("
            "select from unnest(%s::text[]) t where strpos(lower({}), lower(t)) > 0)"
        )
        held = db.execute(
            query.format(sql.SQL(table), told),
            [list(texts)],  # type: ignore[arg-type]
        ).fetchone()
        if held and held[0]:
            found[f"{table}.{column}"] = int(held[0])
    return found


def everything(db: psycopg.Connection, *without: str) -> dict[str, list[str]]:
    """Return every row of every table of ours, as text, but for the tables named."""
    tables = sorted({table for table, _, _ in columns(db)} - set(without))
    return {
        table: sorted(
            row[0]
            for row in db.execute(sql.SQL("select t::text from {} t").format(sql.SQL(table)))  # type: ignore[arg-type]
        )
        for table in tables
    }

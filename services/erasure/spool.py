"""Takes a person's events out of this host's spool, those that were given up too."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

from services.erasure.search import Plan
from services.erasure.subject import body_of, is_any_named
from services.outage.spool import Spool

TABLES = ("spooled", "unsendable")


def count(spool: Spool, plan: Plan) -> int:
    """Return how many events of the person wait there. Raises SpoolBroken, like `erase`."""
    return spool.transact(lambda db: sum(1 for _ in _found(db, plan)))


def erase(spool: Spool, plan: Plan) -> int:
    """Delete them, and overwrite where they stood; return how many there were."""

    def delete(db: sqlite3.Connection) -> int:
        found = list(_found(db, plan))
        db.execute("pragma secure_delete = on")
        for table, row_id in found:
            db.execute(f"delete from {table} where id = ?", (row_id,))  # noqa: S608 (of our own tables)
        return len(found)

    return spool.transact(delete)


def _found(db: sqlite3.Connection, plan: Plan) -> Iterator[tuple[str, int]]:
    for table in TABLES:
        for row_id, text in db.execute(f"select id, row from {table} order by id"):  # noqa: S608 (of our own tables)
            if _is_theirs(json.loads(text), plan):
                yield table, row_id


def _is_theirs(row: Mapping[str, Any], plan: Plan) -> bool:
    known = {name: row.get(name) for name in ("conversation_id", "source")}
    if plan.has({**known, "ref": row.get("conversation_ref")}):
        return True
    # Names that say little by themselves are names in columns of the database alone.
    named = [one for one in plan.subjects if one.kind != "column"]
    return is_any_named(named, {**row, "body": body_of(row.get("body", ""))})

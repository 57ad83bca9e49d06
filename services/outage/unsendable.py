"""Rows of the spool that Supabase would not store: look at them, send them again, drop them."""

from __future__ import annotations

import json
import sqlite3
from base64 import b64decode
from dataclasses import dataclass

from services.outage.spool import Row, Spool


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsendable:
    """A row that was given up, and why."""

    id: int
    error: str
    row: Row

    @property
    def kind(self) -> str:
        """The event's type; `rejected` for a call that nobody could read."""
        return str(self.row.get("event_type") or "rejected")

    @property
    def body(self) -> str:
        """What came, as text; tokens in it were overwritten before it was spooled."""
        return b64decode(self.row.get("body") or "").decode(errors="replace")


def list_rows(spool: Spool, most: int) -> list[Unsendable]:
    """Return the oldest rows. Raises SpoolBroken, like the functions below."""
    query = "select id, error, row from unsendable order by id limit ?"
    found = spool.transact(lambda db: db.execute(query, (most,)).fetchall())
    return [_read(*columns) for columns in found]


def find_row(spool: Spool, row_id: int) -> Unsendable | None:
    """Return one row, or None."""
    query = "select id, error, row from unsendable where id = ?"
    found = spool.transact(lambda db: db.execute(query, (row_id,)).fetchone())
    return _read(*found) if found else None


def retry(spool: Spool, row_id: int | None = None) -> int:
    """Have one row, or all, sent again by whoever drains the spool; return how many."""

    def move(db: sqlite3.Connection) -> int:
        chosen = "where ?1 is null or id = ?1"
        db.execute(f"insert into spooled (row) select row from unsendable {chosen}", (row_id,))  # noqa: S608 (a constant)
        return db.execute(f"delete from unsendable {chosen}", (row_id,)).rowcount  # noqa: S608 (a constant)

    return spool.transact(move)


def discard(spool: Spool, row_id: int) -> int:
    """Forget one row for good; return how many there were of it."""
    statement = "delete from unsendable where id = ?"
    return spool.transact(lambda db: db.execute(statement, (row_id,)).rowcount)


def _read(row_id: int, error: str, text: str) -> Unsendable:
    return Unsendable(id=row_id, error=error, row=json.loads(text))

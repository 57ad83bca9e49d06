"""Keeps each webhook once, and handles it after it was answered.

A table of your own database and your own job queue do the same.
"""

import json
import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

TABLE = """
create table if not exists inbox (
    webhook_id text primary key,
    body blob not null,
    due integer default 0 -- null once it is handled
)
"""
KEEP = "insert into inbox (webhook_id, body) values (?, ?) on conflict do nothing"
# Who takes a webhook has ten minutes to handle it. If that fails it is taken again then.
TAKE = """
update inbox set due = unixepoch() + 600 where webhook_id = (
    select webhook_id from inbox where due <= unixepoch() order by due, rowid limit 1
) returning webhook_id, body
"""
DONE = "update inbox set due = null where webhook_id = ?"


class Inbox:
    """A table of webhooks, and the thread that handles what is new in it."""

    def __init__(self, path: str, handle: Callable[[str, Any], None]) -> None:
        self._path = path
        self._handle = handle
        self._news = threading.Event()
        self._execute(TABLE)
        threading.Thread(target=self._work, daemon=True).start()

    def keep(self, webhook_id: str, body: bytes) -> None:
        """Store a webhook, unless it is there; it is handled soon."""
        self._execute(KEEP, webhook_id, body)
        self._news.set()

    def _work(self) -> None:
        while True:
            try:
                for webhook_id, body in iter(self._take, None):
                    self._try(webhook_id, body)
            except sqlite3.Error:
                logging.exception("the inbox cannot be read")
            self._news.wait(60)
            self._news.clear()

    def _take(self) -> tuple[str, bytes] | None:
        taken = self._execute(TAKE)
        return taken[0] if taken else None

    def _try(self, webhook_id: str, body: bytes) -> None:
        try:
            self._handle(webhook_id, json.loads(body))
            self._execute(DONE, webhook_id)
        except Exception:
            logging.exception("%s failed and is tried again in ten minutes", webhook_id)

    def _execute(self, statement: str, *values: str | bytes) -> list[Any]:
        with closing(sqlite3.connect(self._path)) as database, database:
            return database.execute(statement, values).fetchall()

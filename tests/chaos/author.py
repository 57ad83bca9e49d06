"""Somebody who adds messages to a conversation, goes on with them, and takes some of them back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeVar

import psycopg
from psycopg.types.json import Jsonb

CONVERSATION = "c-author"
PACE = 0.4
"""Seconds between two messages."""
TAKEN_BACK = "Taken back"
"""How messages begin whose transaction is rolled back."""
NAME_CONVERSATION = """
insert into public.conversations (conversation_id, user_id) select %(name)s, %(owner)s
where not exists (select from public.conversations c where c.conversation_id = %(name)s)
"""
FIND_CONVERSATION = "select id::text from public.conversations where conversation_id = %s"
ADD = "select public.add_message(%s, %s, %s)"
CHANGE = "select public.change_message(%s, %s, %s, %s)"

Db = psycopg.Connection
Done = TypeVar("Done")


@dataclass(slots=True)
class Author:
    """Writes until stopped, each step again until it is committed; remembers what was."""

    database_url: str
    owner: str
    stopped: threading.Event
    written: set[tuple[str, str]] = field(default_factory=set)
    """The content and status of messages."""

    def run(self) -> None:
        """Write."""
        conversation = self._until_committed(self._conversation)
        for n in count():
            if self.stopped.wait(PACE) or conversation is None:
                return
            self._write(conversation, n)

    def _write(self, conversation: str, n: int) -> None:
        """Add a message, after one that was taken back; of two one is processed by and by."""
        content = f"Note {n}."
        self._until_committed(lambda db: self._take_back(db, conversation, n))
        row = self._until_committed(lambda db: self._add(db, conversation, content, n))
        if row is None:
            return
        self.written.add((content, "RECEIVED"))
        change = Jsonb({"status": "PROCESSED", "updated_by": self.owner})
        given = [self.owner, conversation, row["id"], change]
        if n % 2 and self._until_committed(lambda db: _value(db, CHANGE, given)):
            self.written.add((content, "PROCESSED"))

    def _add(self, db: Db, conversation: str, content: str, n: int) -> dict[str, Any]:
        message = {"message_id": f"api:{n}", "content": content, "type": "USER_INPUT"}
        added = _value(db, ADD, [self.owner, conversation, Jsonb(message)])
        return dict(added["row"])

    def _take_back(self, db: Db, conversation: str, n: int) -> None:
        with db.transaction(force_rollback=True):
            self._add(db, conversation, f"{TAKEN_BACK} {n}.", n)

    def _conversation(self, db: Db) -> str:
        db.execute(NAME_CONVERSATION, {"name": CONVERSATION, "owner": self.owner})
        return str(_value(db, FIND_CONVERSATION, [CONVERSATION]))

    def _until_committed(self, work: Callable[[Db], Done]) -> Done | None:
        """Do something in a transaction, again until it is committed; None once stopped."""
        while not self.stopped.is_set():
            with (
                suppress(psycopg.Error),
                psycopg.connect(self.database_url, connect_timeout=2) as db,
            ):
                done = work(db)
                db.commit()
                return done
            self.stopped.wait(0.5)
        return None


def _value(db: Db, query: str, given: list[Any]) -> Any:
    row = db.execute(query, given).fetchone()
    return row[0] if row else None

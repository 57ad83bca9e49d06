"""Messages that people add to their conversations, and what becomes of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from services.conversations.owned import NO_CONVERSATION, find_own
from services.database import Database
from services.errors import Conflict, NotFound, Unprocessable
from services.outgoing.message_request import MessageChange, NewMessage
from services.outgoing.store import OutgoingStore
from services.people import Person

# What of a message never changes: a key that comes with another of these names another message.
LASTING = ("content", "content_type", "type", "channel", "filename", "metadata")

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Messages:
    """Adds messages, and says what became of them; `told_id` is any id of a conversation."""

    database: Database
    store: OutgoingStore

    def add(
        self, person: Person, told_id: str, wanted: NewMessage, key: str | None
    ) -> tuple[Row, bool]:
        """Add a message, or find the one of the same `key`; return it, and whether it is new.

        Raises NotFound, Conflict (its sender has not named the conversation yet), Unprocessable,
        Unavailable.
        """
        conversation = find_own(self.database, person, told_id)
        author = wanted.created_by or str(person.id)
        message = {
            **wanted.model_dump(),
            "created_by": author,
            "message_id": f"api:{key or uuid4()}",
        }
        told = self.store.add_message(str(person.id), conversation["id"], message)
        if told is None:
            raise NotFound(NO_CONVERSATION)
        if told["outcome"] == "unplaced":
            raise Conflict("The conversation has not begun yet; send the message again.")
        row: Row = told["row"]
        is_new = told["outcome"] == "new"
        if not is_new and not _is_same(row, message):
            raise Unprocessable("Idempotency-Key: It was used for another message.")
        return row, is_new

    def change(self, person: Person, told_id: str, message_id: str, change: MessageChange) -> Row:
        """Say what became of an added message; return it. Raises NotFound, Unavailable."""
        conversation = find_own(self.database, person, told_id)
        told = {**change.model_dump(), "updated_by": str(person.id)}
        row = self.store.change_message(str(person.id), conversation["id"], message_id, told)
        if row is None:
            raise NotFound("There is no such message that was added to this conversation.")
        return row


def _is_same(row: Row, message: Row) -> bool:
    return all(_plain(row.get(name)) == _plain(message[name]) for name in LASTING)


def _plain(value: Any) -> Any:
    """Return a value with all its numbers as doubles: Postgres writes 1e23 as a whole number."""
    return json.loads(json.dumps(value), parse_int=float)

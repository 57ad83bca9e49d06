"""Which conversation an id in an address means: the sender's id of it, or our row's."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.database import Database, execute
from services.errors import NotFound
from services.people import Person
from services.validation import storable

LONGEST_ID = 255
NO_CONVERSATION = "There is no such conversation of yours."

Row = dict[str, Any]


def find_conversation(rows: Any, told_id: str) -> Row:
    """Return the one among some rows of `conversations` that an id names, the sender's id first.

    Raises NotFound, for other people's too: `rows` are what the asker may read.
    """
    if storable(told_id) == told_id and len(told_id) <= LONGEST_ID:
        found = (
            rows.or_(f"conversation_id.eq.{told_id},id.eq.{told_id}")
            if _is_uuid(told_id)
            else rows.eq("conversation_id", told_id)
        )
        for row in sorted(execute(found).data, key=lambda row: row["conversation_id"] != told_id):
            return dict(row)
    raise NotFound(NO_CONVERSATION)


def find_own(database: Database, person: Person, told_id: str) -> Row:
    """Return {id, conversation_id} of a person's own conversation that an id names.

    An admin reads every conversation, but acts only for themselves. Raises NotFound, Unavailable.
    """
    rows = database.as_person(person.token).from_("conversations").select("id,conversation_id")
    return find_conversation(rows.eq("user_id", str(person.id)), told_id)


def _is_uuid(told_id: str) -> bool:
    try:
        return str(UUID(told_id)) == told_id.lower()
    except ValueError:
        return False

"""Which conversation an id in an address means: the sender's id of it, or our row's."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.database import execute
from services.errors import NotFound
from services.validation import storable

LONGEST_ID = 255

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
    raise NotFound("There is no such conversation of yours.")


def _is_uuid(told_id: str) -> bool:
    try:
        return str(UUID(told_id)) == told_id.lower()
    except ValueError:
        return False

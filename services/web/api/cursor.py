"""A place in a list that is read newest first."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel


class Cursor(BaseModel):
    """A time, and within it a row's id: `<time>`, `<time>,<id>`, or `,<id>` after the last time.

    Rows from before this schema may have no time; they come last.
    """

    at: datetime | None = None
    id: UUID | None = None

    @classmethod
    def read(cls, text: str) -> Cursor:
        """Return the cursor that a text names. Raises ValidationError."""
        # A plus sign that was not encoded arrives as a space.
        at, _, row_id = text.replace(" ", "+").partition(",")
        return cls.model_validate({"at": at or None, "id": row_id or None})

    @classmethod
    def of(cls, at: datetime | None, row_id: UUID) -> str:
        """Return the text that names the place of a row."""
        return f"{at.isoformat().replace('+00:00', 'Z') if at else ''},{row_id}"

    def filter(self, column: str) -> str:
        """Return PostgREST's condition for what comes after this place, by a column of times."""
        if self.at is None:
            return f"and({column}.is.null,id.lt.{self.id})" if self.id else f"{column}.is.null"
        later = f'{column}.lt."{self.at.isoformat()}",{column}.is.null'
        if self.id is None:
            return later
        return f'{later},and({column}.eq."{self.at.isoformat()}",id.lt.{self.id})'


def read_cursor(value: Any) -> Any:
    """Return the cursor of a parameter, for a model that checks it."""
    return Cursor.read(value) if isinstance(value, str) else value

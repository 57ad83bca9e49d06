"""Lists that are read newest first, page by page."""

from __future__ import annotations

from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from services.database import execute
from services.validation import Moment

Row = TypeVar("Row", bound=BaseModel)


class Cursor(BaseModel):
    """A time, and within it a row's id: `<time>`, `<time>,<id>`, or `,<id>` after the last time.

    Rows from before this schema may have no time; they come last.
    """

    at: Moment | None = None
    id: UUID | None = None

    @classmethod
    def read(cls, text: str) -> Cursor:
        """Return the cursor that a text names. Raises ValidationError."""
        # A plus sign that was not encoded arrives as a space.
        at, _, row_id = text.replace(" ", "+").partition(",")
        return cls.model_validate({"at": at or None, "id": row_id or None})

    @classmethod
    def of(cls, row: dict[str, Any], column: str) -> str:
        """Return the text that names the place of a row, by a column of times."""
        return f"{(row[column] or '').replace('+00:00', 'Z')},{row['id']}"

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


Place = Annotated[
    Cursor | None,
    BeforeValidator(read_cursor),
    WithJsonSchema({"type": "string", "description": "The `next` of the page ahead."}),
]


class Page(BaseModel, Generic[Row]):
    """A page of a list, newest first; `next` is null on the last."""

    data: list[Row]
    next: str | None


class PageQuery(BaseModel):
    """What may be asked of a list: `before` is the `next` of the page ahead.

    An unknown parameter is refused: it would silently not filter.
    """

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=50, ge=1, le=200)
    before: Place = None


def read_page(
    rows: Any, query: PageQuery, page: type[Page[Row]], column: str = "created_at"
) -> Page[Row]:
    """Return a page of rows, newest first by a column of times."""
    if query.before is not None:
        rows = rows.or_(query.before.filter(column))
    rows = rows.order(column, desc=True, nullsfirst=False).order("id", desc=True)
    found = execute(rows.limit(query.limit + 1)).data
    data = found[: query.limit]
    following = Cursor.of(data[-1], column) if len(found) > len(data) else None
    return page.model_validate({"data": data, "next": following})

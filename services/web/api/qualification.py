"""GET /api/qualification-data: what a person's conversations found out, newest first."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Blueprint, request
from pydantic import BaseModel, ConfigDict, Field, field_validator

from services.database import execute
from services.web.api.arguments import read
from services.wiring import Services

COLUMNS = (
    "id,conversation_id,objective_name,event_type,first_name,last_name,email,position,"
    "output_variables,version,received_at,updated_at"
)


class Cursor(BaseModel):
    """A place in the list: a time, and within it an id. Written `<time>` or `<time>,<id>`."""

    received_at: datetime
    id: UUID | None = None

    @classmethod
    def read(cls, text: str) -> Cursor:
        """Return the cursor that a text names. Raises ValidationError."""
        # A plus sign that was not encoded arrives as a space.
        received_at, _, row_id = text.replace(" ", "+").partition(",")
        return cls.model_validate({"received_at": received_at, "id": row_id or None})

    def filter(self) -> str:
        """Return PostgREST's condition for what comes after this place."""
        at = self.received_at.isoformat()
        if self.id is None:
            return f'received_at.lt."{at}"'
        return f'received_at.lt."{at}",and(received_at.eq."{at}",id.lt.{self.id})'


class Query(BaseModel):
    """What may be asked. An unknown parameter is refused: it would silently not filter."""

    model_config = ConfigDict(extra="forbid")

    conversation_id: str | None = Field(default=None, min_length=1, max_length=255)
    limit: int = Field(default=50, ge=1, le=200)
    before: Cursor | None = None

    @field_validator("before", mode="before")
    @classmethod
    def _read_cursor(cls, value: Any) -> Cursor | None:
        return Cursor.read(value) if isinstance(value, str) else value


class Qualification(BaseModel):
    """A row of `qualification_data`."""

    id: UUID
    conversation_id: str
    objective_name: str
    event_type: str
    first_name: str | None
    last_name: str | None
    email: str | None
    position: str | None
    output_variables: dict[str, Any] | None
    version: int | None
    received_at: datetime
    updated_at: datetime | None


class Page(BaseModel):
    """A page of rows; `next` is the `before` of the next page, null on the last."""

    data: list[Qualification]
    next: str | None


def blueprint(services: Services) -> Blueprint:
    """Return the route."""
    routes = Blueprint("qualification", __name__)

    @routes.get("/api/qualification-data")
    def qualification_data() -> dict[str, object]:
        person = services.people.person(request.headers.get("Authorization"))
        query = read(Query, request.args.to_dict(flat=True))
        reads = services.database.as_person(person.token).from_("qualification_data")
        rows = reads.select(COLUMNS)
        if query.conversation_id is not None:
            rows = rows.eq("conversation_id", query.conversation_id)
        if query.before is not None:
            rows = rows.or_(query.before.filter())
        rows = rows.order("received_at", desc=True).order("id", desc=True).limit(query.limit + 1)
        return _page(execute(rows).data, query.limit).model_dump(mode="json")

    return routes


def _page(rows: list[dict[str, Any]], limit: int) -> Page:
    data = [Qualification.model_validate(row) for row in rows[:limit]]
    if len(rows) <= limit:
        return Page(data=data, next=None)
    received_at = data[-1].received_at.isoformat().replace("+00:00", "Z")
    return Page(data=data, next=f"{received_at},{data[-1].id}")

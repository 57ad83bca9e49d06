"""GET /api/qualification-data: what a person's conversations found out, newest first."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from flask import Blueprint, request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from services.database import execute
from services.web.api.arguments import read
from services.web.api.cursor import Cursor, read_cursor
from services.wiring import Services

COLUMNS = (
    "id,conversation_id,objective_name,event_type,first_name,last_name,email,position,"
    "output_variables,version,received_at,updated_at"
)


class Query(BaseModel):
    """What may be asked. An unknown parameter is refused: it would silently not filter."""

    model_config = ConfigDict(extra="forbid")

    conversation_id: str | None = Field(default=None, min_length=1, max_length=255)
    limit: int = Field(default=50, ge=1, le=200)
    before: Annotated[Cursor | None, BeforeValidator(read_cursor)] = None


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
            rows = rows.or_(query.before.filter("received_at"))
        rows = (
            rows.order("received_at", desc=True, nullsfirst=False)
            .order("id", desc=True)
            .limit(query.limit + 1)
        )
        return _page(execute(rows).data, query.limit).model_dump(mode="json")

    return routes


def _page(rows: list[dict[str, Any]], limit: int) -> Page:
    data = [Qualification.model_validate(row) for row in rows[:limit]]
    if len(rows) <= limit:
        return Page(data=data, next=None)
    return Page(data=data, next=Cursor.of(data[-1].received_at, data[-1].id))

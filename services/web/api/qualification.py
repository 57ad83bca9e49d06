"""GET /api/qualification-data: what a person's conversations found out, newest first."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Blueprint
from pydantic import BaseModel

from services.people import Person
from services.validation import Sought
from services.web.api.cursor import Page, PageQuery, read_page
from services.web.api.declared import declared
from services.wiring.web import Services

COLUMNS = (
    "id,conversation_id,objective_name,event_type,first_name,last_name,email,position,"
    "output_variables,version,received_at,updated_at"
)


class QualificationQuery(PageQuery):
    """What may be asked."""

    conversation_id: Sought | None = None


class Qualification(BaseModel):
    """A row of `qualification_data`; one from before this schema may lack anything but its id."""

    id: UUID
    conversation_id: str | None
    objective_name: str | None
    event_type: str | None
    first_name: str | None
    last_name: str | None
    email: str | None
    position: str | None
    output_variables: Any
    version: int | None
    received_at: datetime | None
    updated_at: datetime | None


def blueprint(services: Services) -> Blueprint:
    """Return the route."""
    routes = Blueprint("qualification", __name__)

    route = declared(services, "Conversations")

    @routes.get("/api/qualification-data")
    @route(query=QualificationQuery, answers={200: Page[Qualification]})
    def list_qualification_data(person: Person, query: QualificationQuery) -> Page[Qualification]:
        """List what your conversations found out, newest first; admins see everybody's."""
        reads = services.database.as_person(person.token).from_("qualification_data")
        rows = reads.select(COLUMNS)
        if query.conversation_id is not None:
            rows = rows.eq("conversation_id", query.conversation_id)
        return read_page(rows, query, Page[Qualification], "received_at")

    return routes

"""GET /api/me: whom a token speaks for, so that a page knows what to offer them."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint
from pydantic import BaseModel

from services.people import Person
from services.web.api.declared import declared
from services.wiring.web import Services


class Me(BaseModel):
    """The person who asks."""

    id: UUID
    email: str | None
    is_admin: bool
    is_anonymous: bool


def blueprint(services: Services) -> Blueprint:
    """Return the route; it wants a person's token."""
    routes = Blueprint("me", __name__)

    route = declared(services, "You")

    @routes.get("/api/me")
    @route(answers={200: Me})
    def who_am_i(person: Person) -> Me:
        """Tell whom your token speaks for."""
        return Me(
            id=person.id,
            email=person.email,
            is_admin=services.database.is_admin(person.token, person.id),
            is_anonymous=person.is_anonymous,
        )

    return routes

"""GET /api/me: whom a token speaks for, so that a page knows what to offer them."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint
from pydantic import BaseModel

from services.web.api.caller import caller
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

    @routes.get("/api/me")
    def who_am_i() -> dict[str, object]:
        person = caller(services)
        is_admin = services.database.is_admin(person.token, person.id)
        me = Me(
            id=person.id,
            email=person.email,
            is_admin=is_admin,
            is_anonymous=person.is_anonymous,
        )
        return me.model_dump(mode="json")

    return routes

"""/api/webhook-events: what admins may see of the inbox, replay and purge.

No person's token reaches the inbox, so these reads are made with the service key, once the caller's
own token has shown them to be an admin.
"""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, request
from pydantic import BaseModel, Field

from services.errors import NotFound
from services.inbox import EventFilter, EventSummary, StoredEvent
from services.validation import parse_object
from services.web.api.arguments import read
from services.web.api.caller import admin
from services.wiring import Services


class EventQuery(EventFilter):
    """A page of the list: `before` is the `next` of the page ahead of it."""

    limit: int = Field(default=50, ge=1, le=200)
    before: int | None = Field(default=None, ge=1, lt=2**63)


class EventPage(BaseModel):
    """A page of events, newest first; `next` is null on the last."""

    data: list[EventSummary]
    next: int | None


class Replayed(BaseModel):
    """How many events are due again."""

    replayed: int


class Purged(BaseModel):
    """How many dead events are gone."""

    purged: int


def blueprint(services: Services) -> Blueprint:
    """Return the routes; every one of them is for admins."""
    routes = Blueprint("events", __name__, url_prefix="/api/webhook-events")
    database = services.database

    @routes.before_request
    def require_admin() -> None:
        if request.method != "OPTIONS":
            admin(services)

    @routes.get("")
    def list_events() -> dict[str, object]:
        query = read(EventQuery, request.args.to_dict(flat=True))
        wanted = query.model_dump(mode="json", exclude_none=True, exclude={"limit", "before"})
        rows = database.list_events(wanted, query.before, query.limit + 1)
        data = [EventSummary.model_validate(row) for row in rows[: query.limit]]
        following = data[-1].seq if len(rows) > query.limit else None
        return EventPage(data=data, next=following).model_dump(mode="json")

    @routes.get("/<uuid:event_id>")
    def show_event(event_id: UUID) -> dict[str, object]:
        row = database.show_event(event_id)
        if row is None:
            raise NotFound("There is no such event.")
        return StoredEvent.read(row).model_dump(mode="json")

    @routes.post("/<uuid:event_id>/replay")
    def replay_event(event_id: UUID) -> dict[str, object]:
        replayed = database.replay_events({"id": str(event_id)})
        if not replayed:
            raise NotFound("There is no such event, or a worker has it in hand.")
        return Replayed(replayed=replayed).model_dump()

    @routes.post("/replay")
    def replay_events() -> dict[str, object]:
        wanted = read(EventFilter, {"state": "dead", **parse_object(request.get_data() or b"{}")})
        return Replayed(replayed=database.replay_events(wanted.as_json())).model_dump()

    @routes.delete("")
    def purge_events() -> dict[str, object]:
        wanted = read(EventFilter, request.args.to_dict(flat=True))
        return Purged(purged=database.purge_events(wanted.as_json())).model_dump()

    return routes

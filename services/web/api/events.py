"""/api/webhook-events: what admins may see of the inbox, replay and purge.

No person's token reaches the inbox, so these reads are made with the service key, once the caller's
own token has shown them to be an admin.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Blueprint, request
from pydantic import BaseModel, Field

from services.database import Database
from services.errors import NotFound
from services.inbox import EventFilter, EventSummary, StoredEvent
from services.providers.tavus_relay import RELAY
from services.retelling import Retellings
from services.validation import parse_object
from services.web.api.arguments import read
from services.web.api.caller import admin
from services.wiring.web import Services

SEARCHED = 20_000
"""Events whose bodies one page of a search for a text looks at."""


class EventQuery(EventFilter):
    """A page of the list: `before` is the `next` of the page ahead of it."""

    limit: int = Field(default=50, ge=1, le=200)
    before: int | None = Field(default=None, ge=1, lt=2**63)


class EventPage(BaseModel):
    """A page of events, newest first; `next` is null on the last.

    A search for a text may end before it has looked at everything: `searched_to` is the time of the
    event where it stopped, and `next` goes on from there.
    """

    data: list[EventSummary]
    next: int | None
    searched_to: datetime | None = None


class ShownEvent(StoredEvent):
    """An event with what its handler writes, or why it cannot."""

    effects: Any
    effects_error: str | None


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
    retellings = Retellings(events=services.webhooks.events, providers=(*services.providers, RELAY))

    @routes.before_request
    def require_admin() -> None:
        if request.method != "OPTIONS":
            admin(services)

    @routes.get("")
    def list_events() -> dict[str, object]:
        query = read(EventQuery, request.args.to_dict(flat=True))
        return _page(database, query).model_dump(mode="json")

    @routes.get("/<uuid:event_id>")
    def show_event(event_id: UUID) -> dict[str, object]:
        row = database.show_event(event_id)
        if row is None:
            raise NotFound("There is no such event.")
        retelling = retellings.of(row)
        told = StoredEvent.read(row).model_dump()
        shown = ShownEvent(**told, effects=retelling.effects, effects_error=retelling.error)
        return shown.model_dump(mode="json")

    @routes.post("/<uuid:event_id>/replay")
    def replay_event(event_id: UUID) -> dict[str, object]:
        replayed = database.replay_events({"id": str(event_id)})
        if not replayed:
            raise NotFound("There is no such event, or a worker has it in hand.")
        return Replayed(replayed=replayed).model_dump()

    @routes.post("/replay")
    def replay_events() -> dict[str, object]:
        wanted = _to_replay(request.get_data())
        return Replayed(replayed=database.replay_events(wanted.as_json())).model_dump()

    @routes.delete("")
    def purge_events() -> dict[str, object]:
        wanted = read(EventFilter, request.args.to_dict(flat=True))
        return Purged(purged=database.purge_events(wanted.as_json())).model_dump()

    return routes


def _to_replay(body: bytes) -> EventFilter:
    """Return which events: dead ones, unless a body names another state, or "all" of them."""
    told = {"state": "dead", **parse_object(body or b"{}")}
    if told["state"] == "all":
        del told["state"]
    return read(EventFilter, told)


def _page(database: Database, query: EventQuery) -> EventPage:
    wanted = query.model_dump(mode="json", exclude_none=True, exclude={"limit", "before"})
    end = None
    if query.text is not None:
        end = database.search_end(wanted, query.before, SEARCHED)
        wanted |= {"from_seq": end["seq"]} if end else {}
    rows = database.list_events(wanted, query.before, query.limit + 1)
    data = [EventSummary.model_validate(row) for row in rows[: query.limit]]
    if len(rows) > query.limit:
        return EventPage(data=data, next=data[-1].seq)
    if end is not None:
        return EventPage(data=data, next=end["seq"], searched_to=end["received_at"])
    return EventPage(data=data, next=None)

"""/api/webhook-events: what admins may see of the inbox, replay and purge.

No person's token reaches the inbox, so these reads are made with the service key, once the caller's
own token has shown them to be an admin.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from flask import Blueprint
from pydantic import BaseModel, ConfigDict, Field

from services.database import Database
from services.errors import NotFound
from services.inbox.inbox import EventFilter, EventSummary, State, StoredEvent
from services.inbox.retelling import Retellings
from services.providers.tavus_relay import RELAY
from services.web.api.declared import declared
from services.web.openapi.schemas import without_null
from services.wiring.web import Services

SEARCHED = 20_000
"""Events whose bodies one page of a search for a text looks at."""


class EventQuery(EventFilter):
    """A page of the list: `before` is the `next` of the page ahead of it."""

    limit: int = Field(default=50, ge=1, le=200)
    before: int | None = Field(default=None, ge=1, lt=2**63)


class EventsToReplay(EventFilter):
    """Which events are to be processed again: dead ones, unless it names another state or "all"."""

    model_config = ConfigDict(json_schema_extra=without_null)

    state: State | Literal["all"] = "dead"  # type: ignore[assignment]  # one more word

    def as_json(self) -> dict[str, Any]:
        """Return the filter as the SQL functions take it."""
        told = super().as_json()
        return {name: value for name, value in told.items() if value != "all" or name != "state"}


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

    route = declared(services, "Events", "admin")

    @routes.get("")
    @route(query=EventQuery, answers={200: EventPage})
    def list_events(query: EventQuery) -> EventPage:
        """List what came in, newest first."""
        return _page(database, query)

    @routes.get("/<uuid:event_id>")
    @route(answers={200: ShownEvent}, errors=(404,))
    def show_event(event_id: UUID) -> ShownEvent:
        """Show an event: what was received, what it does, what went wrong."""
        row = database.show_event(event_id)
        if row is None:
            raise NotFound("There is no such event.")
        retelling = retellings.of(row)
        told = StoredEvent.read(row).model_dump()
        return ShownEvent(**told, effects=retelling.effects, effects_error=retelling.error)

    @routes.post("/<uuid:event_id>/replay")
    @route(answers={200: Replayed}, errors=(404,))
    def replay_event(event_id: UUID) -> Replayed:
        """Let a worker process an event again."""
        replayed = database.replay_events({"id": str(event_id)})
        if not replayed:
            raise NotFound("There is no such event, or a worker has it in hand.")
        return Replayed(replayed=replayed)

    @routes.post("/replay")
    @route(
        body=EventsToReplay,
        is_optional=True,
        answers={200: Replayed},
        example={"source": "tavus", "since": "2026-03-01T00:00:00Z"},
    )
    def replay_events(body: EventsToReplay) -> Replayed:
        """Let workers process events again; dead ones, unless another state is named."""
        return Replayed(replayed=database.replay_events(body.as_json()))

    @routes.delete("")
    @route(query=EventFilter, answers={200: Purged})
    def purge_events(query: EventFilter) -> Purged:
        """Remove dead events for good."""
        return Purged(purged=database.purge_events(query.as_json()))

    return routes


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

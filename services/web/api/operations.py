"""GET /api/operations: how the service, its workers and what they work on are at this moment."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from flask import Blueprint
from pydantic import BaseModel

from services.telemetry.realtime import Load, load_of
from services.web.api.declared import declared
from services.wiring.web import Services

MOST_INCIDENTS = 20


class InboxCounts(BaseModel):
    """Events by state, 100,000 counted at most; how long the longest due one has waited."""

    received: int
    failed: int
    unmatched: int
    dead: int
    oldest_due_seconds: float | None


class DeliveryCounts(BaseModel):
    """What is to be sent, 100,000 counted at most."""

    waiting: int
    oldest_due_seconds: float | None
    disabled_endpoints: int


class Process(BaseModel):
    """A process of the service or a worker; `alive` when it has reported in the last 30 seconds."""

    kind: Literal["web", "worker"]
    host: str
    started_at: datetime
    reported_at: datetime
    alive: bool
    facts: dict[str, Any]


class Incident(BaseModel):
    """Something that alarmed, and whether it is over."""

    name: str
    severity: Literal["warning", "critical"]
    title: str | None
    detail: str | None
    began_at: datetime
    ended_at: datetime | None


class Operations(BaseModel):
    """The whole."""

    database: InboxCounts
    deliveries: DeliveryCounts
    processes: list[Process]
    realtime: Load
    incidents: list[Incident]


def blueprint(services: Services) -> Blueprint:
    """Return the route, which is for admins."""
    routes = Blueprint("operations", __name__)

    route = declared(services, "Operations", "admin")

    @routes.get("/api/operations")
    @route(answers={200: Operations})
    def show_operations() -> Operations:
        """Tell how the service, its workers and what they work on are at this moment."""
        told = services.database.call("operations", {})
        incidents = services.database.call("list_incidents", {"most": MOST_INCIDENTS})
        limit = services.settings.realtime_changes_per_second
        return Operations.model_validate(
            {**told, "realtime": load_of(told["realtime"], limit), "incidents": incidents}
        )

    return routes

"""Is it well, and can it take events?"""

from __future__ import annotations

import time

from cachetools import TTLCache
from flask import Blueprint
from pydantic import BaseModel

from services.database import Database
from services.errors import ConvohooksError, Unavailable
from services.wiring import Services

TOTALS_TTL = 10.0
WEBHOOK_PATH = "/api/tavus/webhook"


class Totals(BaseModel):
    """Counts of the last 24 hours."""

    total_events: int
    successful_events: int
    failed_events: int
    tool_calls: int


class Health(BaseModel):
    """The service as it is. `last_24h` is null while the database cannot be asked."""

    status: str
    webhook_url: str
    last_24h: Totals | None
    uptime: float


class Ready(BaseModel):
    """The service can commit."""

    status: str = "ready"


def blueprint(services: Services) -> Blueprint:
    """Return the routes /health and /ready."""
    routes = Blueprint("monitoring", __name__)
    started = time.monotonic()
    remembered: TTLCache[str, Totals] = TTLCache(1, TOTALS_TTL)

    @routes.get("/health")
    def health() -> dict[str, object]:
        totals = remembered.get("totals") or _totals(services.database)
        if totals is not None:
            remembered["totals"] = totals
        return Health(
            status="healthy" if totals else "degraded",
            webhook_url=services.settings.public_base_url + WEBHOOK_PATH,
            last_24h=totals,
            uptime=round(time.monotonic() - started, 3),
        ).model_dump()

    @routes.get("/ready")
    def ready() -> dict[str, object]:
        try:
            services.database.check_readiness()
        except ConvohooksError as error:
            raise Unavailable(f"Events cannot be committed: {error.detail}") from error
        return Ready().model_dump()

    return routes


def _totals(database: Database) -> Totals | None:
    try:
        return Totals.model_validate(database.totals())
    except ConvohooksError:
        return None

"""Is it well, and can it take events?"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from cachetools import TTLCache
from flask import Blueprint, Response, request
from pydantic import BaseModel

from services import security
from services.database import Database
from services.errors import ConvohooksError, NotFound, Unauthorized, Unavailable
from services.outage.spool import Counts, Spool
from services.reach.proof import prove
from services.reach.public_url import public_url
from services.telemetry.metrics import CONTENT_TYPE
from services.telemetry.situation import Situation
from services.web.api.declared import declared
from services.web.operation import Operation, Text, declare
from services.wiring.web import Services

TOTALS_TTL = 10.0
METRICS = Operation(
    name="metrics",
    told="Tell Prometheus what was counted; 404 unless a METRICS_TOKEN is set.",
    tag="Service",
    who="operator",
    answers={200: Text(media_type="text/plain")},
)
WEBHOOK_PATH = "/api/tavus/webhook"


class DayTotals(BaseModel):
    """Counts of the last 24 hours."""

    total_events: int
    successful_events: int
    failed_events: int
    tool_calls: int


class Health(BaseModel):
    """The service as it is. `last_24h` is null while the database cannot be asked."""

    status: str
    webhook_url: str
    last_24h: DayTotals | None
    uptime: float


class HealthQuery(BaseModel):
    """With a `proof`, 32 hex digits, the answer proves that it comes from this very service."""

    proof: str = ""


class Proven(BaseModel):
    """What only a service with our settings can know."""

    proof: str


class Ready(BaseModel):
    """Events are taken, by a commit or else by the spool.

    `spool` is off, ready, or what is wrong with it. `spooled` events wait to be sent; Supabase
    would not have the `unsendable` ones. Both are null when the spool cannot be read.
    """

    status: str = "ready"
    circuit: str
    spool: str
    spooled: int | None
    unsendable: int | None


def blueprint(services: Services) -> Blueprint:
    """Return the routes /health, /ready and /metrics."""
    routes = Blueprint("monitoring", __name__)
    situation = Situation(
        services.database,
        services.breaker,
        services.spool,
        realtime_limit=services.settings.realtime_changes_per_second,
    )
    started = time.monotonic()
    remembered: TTLCache[str, DayTotals] = TTLCache(1, TOTALS_TTL)

    route = declared(services, "Service", "anyone")

    @routes.get("/health")
    @route(query=HealthQuery, answers={200: Health | Proven})
    def health(query: HealthQuery) -> Health | Proven:
        """Tell whether the service runs; it answers 200 without its database too."""
        if proof := prove(services.settings, query.proof):
            return Proven(proof=proof)
        totals = remembered.get("totals")
        # Only what was counted anew is remembered anew: who asks all the time must not keep it.
        if totals is None and (totals := _totals(services.database)):
            remembered["totals"] = totals
        return Health(
            status="healthy" if totals else "degraded",
            webhook_url=public_url(services.settings) + WEBHOOK_PATH,
            last_24h=totals,
            uptime=round(time.monotonic() - started, 3),
        )

    @routes.get("/ready")
    @route(answers={200: Ready})
    def ready() -> Ready:
        """Tell whether events can be taken; 503 when they cannot."""
        commit = _problem(lambda: services.breaker.call(services.database.check_readiness))
        spool = _problem(services.spool.check) if services.spool else "off"
        if commit and spool:
            raise Unavailable(f"Events cannot be committed: {commit} Spool: {spool}")
        counts = _counts(services.spool)
        return Ready(
            circuit=services.breaker.state,
            spool=spool or "ready",
            spooled=counts.spooled if counts else None,
            unsendable=counts.unsendable if counts else None,
        )

    @routes.get("/metrics")
    @declare(METRICS)
    def metrics() -> Response:
        if not _came_by(services.settings.metrics_port):
            _require_token(
                services.settings.metrics_tokens, request.headers.get("Authorization", "")
            )
        services.metrics.breaker_changed(services.breaker.state)
        text = services.metrics.exposition(situation.metrics())
        return Response(text, content_type=CONTENT_TYPE)

    if services.settings.metrics_port:

        @routes.before_app_request
        def serve_nothing_else() -> None:
            if _came_by(services.settings.metrics_port) and request.path != "/metrics":
                raise NotFound("Only /metrics is here.")

    return routes


def _came_by(port: int | None) -> bool:
    """Return whether a request came by the listener on a port, whatever it says of itself."""
    connection = request.environ.get("gunicorn.socket")
    return port is not None and connection is not None and connection.getsockname()[1] == port


def _require_token(tokens: Sequence[str], authorization: str) -> None:
    if not tokens:
        raise NotFound()
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not security.equals_any(token.strip(), tokens):
        raise Unauthorized("The metrics are for who has the METRICS_TOKEN.")


def _problem(check: Callable[[], None]) -> str | None:
    try:
        check()
    except ConvohooksError as error:
        return error.detail
    return None


def _counts(spool: Spool | None) -> Counts | None:
    try:
        return spool.count() if spool else Counts(spooled=0, unsendable=0)
    except ConvohooksError:
        return None


def _totals(database: Database) -> DayTotals | None:
    try:
        return DayTotals.model_validate(database.totals())
    except ConvohooksError:
        return None

"""GET /api/webhooks/logs: what came in lately, how much of it, and what went wrong most often."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint
from pydantic import BaseModel, ConfigDict, Field

from services.inbox.inbox import EventSummary, State
from services.telemetry.statistics import percentile_ms, success_rate, sum_buckets
from services.validation import Sought
from services.web.api.declared import declared
from services.wiring.web import Services

MOST_HOURS = 24 * 90
FAILED = ("failed", "dead")


class LogQuery(BaseModel):
    """Which events; `before` is the `next` of the page ahead."""

    model_config = ConfigDict(extra="forbid")

    source: Sought | None = None
    hours: int = Field(default=24, ge=1, le=MOST_HOURS)
    state: State | None = None
    limit: int = Field(default=50, ge=1, le=200)
    before: int | None = Field(default=None, ge=1, lt=2**63)


class LoggedEvent(EventSummary):
    """An event; `success` as long as it has not failed."""

    success: bool


class CallMetrics(BaseModel):
    """What was counted of the calls, whatever state is asked for.

    `received` were answered with 200; of them `failed` did not take effect at once and
    `duplicates` were known; the rest is `processed`, or waits. The times are those answers'.
    """

    received: int
    processed: int
    failed: int
    duplicates: int
    average_processing_ms: float | None
    p50_ms: float | None
    p95_ms: float | None


class CommonError(BaseModel):
    """A kind of error: its text without ids, numbers and what was quoted."""

    error: str
    times: int
    last_at: datetime


class LogSummary(BaseModel):
    """`total_events` are the calls that brought something new; the rate is of all calls."""

    total_events: int
    success_rate: float | None
    common_errors: list[CommonError]


class Logs(BaseModel):
    """A page of events, newest first; `next` is null on the last."""

    logs: list[LoggedEvent]
    metrics: CallMetrics
    summary: LogSummary
    next: int | None


def blueprint(services: Services) -> Blueprint:
    """Return the route, which is for admins."""
    routes = Blueprint("logs", __name__)

    route = declared(services, "Operations", "admin")

    @routes.get("/api/webhooks/logs")
    @route(query=LogQuery, answers={200: Logs})
    def list_logs(query: LogQuery) -> Logs:
        """Tell what came in lately, how much of it, and what went wrong most often."""
        since = (datetime.now(UTC) - timedelta(hours=query.hours)).isoformat()
        rows = _events(services, query, since)
        page = [_log(row) for row in rows[: query.limit]]
        summary = services.database.call(
            "summarize_logs", {"wanted_source": query.source, "since": since}
        )
        return Logs(
            logs=page,
            metrics=_metrics(summary["counts"]),
            summary=_summary(summary),
            next=page[-1].seq if len(rows) > query.limit else None,
        )

    return routes


def _events(services: Services, query: LogQuery, since: str) -> list[dict[str, Any]]:
    wanted = {
        "wanted_source": query.source,
        "wanted_state": query.state,
        "since": since,
        "before": query.before,
        "most": query.limit + 1,
    }
    return list(services.database.call("list_logs", wanted))


def _log(row: dict[str, Any]) -> LoggedEvent:
    return LoggedEvent.model_validate({**row, "success": row["state"] not in FAILED})


def _metrics(counts: list[dict[str, Any]]) -> CallMetrics:
    received, failed, duplicates, waiting = (
        _sum(counts, *names)
        for names in (["received"], ["failed"], ["duplicates"], ["deferred", "spooled"])
    )
    buckets = sum_buckets(row["buckets"] for row in counts)
    seconds = _sum(counts, "seconds")
    return CallMetrics(
        received=int(received),
        processed=int(received - failed - duplicates - waiting),
        failed=int(failed),
        duplicates=int(duplicates),
        average_processing_ms=round(1000 * seconds / received, 2) if received else None,
        p50_ms=percentile_ms(buckets, 0.5),
        p95_ms=percentile_ms(buckets, 0.95),
    )


def _summary(told: dict[str, Any]) -> LogSummary:
    counts = told["counts"]
    refused = _sum(counts, "rejected", "unavailable")
    received, failed = _sum(counts, "received"), _sum(counts, "failed")
    return LogSummary(
        total_events=int(received - _sum(counts, "duplicates")),
        success_rate=success_rate(int(received + refused), int(failed + refused)),
        common_errors=told["errors"],
    )


def _sum(rows: list[dict[str, Any]], *names: str) -> float:
    return float(sum(row[name] for row in rows for name in names))

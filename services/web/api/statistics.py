"""GET /api/webhooks/statistics: what happened over time, everything for admins, else one's own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from flask import Blueprint
from pydantic import BaseModel, BeforeValidator, ConfigDict

from services.database import execute
from services.people import Person
from services.telemetry.statistics import (
    Row,
    Span,
    buckets_of,
    percentile_ms,
    percentiles,
    series,
    success_rate,
    sum_buckets,
)
from services.telemetry.tally import SECONDS
from services.web.api.declared import declared
from services.wiring.web import Services


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value


class StatisticsQuery(BaseModel):
    """How far back."""

    model_config = ConfigDict(extra="forbid")

    hours: Annotated[Literal[1, 24, 168], BeforeValidator(_whole)] = 24


class SourceSeries(BaseModel):
    """A sender's calls in each step: those it could prove, those of them that failed, their times.

    `failed` are those that could not be read, whose handler or effects failed, or that were not
    kept for a fault of ours.
    """

    received: list[int]
    failed: list[int]
    p50_ms: list[float | None]
    p95_ms: list[float | None]


class DeliverySeries(BaseModel):
    """Attempts at deliveries in each step."""

    delivered: list[int]
    failed: list[int]
    p95_ms: list[float | None]


class StatisticsTotals(BaseModel):
    """The sums, and the times of all calls."""

    received: int
    failed: int
    success_rate: float | None
    retries: int
    deliveries_delivered: int
    deliveries_failed: int
    p50_ms: float | None
    p95_ms: float | None


class Statistics(BaseModel):
    """Series of the same length; `times` are when their steps begin, the last is not over yet."""

    since: datetime
    until: datetime
    step_seconds: int
    times: list[datetime]
    sources: dict[str, SourceSeries]
    retries: list[int]
    deliveries: DeliverySeries
    totals: StatisticsTotals
    is_admin: bool


def blueprint(services: Services) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("statistics", __name__, url_prefix="/api/webhooks")

    route = declared(services, "Operations")

    @routes.get("/statistics")
    @route(query=StatisticsQuery, answers={200: Statistics})
    def show_statistics(person: Person, query: StatisticsQuery) -> Statistics:
        """Tell what happened over time: everything to admins, to others what is theirs."""
        now = datetime.now(UTC)
        span = Span.ending(now, query.hours)
        is_admin = services.database.is_admin(person.token, person.id)
        counted = _counted(services, span, None if is_admin else person)
        return _statistics(counted, span, now, is_admin=is_admin)

    return routes


def _counted(services: Services, span: Span, person: Person | None) -> dict[str, list[Row]]:
    """Return the counts of everything, or of what is a person's, read with their token."""
    arguments: dict[str, Any] = {
        "since": span.since.isoformat(),
        "step_seconds": span.step_seconds,
        "bounds": SECONDS,
    }
    if person is None:
        counted = services.database.call("webhook_statistics", arguments)
    else:
        reads = services.database.as_person(person.token)
        counted = execute(reads.rpc("my_webhook_statistics", arguments)).data
    return dict(counted)


def _statistics(
    counted: dict[str, list[Row]], span: Span, now: datetime, *, is_admin: bool
) -> Statistics:
    calls, sent = counted["calls"], counted["deliveries"]
    names = sorted({row["source"] for row in calls if row["received"]})
    sources = {
        name: _of_source([row for row in calls if row["source"] == name], span) for name in names
    }
    deliveries = DeliverySeries(
        delivered=series(sent, span, "delivered"),
        failed=series(sent, span, "failed"),
        p95_ms=percentiles(sent, span, 0.95),
    )
    retries = series(calls, span, "retried")
    return Statistics(
        since=span.since,
        until=now,
        step_seconds=span.step_seconds,
        times=span.times(),
        sources=sources,
        retries=retries,
        deliveries=deliveries,
        totals=_totals(calls, sources, deliveries, retries),
        is_admin=is_admin,
    )


def _of_source(rows: list[Row], span: Span) -> SourceSeries:
    return SourceSeries(
        received=series(rows, span, "received"),
        failed=series(rows, span, "failed"),
        p50_ms=percentiles(rows, span, 0.5),
        p95_ms=percentiles(rows, span, 0.95),
    )


def _totals(
    calls: list[Row],
    sources: dict[str, SourceSeries],
    deliveries: DeliverySeries,
    retries: list[int],
) -> StatisticsTotals:
    received = sum(sum(source.received) for source in sources.values())
    failed = sum(sum(source.failed) for source in sources.values())
    buckets = sum_buckets(buckets_of(row) for row in calls)
    return StatisticsTotals(
        received=received,
        failed=failed,
        success_rate=success_rate(received, failed),
        retries=sum(retries),
        deliveries_delivered=sum(deliveries.delivered),
        deliveries_failed=sum(deliveries.failed),
        p50_ms=percentile_ms(buckets, 0.5),
        p95_ms=percentile_ms(buckets, 0.95),
    )

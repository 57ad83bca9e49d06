"""/api/webhook-endpoints/<id>/deliveries: what an endpoint was sent, and what came of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from flask import Blueprint
from pydantic import BaseModel, BeforeValidator, Field

from services.database import execute
from services.errors import NotFound
from services.outgoing.endpoint_request import EventType
from services.people import Person
from services.validation import Moment
from services.web.api.cursor import Page, PageQuery, read_page
from services.web.api.declared import declared
from services.wiring.web import Services

URL = "/api/webhook-endpoints/<uuid:endpoint_id>/deliveries"
MOST_ATTEMPTS = 1000
"""The newest attempts of a delivery that are shown."""


def _as_sent(value: Any) -> Any:
    # A plus sign that was not encoded arrives as a space.
    return value.replace(" ", "+") if isinstance(value, str) and "T" in value else value


Asked = Annotated[Moment, BeforeValidator(_as_sent)]


class DeliveryQuery(PageQuery):
    """What may be asked: times are those of the delivery's making, `until` itself not included."""

    state: Literal["waiting", "delivered", "failed"] | None = None
    event_type: EventType | None = None
    conversation_id: UUID | None = None
    webhook_id: Annotated[str, Field(pattern=r"^[!-~]{1,255}$")] | None = None
    since: Asked | None = None
    until: Asked | None = None

    def filter(self, rows: Any) -> Any:
        """Return those rows that were asked for."""
        equal = self.model_dump(
            mode="json", exclude_none=True, exclude={"limit", "before", "since", "until"}
        )
        for name, value in equal.items():
            rows = rows.eq(name, value)
        if self.since is not None:
            rows = rows.gte("created_at", self.since.isoformat())
        if self.until is not None:
            rows = rows.lt("created_at", self.until.isoformat())
        return rows


class Delivery(BaseModel):
    """A row of `webhook_deliveries`; `attempts` counts those that have ended."""

    id: UUID
    endpoint_id: UUID
    webhook_id: str
    event_type: str
    conversation_id: UUID | None
    state: str
    attempts: int
    last_status: int | None
    last_error: str | None
    last_attempt_at: datetime | None
    next_attempt_at: datetime | None
    finished_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime


class DeliveryAttempt(BaseModel):
    """A row of `delivery_attempts`."""

    attempt: int
    status: int | None
    error: str | None
    response: str | None
    duration_ms: float | None
    attempted_at: datetime


class DeliveryDetail(Delivery):
    """A delivery with its attempts, the first first."""

    attempt_log: list[DeliveryAttempt]


def blueprint(services: Services) -> Blueprint:
    """Return the routes; each wants a person's token."""
    routes = Blueprint("deliveries", __name__, url_prefix=URL)
    endpoints = services.endpoints

    route = declared(services, "Deliveries")

    @routes.get("")
    @route(query=DeliveryQuery, answers={200: Page[Delivery]}, errors=(404,))
    def list_deliveries(person: Person, query: DeliveryQuery, endpoint_id: UUID) -> Page[Delivery]:
        """List what an endpoint was sent, newest first."""
        endpoints.find(person, str(endpoint_id))
        rows = _deliveries(services.database.as_person(person.token), endpoint_id)
        return read_page(query.filter(rows), query, Page[Delivery])

    @routes.get("/<uuid:delivery_id>")
    @route(answers={200: DeliveryDetail}, errors=(404,))
    def show_delivery(person: Person, endpoint_id: UUID, delivery_id: UUID) -> DeliveryDetail:
        """Show a delivery with its attempts."""
        reads = services.database.as_person(person.token)
        for row in execute(_deliveries(reads, endpoint_id).eq("id", str(delivery_id))).data:
            return DeliveryDetail.model_validate({**row, "attempt_log": _attempts(reads, row)})
        raise NotFound("There is no such delivery to an endpoint of yours.")

    @routes.post("/<uuid:delivery_id>/resend")
    @route(answers={202: Delivery}, errors=(404, 409))
    def resend_delivery(person: Person, endpoint_id: UUID, delivery_id: UUID) -> Delivery:
        """Send a delivery again."""
        row = endpoints.resend(person, str(endpoint_id), str(delivery_id))
        return Delivery.model_validate(row)

    return routes


def _deliveries(reads: Any, endpoint_id: UUID) -> Any:
    return reads.from_("webhook_deliveries").select("*").eq("endpoint_id", str(endpoint_id))


def _attempts(reads: Any, delivery: dict[str, Any]) -> list[dict[str, Any]]:
    rows = reads.from_("delivery_attempts").select("*").eq("delivery_id", delivery["id"])
    newest: list[dict[str, Any]] = execute(
        rows.order("attempt", desc=True).limit(MOST_ATTEMPTS)
    ).data
    return newest[::-1]

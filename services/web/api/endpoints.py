"""/api/webhook-endpoints: where people want to be told of what happens here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, request
from pydantic import BaseModel

from services.database import execute
from services.outgoing.endpoint_request import (
    EndpointChange,
    NewEndpoint,
    ResendFailed,
    Rotation,
    SampleWanted,
)
from services.web.api.arguments import read, read_body, read_optional
from services.web.api.caller import caller
from services.web.api.cursor import PageQuery, read_page
from services.web.api.deliveries import Delivery
from services.wiring.web import Services

URL = "/api/webhook-endpoints"
LATELY = timedelta(days=1)

Shown = dict[str, Any]


class Endpoint(BaseModel):
    """A row of `webhook_endpoints`; one with a `conversation_id` is that conversation's webhook.

    What its own `headers` say is secret: each has null here.
    """

    id: UUID
    url: str
    description: str | None
    event_types: list[str] | None
    disabled: bool
    disabled_reason: str | None
    disabled_at: datetime | None
    headers: dict[str, None]
    rate_per_minute: int | None
    concurrency: int | None
    ordered: bool
    retry_schedule: list[int] | None
    conversation_id: UUID | None
    version: int
    created_at: datetime
    updated_at: datetime


class Health(BaseModel):
    """How an endpoint has done: attempts of the last day, and the last of all that are kept."""

    endpoint_id: UUID
    delivered: int
    failed: int
    last_delivered_at: datetime | None
    last_failed_at: datetime | None


class NewlyMade(Endpoint):
    """An endpoint with the secret that its deliveries are signed with, shown this once."""

    secret: str


class Rotated(BaseModel):
    """The new secret, shown this once, and until when the older ones sign beside it."""

    secret: str
    previous_expires_at: datetime


class Resent(BaseModel):
    """How many deliveries are due again."""

    resent: int


def blueprint(services: Services) -> Blueprint:
    """Return the routes; each wants a person's token."""
    routes = Blueprint("endpoints", __name__, url_prefix=URL)
    endpoints = services.endpoints

    @routes.post("")
    def create_endpoint() -> Response:
        person = caller(services)
        row = endpoints.create(person, read_body(NewEndpoint, request))
        made = NewlyMade.model_validate(row)
        answer = Response(made.model_dump_json(), 201, content_type="application/json")
        answer.headers["Location"] = f"{URL}/{made.id}"
        return answer

    @routes.get("")
    def list_endpoints() -> Shown:
        reads = services.database.as_person(caller(services).token)
        query = read(PageQuery, request.args.to_dict(flat=True))
        return read_page(reads.from_("webhook_endpoints").select("*"), query, Endpoint)

    @routes.get("/health")
    def show_health() -> Shown:
        reads = services.database.as_person(caller(services).token)
        since = (datetime.now(UTC) - LATELY).isoformat()
        found = execute(reads.rpc("endpoint_health", {"since": since})).data
        return {"data": [Health.model_validate(row).model_dump(mode="json") for row in found]}

    @routes.get("/<uuid:endpoint_id>")
    def show_endpoint(endpoint_id: UUID) -> Shown:
        return _shown(endpoints.find(caller(services), str(endpoint_id)))

    @routes.patch("/<uuid:endpoint_id>")
    def change_endpoint(endpoint_id: UUID) -> Shown:
        person = caller(services)
        change = read_body(EndpointChange, request)
        return _shown(endpoints.change(person, str(endpoint_id), change))

    @routes.delete("/<uuid:endpoint_id>")
    def delete_endpoint(endpoint_id: UUID) -> tuple[str, int]:
        endpoints.delete(caller(services), str(endpoint_id))
        return "", 204

    @routes.post("/<uuid:endpoint_id>/rotate-secret")
    def rotate_secret(endpoint_id: UUID) -> Shown:
        person = caller(services)
        wanted = read_optional(Rotation, request)
        row = endpoints.rotate(person, str(endpoint_id), wanted.overlap_seconds)
        return Rotated.model_validate(row).model_dump(mode="json")

    @routes.post("/<uuid:endpoint_id>/test")
    def test_endpoint(endpoint_id: UUID) -> tuple[Shown, int]:
        person = caller(services)
        wanted = read_optional(SampleWanted, request)
        row = endpoints.test(person, str(endpoint_id), wanted.event_type)
        return Delivery.model_validate(row).model_dump(mode="json"), 202

    @routes.post("/<uuid:endpoint_id>/resend-failed")
    def resend_failed(endpoint_id: UUID) -> tuple[Shown, int]:
        person = caller(services)
        wanted = read_body(ResendFailed, request)
        resent = endpoints.resend_failed(person, str(endpoint_id), wanted.since)
        return Resent(resent=resent).model_dump(), 202

    return routes


def _shown(row: dict[str, Any]) -> Shown:
    return Endpoint.model_validate(row).model_dump(mode="json")

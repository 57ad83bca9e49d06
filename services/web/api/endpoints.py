"""/api/webhook-endpoints: where people want to be told of what happens here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from flask import Blueprint
from pydantic import BaseModel

from services.database import execute
from services.outgoing.endpoint_request import (
    EndpointChange,
    NewEndpoint,
    ResendFailed,
    Rotation,
    SampleWanted,
)
from services.people import Person
from services.web.api.cursor import Page, PageQuery, read_page
from services.web.api.declared import declared
from services.web.api.deliveries import Delivery
from services.wiring.web import Services

URL = "/api/webhook-endpoints"
LATELY = timedelta(days=1)


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


class EndpointHealth(BaseModel):
    """How an endpoint has done: attempts of the last day, and the last of all that are kept."""

    endpoint_id: UUID
    delivered: int
    failed: int
    last_delivered_at: datetime | None
    last_failed_at: datetime | None


class EndpointsHealth(BaseModel):
    """Each endpoint that there is."""

    data: list[EndpointHealth]


class EndpointWithSecret(Endpoint):
    """An endpoint with the secret that its deliveries are signed with, shown this once."""

    secret: str


class RotatedSecret(BaseModel):
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

    route = declared(services, "Endpoints")

    @routes.post("")
    @route(
        body=NewEndpoint,
        answers={201: EndpointWithSecret},
        location=f"{URL}/{{id}}",
        errors=(409,),
        example={
            "url": "https://hooks.example.test/convohooks",
            "event_types": ["message.created", "call.completed"],
        },
    )
    def create_endpoint(person: Person, body: NewEndpoint) -> EndpointWithSecret:
        """Make an endpoint; the answer has its secret, shown this once."""
        return EndpointWithSecret.model_validate(endpoints.create(person, body))

    @routes.get("")
    @route(query=PageQuery, answers={200: Page[Endpoint]})
    def list_endpoints(person: Person, query: PageQuery) -> Page[Endpoint]:
        """List your endpoints, newest first; admins see everybody's."""
        reads = services.database.as_person(person.token)
        return read_page(reads.from_("webhook_endpoints").select("*"), query, Page[Endpoint])

    @routes.get("/health")
    @route(answers={200: EndpointsHealth})
    def show_endpoints_health(person: Person) -> EndpointsHealth:
        """Tell of each of your endpoints how it has done lately; a person may have 200."""
        reads = services.database.as_person(person.token)
        since = (datetime.now(UTC) - LATELY).isoformat()
        found = execute(reads.rpc("endpoint_health", {"since": since})).data
        return EndpointsHealth.model_validate({"data": found})

    @routes.get("/<uuid:endpoint_id>")
    @route(answers={200: Endpoint}, errors=(404,))
    def show_endpoint(person: Person, endpoint_id: UUID) -> Endpoint:
        """Show an endpoint."""
        return Endpoint.model_validate(endpoints.find(person, str(endpoint_id)))

    @routes.patch("/<uuid:endpoint_id>")
    @route(
        body=EndpointChange,
        answers={200: Endpoint},
        errors=(404, 409),
        example={"disabled": False, "rate_per_minute": 60},
    )
    def change_endpoint(person: Person, body: EndpointChange, endpoint_id: UUID) -> Endpoint:
        """Change those fields of an endpoint that are sent."""
        return Endpoint.model_validate(endpoints.change(person, str(endpoint_id), body))

    @routes.delete("/<uuid:endpoint_id>")
    @route(answers={204: None}, errors=(404,))
    def delete_endpoint(person: Person, endpoint_id: UUID) -> None:
        """Remove an endpoint with its log."""
        endpoints.delete(person, str(endpoint_id))

    @routes.post("/<uuid:endpoint_id>/rotate-secret")
    @route(
        body=Rotation,
        is_optional=True,
        answers={200: RotatedSecret},
        errors=(404, 409),
        example={"overlap_seconds": 3600},
    )
    def rotate_secret(person: Person, body: Rotation, endpoint_id: UUID) -> RotatedSecret:
        """Give an endpoint a new secret, shown this once; older ones sign beside it for a time."""
        row = endpoints.rotate(person, str(endpoint_id), body.overlap_seconds)
        return RotatedSecret.model_validate(row)

    @routes.post("/<uuid:endpoint_id>/test")
    @route(
        body=SampleWanted,
        is_optional=True,
        answers={202: Delivery},
        errors=(404, 409),
        example={"event_type": "call.completed"},
    )
    def test_endpoint(person: Person, body: SampleWanted, endpoint_id: UUID) -> Delivery:
        """Send a made-up event to an endpoint."""
        return Delivery.model_validate(endpoints.test(person, str(endpoint_id), body.event_type))

    @routes.post("/<uuid:endpoint_id>/resend-failed")
    @route(
        body=ResendFailed,
        answers={202: Resent},
        errors=(404, 409),
        example={"since": "2026-03-01T00:00:00Z"},
    )
    def resend_failed(person: Person, body: ResendFailed, endpoint_id: UUID) -> Resent:
        """Send again what has failed since a time."""
        return Resent(resent=endpoints.resend_failed(person, str(endpoint_id), body.since))

    return routes

"""POST /api/bookings: the owner of a phone makes a link by which a caller books an appointment."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from flask import Blueprint, Response, request
from pydantic import BaseModel

from services.bookings import NewBooking
from services.web.api.arguments import read_body
from services.web.api.caller import caller
from services.wiring.web import Services


class BookingRequest(BaseModel):
    """A request for a booking, as its row has it."""

    id: UUID
    booking_key: str
    phone_id: UUID
    status: str
    event_type: str
    invitee_name: str | None
    invitee_email: str | None
    invitee_phone: str | None
    scheduling_url: str
    created_at: datetime


def blueprint(services: Services) -> Blueprint:
    """Return the route; it wants a person's token."""
    routes = Blueprint("bookings", __name__)

    @routes.post("/api/bookings")
    def request_booking() -> Response:
        person = caller(services)
        row = services.bookings.request(person, read_body(NewBooking, request))
        made = BookingRequest.model_validate(row)
        return Response(made.model_dump_json(), 201, content_type="application/json")

    return routes

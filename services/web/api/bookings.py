"""POST /api/bookings: the owner of a phone makes a link by which a caller books an appointment."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from flask import Blueprint
from pydantic import BaseModel

from services.bookings import NewBooking
from services.people import Person
from services.web.api.declared import declared
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

    route = declared(services, "Bookings")

    @routes.post("/api/bookings")
    @route(
        body=NewBooking,
        answers={201: BookingRequest},
        errors=(502,),
        example={
            "phone_id": "6d0b8a14-3c5e-4f7a-9b21-0c4d8e2f6a17",
            "event_type": "https://api.calendly.com/event_types/AAAAAAAAAAAAAAAA",
            "invitee_name": "Ada Example",
            "invitee_email": "ada@example.test",
        },
    )
    def request_booking(person: Person, body: NewBooking) -> BookingRequest:
        """Make a link by which a caller of one of your phones books an appointment."""
        return BookingRequest.model_validate(services.bookings.request(person, body))

    return routes

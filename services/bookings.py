"""Bookings that a call asks for: our row first, then Calendly, then the link.

The link carries whose phone it is for and which request it came from, so that Calendly's callback
about the appointment brings both back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import UUID, uuid4

import structlog
from pydantic import BaseModel, ConfigDict, Field

from services.clients.api import ApiRefused
from services.clients.calendly import CalendlyClient
from services.database import Database, execute
from services.errors import BadGateway, ConvohooksError, Unavailable, Unprocessable
from services.people import Person
from services.settings import Settings

SOURCE = "phone"
WRONG_FIELD = (400, 404, 422)

log = structlog.get_logger()

Row = dict[str, Any]


class NewBooking(BaseModel):
    """What is asked for; `event_type` is Calendly's address of the kind of appointment."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, frozen=True)

    phone_id: UUID
    event_type: str = Field(pattern=r"^https://api\.calendly\.com/event_types/[A-Za-z0-9_-]{1,64}$")
    invitee_name: str | None = Field(default=None, min_length=1, max_length=200)
    invitee_email: str | None = Field(
        default=None, max_length=254, pattern=r"^[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+$"
    )
    invitee_phone: str | None = Field(default=None, pattern=r"^\+[1-9][0-9]{4,14}$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookings:
    """Makes links by which the other side of a call books an appointment."""

    settings: Settings
    database: Database
    calendly: CalendlyClient

    def request(self, person: Person, wanted: NewBooking) -> Row:
        """Make a request for a booking; return its row, which has the link.

        Raises Unprocessable, TooManyRequests, BadGateway, Unavailable; what Calendly would not do
        is `failed` then.
        """
        if not self.settings.calendly_api_key:
            raise BadGateway("This service cannot make bookings: CALENDLY_API_KEY is not set.")
        self._check_visible(person, wanted.phone_id)
        key = f"request:{uuid4()}"
        told = wanted.model_dump(mode="json", exclude_none=True)
        self.database.add_booking({**told, "booking_key": key, "status": "requested"})
        url = self._make_link(key, wanted)
        return self._store(key, {"scheduling_url": tagged(url, key, wanted)})

    def _check_visible(self, person: Person, phone_id: UUID) -> None:
        """Raise Unprocessable for a phone that this person may not see: its owner and admins do."""
        reads = self.database.as_person(person.token).from_("phone_numbers").select("id")
        if not execute(reads.eq("id", str(phone_id))).data:
            raise Unprocessable("phone_id: There is no such phone.")

    def _make_link(self, key: str, wanted: NewBooking) -> str:
        try:
            return self.calendly.make_link(wanted.event_type).booking_url
        except ConvohooksError as error:
            self._fail(key)
            if isinstance(error, ApiRefused) and error.vendor_status in WRONG_FIELD:
                raise Unprocessable(f"event_type: {error.detail}") from None
            raise

    def _fail(self, key: str) -> None:
        try:
            self._store(key, {"status": "failed"})
        except ConvohooksError as error:
            log.warning("booking left requested", booking_key=key, reason=error.detail)

    def _store(self, key: str, told: Row) -> Row:
        try:
            return self.database.change_booking(key, told)
        except Unavailable:
            # Storing it twice is storing it once.
            return self.database.change_booking(key, told)


def tagged(url: str, key: str, wanted: NewBooking) -> str:
    """Return a link that carries the phone and the request, and fills in what is known.

    https://help.calendly.com/hc/en-us/articles/223195488
    """
    parts = urlsplit(url)
    carried = {
        **dict(parse_qsl(parts.query)),
        **{"name": wanted.invitee_name, "email": wanted.invitee_email},
        **{"utm_source": SOURCE, "utm_content": str(wanted.phone_id), "utm_term": key},
    }
    query = urlencode({name: value for name, value in carried.items() if value})
    return urlunsplit(parts._replace(query=query))

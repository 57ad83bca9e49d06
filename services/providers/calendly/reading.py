"""What an event tells of a booking, whichever shape it comes in.

Today's API has the invitee at `payload` and the address of the event in `payload.event`; the first
one had objects, `payload.invitee` and `payload.event`; the seeds have `payload.phone_id`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from services import values
from services.effects import Json
from services.errors import Malformed
from services.inbound import Inbound
from services.provider import Reading

API = "https://api.calendly.com"
LONGEST_KEY = 250
LONGEST_URL = 2000
MOST_ANSWERS = 20

ALIASES = {"booking.created": "invitee.created", "booking.cancelled": "invitee.canceled"}
HANDLED = frozenset(
    {"invitee.created", "invitee.canceled", "invitee_no_show.created", "invitee_no_show.deleted"}
)
# Where a booking may name the phone that it is for, the surest first.
PHONES = (
    "payload.phone_id",
    *(
        f"{part}.tracking.{name}"
        for name in ("utm_content", "utm_source", "utm_campaign", "utm_medium", "utm_term")
        for part in ("payload", "invitee")
    ),
)
# A field of a Booking, and where it is: the first place that holds something.
FIELDS = {
    "at": ("envelope.created_at", "envelope.time"),
    "rescheduled": ("payload.rescheduled", "payload.is_reschedule", "invitee.is_reschedule"),
    "no_show": ("payload.no_show.uri", "payload.no_show"),
    "request_key": ("payload.tracking.utm_term", "invitee.tracking.utm_term"),
    "event_type": ("event.event_type", "payload.event_type.uri", "payload.event_type.uuid"),
    "name": ("event.name", "payload.event_type.name"),
    "invitee_name": ("invitee.name",),
    "invitee_email": ("invitee.email",),
    "invitee_phone": ("invitee.text_reminder_number", "invitee.phone"),
    "starts_at": ("event.start_time", "payload.start_time"),
    "ends_at": ("event.end_time", "payload.end_time"),
    "timezone": ("invitee.timezone",),
    "location": (
        "event.location.join_url",
        "event.location.location",
        "event.location.type",
        "event.location",
    ),
    "cancel_url": ("invitee.cancel_url",),
    "reschedule_url": ("invitee.reschedule_url",),
    "cancel_reason": ("invitee.cancellation.reason", "invitee.cancel_reason"),
    "canceled_by": ("invitee.cancellation.canceled_by", "invitee.canceler_name"),
}

Part = dict[str, Json]


def _key(told: Any) -> str | None:
    return told.strip() if isinstance(told, str) and 0 < len(told.strip()) <= LONGEST_KEY else None


def _booking_key(told: Any) -> str:
    found = _key(told)
    if found is None:
        raise ValueError(
            f"payload.uri has to be the address of the invitee, of up to {LONGEST_KEY} characters"
        )
    return found


def _request_key(told: Any) -> str | None:
    scheme, _, name = told.partition(":") if isinstance(told, str) else ("", "", "")
    found = values.uuid(name) if scheme == "request" else None
    return f"request:{found}" if found else None


Key = Annotated[str | None, BeforeValidator(_key)]
RequestKey = Annotated[str | None, BeforeValidator(_request_key)]
Text = Annotated[str | None, BeforeValidator(values.text)]
Url = Annotated[str | None, BeforeValidator(lambda told: values.text(told, LONGEST_URL))]
Moment = Annotated[datetime | None, BeforeValidator(values.iso)]


class Booking(BaseModel):
    """What an event tells of an invitee."""

    model_config = ConfigDict(frozen=True)

    booking_key: Annotated[str, BeforeValidator(_booking_key)] = Field(
        description="the address of the invitee"
    )
    at: Moment = None
    old_key: Key = None
    new_key: Key = None
    rescheduled: Annotated[bool, BeforeValidator(lambda told: told is True)] = False
    no_show: Key = None
    phone_id: Text = None
    request_key: RequestKey = None
    event_type: Text = None
    name: Text = None
    invitee_name: Text = None
    invitee_email: Text = None
    invitee_phone: Text = None
    starts_at: Moment = None
    ends_at: Moment = None
    timezone: Text = None
    location: Url = None
    cancel_url: Url = None
    reschedule_url: Url = None
    cancel_reason: Text = None
    canceled_by: Text = None
    answers: list[dict[str, str]] | None = None


def read(inbound: Inbound, payload: Part) -> Reading:
    """Return an event's type and, for one that we do something with, the fields of its Booking."""
    told = values.text(payload.get("event")) or values.text(payload.get("type"))
    if told is None:
        raise Malformed("Field 'event': found nothing, wanted a text.")
    event_type = ALIASES.get(told, told)
    found = booking(payload) if event_type in HANDLED else payload
    return Reading(event_type=event_type, conversation_id=None, payload=found)


def project(reading: Reading) -> Part:
    """Return which booking is meant: no name, address or answer of an invitee."""
    shown = {"booking_key", "old_key", "new_key", "rescheduled", "name", "starts_at", "ends_at"}
    told = Booking.model_validate(reading.payload).model_dump(mode="json", include=shown)
    return {name: value for name, value in told.items() if value is not None}


def booking(envelope: Part) -> Part:
    """Return the fields of the Booking that an event is about, not validated yet."""
    payload = _object(envelope.get("payload"))
    event = _object(payload.get("scheduled_event")) or _object(payload.get("event"))
    invitee = _object(payload.get("invitee")) or payload
    parts = {"envelope": envelope, "payload": payload, "event": event, "invitee": invitee}
    asked = _answers(_first(parts, ("payload.questions_and_answers", *_OF_INVITEE)))
    return {
        **{name: _first(parts, paths) for name, paths in FIELDS.items()},
        "booking_key": _invitee(payload.get("invitee"), event)
        or _invitee(payload, event)
        or payload.get("id"),
        "old_key": _other(parts, "old"),
        "new_key": _other(parts, "new"),
        "phone_id": _phone_id(parts, asked),
        "answers": asked or None,
    }


_OF_INVITEE = ("invitee.questions_and_answers",)


def _invitee(told: Json, event: Part) -> Json:
    """Return the address of an invitee, told by it, or by ids as the first API does."""
    if not isinstance(told, dict):
        return told
    if values.text(told.get("uri")):
        return told["uri"]
    ids = values.text(event.get("uuid")), values.text(told.get("uuid"))
    return f"{API}/scheduled_events/{ids[0]}/invitees/{ids[1]}" if all(ids) else None


def _other(parts: dict[str, Part], which: str) -> Json:
    """Return the address of the invitee before (`old`) or after (`new`) this one."""
    told = _first(parts, (f"payload.{which}_invitee", f"invitee.{which}_invitee"))
    return _invitee(told, _object(parts["payload"].get(f"{which}_event")))


def _phone_id(parts: dict[str, Part], asked: list[dict[str, str]]) -> str | None:
    """Return the first UUID where a phone may be named, else the first that is an answer."""
    told = [values.at(parts, path) for path in PHONES] + [one["answer"] for one in asked]
    return next((phone for phone in map(values.uuid, told) if phone), None)


def _answers(told: Json) -> list[dict[str, str]]:
    entries = told if isinstance(told, list) else []
    return [
        {"question": values.text(entry.get("question")) or "", "answer": answer}
        for entry in entries[:MOST_ANSWERS]
        if isinstance(entry, dict) and (answer := values.text(entry.get("answer")))
    ]


def _first(parts: dict[str, Part], paths: tuple[str, ...]) -> Json:
    found = (values.at(parts, path) for path in paths)
    return next((value for value in found if value not in (None, "")), None)


def _object(told: Json) -> Part:
    return told if isinstance(told, dict) else {}

"""What the events of Calendly do.

An invitee is a booking. Rescheduling cancels one and creates another; both are told, in any order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from services.effects import Effects, Record, record
from services.provider import EventType, Lookups
from services.providers.calendly.reading import Booking

# A canceled invitee never comes back: rescheduling makes another one.
ACTIVE, CANCELED, RESCHEDULED = 1, 2, 3
# The fields of a booking's row that are told as they are.
DETAILS = (
    "event_type", "name", "invitee_name", "invitee_email", "invitee_phone", "starts_at", "ends_at",
    "timezone", "location", "cancel_url", "reschedule_url", "cancel_reason", "canceled_by",
    "answers", "request_key",
)  # fmt: skip
TITLES = {
    "booking.created": "{who} booked {what}",
    "booking.rescheduled": "{who} rescheduled {what}",
    "booking.canceled": "{what} with {who} was canceled",
    "booking.no_show": "{who} did not come to {what}",
}


def book(booking: Booking, lookups: Lookups) -> Effects:
    """Return the row of a booking, and that somebody has booked or rescheduled."""
    key = booking.booking_key
    kind, fact = (
        ("rescheduled", f"rescheduled:{key}") if booking.old_key else ("created", f"created:{key}")
    )
    told = _notification(booking, f"booking.{kind}", key, fact, rank=2)
    return Effects(records=(*_rows(booking, ("active", ACTIVE)), told))


def cancel(booking: Booking, lookups: Lookups) -> Effects:
    """Return a booking's end; rescheduling is told once, whichever half of it comes first."""
    if booking.new_key:
        key = f"rescheduled:{booking.new_key}"
        told = _notification(booking, "booking.rescheduled", booking.new_key, key, rank=1)
        return Effects(records=(*_rows(booking, ("rescheduled", RESCHEDULED)), told))
    if booking.rescheduled:  # as what, the other half tells
        return Effects(records=_rows(booking, ("rescheduled", RESCHEDULED)))
    key = booking.booking_key
    told = _notification(booking, "booking.canceled", key, f"canceled:{key}")
    return Effects(records=(*_rows(booking, ("canceled", CANCELED)), told))


def miss(booking: Booking, lookups: Lookups) -> Effects:
    """Return that nobody came."""
    key = booking.booking_key
    fact = f"no_show:{key}:{booking.no_show or _seconds(booking)}"
    told = _notification(booking, "booking.no_show", key, fact)
    return Effects(records=(*_rows(booking, no_show=True), told))


def forgive(booking: Booking, lookups: Lookups) -> Effects:
    """Return that somebody came after all; nobody is told."""
    return Effects(records=_rows(booking, no_show=False))


def once(name: str) -> Callable[[Booking, str], str]:
    """Return a key for what happens to an invitee once."""
    return lambda booking, body_sha256: f"{booking.booking_key}:{name}"


def again(name: str) -> Callable[[Booking, str], str]:
    """Return a key for what can happen again: Calendly gives its events no id."""
    return lambda booking, body_sha256: (
        f"{booking.booking_key}:{name}:{_seconds(booking) or body_sha256}"
    )


def _rows(
    booking: Booking, status: tuple[str, int] | None = None, no_show: bool | None = None
) -> tuple[Record, ...]:
    """Return all that an event tells of its booking, the one before, and the one after it."""
    details = {name: getattr(booking, name) for name in DETAILS}
    links = {"rescheduled_from": booking.old_key, "rescheduled_to": booking.new_key}
    rows = [
        _row(
            booking.booking_key,
            _seconds(booking),
            **details,
            **links,
            told_phone_id=booking.phone_id,
            no_show=no_show,
        )
    ]
    if status:
        rows.append(_row(booking.booking_key, status[1], status=status[0]))
    if booking.old_key:
        after = {"rescheduled_to": booking.booking_key, "status": "rescheduled"}
        rows.append(_row(booking.old_key, RESCHEDULED, **after))
    if booking.new_key:
        before = {"rescheduled_from": booking.booking_key, "status": "active"}
        rows.append(_row(booking.new_key, ACTIVE, **before))
    # In one order, so that two halves of a rescheduling wait for each other, not both.
    return tuple(sorted(rows, key=lambda row: row.key["booking_key"]))


def _row(key: str, rank: float, **told: Any) -> Record:
    return record("bookings", rank, key={"booking_key": key}, **told)


def _notification(booking: Booking, kind: str, about: str, fact: str, rank: float = 0) -> Record:
    who, what = booking.invitee_name or "Somebody", booking.name or "an appointment"
    starts_at = booking.starts_at if about == booking.booking_key else None
    details = {
        "invitee_name": booking.invitee_name,
        "name": booking.name,
        "starts_at": starts_at and starts_at.isoformat(),
    }
    return record(
        "notifications",
        rank,
        key={"notification_key": fact},
        booking_key=about,
        kind=kind,
        title=TITLES[kind].format(who=who, what=what),
        details={name: value for name, value in details.items() if value is not None},
    )


def _seconds(booking: Booking) -> float:
    return booking.at.timestamp() if booking.at else 0


EVENTS = {
    "invitee.created": EventType(model=Booking, handler=book, key=once("created")),
    "invitee.canceled": EventType(model=Booking, handler=cancel, key=once("canceled")),
    "invitee_no_show.created": EventType(model=Booking, handler=miss, key=again("no_show")),
    "invitee_no_show.deleted": EventType(
        model=Booking, handler=forgive, key=again("no_show_undone")
    ),
}

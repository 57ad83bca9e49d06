"""What a row that names a person stands for: a conversation, an event, or a row of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]
Item = dict[str, Any]
REQUEST = "request:"
"""With it begins what a booking's link carries to Calendly and back: whoever books can write it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A table that is searched, and which of its columns lead on."""

    key: tuple[str, ...] = ("id",)
    conversation: str | None = None
    """The column with the sender's id of a conversation: all of that is the person's."""
    ref: str | None = None
    """The column with the id of our conversation's row."""
    links: tuple[str, ...] = ()
    """Columns with names by which senders tell more of the same thing, and nobody else can."""
    shared: tuple[str, ...] = ()
    """Columns with names that stand in rows of several people, or that somebody else may choose."""
    people: tuple[str, ...] = ()
    """Columns that say whose a row is."""
    marks: tuple[str, ...] = ()
    """Those of them that are not to come back."""


_OF_CONVERSATION = Place(conversation="conversation_id")

PLACES: dict[str, Place] = {
    "private.webhook_inbox": _OF_CONVERSATION,
    "private.event_attempts": Place(),
    "private.rejected_events": Place(),
    "private.outgoing_events": Place(ref="conversation_id"),
    "public.webhook_deliveries": Place(ref="conversation_id"),
    "public.delivery_attempts": Place(),
    "public.conversations": Place(conversation="conversation_id", ref="id"),
    "public.conversation_messages": _OF_CONVERSATION,
    "public.tool_calls": _OF_CONVERSATION,
    "private.tool_runs": Place(
        key=("conversation_id", "tool_call_id"), conversation="conversation_id"
    ),
    "public.qualification_data": _OF_CONVERSATION,
    "private.objective_completions": Place(
        key=("conversation_id", "objective_name", "event_key"), conversation="conversation_id"
    ),
    "public.feedback_sessions": Place(ref="conversation_id"),
    "private.feedback_analyses": Place(key=("conversation_id",), ref="conversation_id"),
    "public.processed_webhook_events": _OF_CONVERSATION,
    "private.conversation_facts": Place(
        key=("conversation_id", "kind"), conversation="conversation_id"
    ),
    "private.reconciliations": Place(key=("conversation_id",), conversation="conversation_id"),
    "public.calls": Place(links=("call_sid",), marks=("call_sid",)),
    "public.call_recordings": Place(links=("recording_sid",), marks=("recording_sid",)),
    "public.call_transcriptions": Place(
        links=("transcription_sid",), marks=("transcription_sid", "transcription_key")
    ),
    "public.sms_messages": Place(links=("message_sid",), marks=("message_sid",)),
    "private.recording_copies": Place(key=("conversation_id", "source_url")),
    "public.bookings": Place(
        links=("booking_key",),
        shared=("request_key",),
        people=("invitee_email", "invitee_phone"),
        marks=("booking_key",),
    ),
    "public.notifications": Place(marks=("notification_key",)),
    "public.payments": Place(
        links=("stripe_id", "payment_intent", "invoice", "subscription"),
        shared=("customer",),
        people=("customer_email",),
        marks=("stripe_id", "payment_intent", "invoice", "subscription"),
    ),
    "public.received_messages": _OF_CONVERSATION,
}
"""Every table that is searched; `private.searched_places` has the same."""


def conversation_of(place: Place, row: Row) -> Item | None:
    """Return the conversation that a row belongs to, as an item to be erased."""
    item = {
        name: row[column]
        for name, column in (("conversation_id", place.conversation), ("ref", place.ref))
        if column and row.get(column)
    }
    if not item:
        return None
    # A source of one's own names its conversations itself: what it names is not another's.
    is_own = not str(row.get("source") or "tavus").startswith("tavus")
    return {"kind": "conversation", **item, **({"source": row["source"]} if is_own else {})}


def item_of(table: str, place: Place, row: Row) -> Item:
    """Return a row, or the event that it is or tells of, as an item to be erased."""
    if table == "private.webhook_inbox":
        return {"kind": "event", "id": row["id"]}
    if table == "private.event_attempts":
        return {"kind": "event", "id": row["event_id"]}
    return {"kind": "row", "table": table, "key": {name: row[name] for name in place.key}}


def links_of(place: Place, row: Row) -> Iterator[str]:
    """Yield the names by which senders tell more of what a row is about."""
    named = (str(row[name]) for name in place.links if row.get(name))
    return (name for name in named if not name.startswith(REQUEST))


def shared_of(place: Place, row: Row) -> Iterator[str]:
    """Yield the names that lead to rows of the same person, and to those of others."""
    yield from (str(row[name]) for name in place.shared if row.get(name))
    yield from (str(row[n]) for n in place.links if str(row.get(n) or "").startswith(REQUEST))


def has_in_column(place: Place, row: Row, name: str) -> bool:
    """Whether a name is all that a column for such names holds."""
    return any(row.get(column) == name for column in (*place.links, *place.shared))


def people_of(place: Place, row: Row) -> list[str]:
    """Return what a row says of whose it is."""
    return [str(row[name]) for name in place.people if row.get(name)]


def marks_of(table: str, place: Place, row: Row) -> Iterator[str]:
    """Yield the names of what is not to come back; see `private.names_of`."""
    if table == "public.received_messages":
        yield f"{row['source']}/{row['message_id']}"
    yield from (str(row[name]) for name in place.marks if row.get(name))

"""What a row that names a person stands for: a conversation, an event, or a row of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]
Item = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A table that is searched, and which of its columns lead on."""

    key: tuple[str, ...] = ("id",)
    conversation: str | None = None
    """The column with the sender's id of a conversation: all of that is the person's."""
    ref: str | None = None
    """The column with the id of our conversation's row."""
    links: tuple[str, ...] = ()
    """Columns with names by which senders tell more of the same thing."""
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
        links=("booking_key", "request_key"), marks=("booking_key", "request_key")
    ),
    "public.notifications": Place(marks=("notification_key",)),
    "public.payments": Place(
        links=("stripe_id", "payment_intent", "invoice", "subscription", "customer"),
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
    return {"kind": "conversation", **item} if item else None


def item_of(table: str, place: Place, row: Row) -> Item:
    """Return a row, or the event that it is or tells of, as an item to be erased."""
    if table == "private.webhook_inbox":
        return {"kind": "event", "id": row["id"]}
    if table == "private.event_attempts":
        return {"kind": "event", "id": row["event_id"]}
    return {"kind": "row", "table": table, "key": {name: row[name] for name in place.key}}


def links_of(place: Place, row: Row) -> Iterator[str]:
    """Yield the names by which senders tell more of what a row is about."""
    return (str(row[name]) for name in place.links if row.get(name))


def marks_of(table: str, place: Place, row: Row) -> Iterator[str]:
    """Yield the names of what is not to come back; see `private.names_of`."""
    if table == "public.received_messages":
        yield f"{row['source']}/{row['message_id']}"
    yield from (str(row[name]) for name in place.marks if row.get(name))

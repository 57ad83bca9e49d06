"""What Tavus tells when it is asked, as events that its callbacks could have been."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from services import redaction, security
from services.events import Event
from services.settings import Settings

PATH = "reconcile"
"""Stands in the inbox where a callback has the path that it was sent to."""
UNKNOWN_REASON = "not known to Tavus"
MAX_EVENTS = 1000
KINDS = frozenset({"system", "application", "conversation"})
"""What an event's type can start with that is its `message_type` too."""
# Where our token comes back to us: the callback URL is echoed under both names.
ECHOES = frozenset({redaction.ECHOED_URL, "callback_url"})

Json = Any


def secrets_of(settings: Settings) -> Callable[[uuid.UUID], tuple[str, ...]]:
    """Return what tells the tokens that a conversation's callback URL may carry."""

    def secrets(ref: uuid.UUID) -> tuple[str, ...]:
        keys = settings.callback_signing_keys
        return (
            *settings.tavus_webhook_tokens,
            *(security.callback_token(key, ref) for key in keys),
        )

    return secrets


def events_of(answer: Mapping[str, Json]) -> Iterator[dict[str, Json]]:
    """Return the events of an answer that are ones, and of this conversation.

    The answer may leave out what a callback says of its kind; the rows are to be the same.
    """
    events = answer.get("events")
    ours = (None, answer.get("conversation_id"))
    for event in events[:MAX_EVENTS] if isinstance(events, list) else []:
        is_event = isinstance(event, dict) and isinstance(event.get("event_type"), str)
        if is_event and event.get("conversation_id") in ours:
            kind = event["event_type"].partition(".")[0]
            told = {"message_type": kind} if kind in KINDS else {}
            yield told | event


def end_of(answer: Mapping[str, Json]) -> dict[str, Json]:
    """Return the end that an answer tells without the event for it."""
    reason, at = answer.get("shutdown_reason"), answer.get("updated_at")
    told = {"status": "ended", "end_reason": reason, "ended_at": at}
    return {"event_type": "conversation.ended", "timestamp": at, "properties": told}


def unknown_end() -> dict[str, Json]:
    """Return the end of a conversation that Tavus has forgotten: the least that an end can say."""
    told = {"status": "ended", "end_reason": UNKNOWN_REASON}
    # Its place, so that its key is not its bytes'.
    return {"event_type": "conversation.updated", "seq": PATH, "properties": told}


def is_recognisable(event: Event) -> bool:
    """Tell whether the callback of this very event would have the same key.

    One that only its bytes name would be stored again; one of no known type does nothing.
    """
    return event.state != "ignored" and event.body_sha256 not in event.event_key


def without_echoes(value: Json) -> Json:
    """Return a value without the callback URL, however deep."""
    if isinstance(value, dict):
        return {key: without_echoes(item) for key, item in value.items() if key not in ECHOES}
    if isinstance(value, list):
        return [without_echoes(item) for item in value]
    return value

"""What is kept on the conversation as it came: every payload under the name of its event type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from services.effects import NOTHING, ConversationChange, Effects
from services.provider import Lookups
from services.providers.tavus.event import ConversationEvent, Event
from services.providers.tavus.keys import bounded, fingerprint
from services.providers.tavus.models import Perception, PostCallAction
from services.providers.tavus.visible import visible


def about(event: ConversationEvent, event_type: str) -> ConversationChange:
    """Return what every event says about its conversation, the payload kept as metadata."""
    return ConversationChange(
        metadata_key=event_type,
        metadata=visible(event.payload),
        at=event.timestamp,
        persona_id=event.persona_id,
        replica_id=event.replica_id,
    )


def keep_as(event_type: str) -> Callable[[ConversationEvent, Lookups], Effects]:
    """Return a handler that keeps the payload in the metadata and does no more."""
    return lambda event, lookups: Effects(conversation=about(event, event_type))


def keep_perception(event: Perception, lookups: Lookups) -> Effects:
    """Keep the summary of what was seen, as text too."""
    change = about(event, "application.perception_analysis")
    return Effects(conversation=replace(change, perception_analysis=event.analysis))


def note(event: Event, lookups: Lookups) -> Effects:
    """Do nothing but let the event itself be stored and seen."""
    return NOTHING


def post_call_key(event: PostCallAction, body_sha256: str) -> str:
    """Return the key of one run of a post-call action: a tool may run with several requests."""
    return bounded(f"post_call:{event.tool_id or 'unnamed'}:{fingerprint(event.request)}")

"""What a browser relays of a Tavus call: app-messages that Tavus sends to it alone.

The browser is not Tavus. It may tell what was said, called, found out and seen; all of that ranks
below what Tavus says of the same. It cannot begin, end or name a conversation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from services.effects import Completion, ConversationChange, Effects, Json, Message, ToolCall
from services.errors import Malformed, Unauthorized
from services.inbound import Inbound
from services.provider import Call, Credential, EventType, Lookups, Provider, Reading
from services.providers.tavus.events import EVENTS
from services.providers.tavus.reading import read as read_callback
from services.providers.tavus.visible import project
from services.settings import Settings

SOURCE = "tavus-relay"
RELAYED = (
    "conversation.utterance",
    "conversation.tool_call",
    "conversation.tool_called",
    "conversation.perception_tool_call",
    "conversation.objective.completed",
    "application.perception_analysis",
    "application.perception_unavailable",
)
"""What may be relayed, by the name under which it is stored; its other names count too."""
PASSING = ("conversation.objective.activated", "conversation.objective.pending")
"""What may be relayed too, and is kept as it came: it does nothing."""

Row = TypeVar("Row", Message, ToolCall, Completion)


def verify(inbound: Inbound, settings: Settings) -> Credential:
    """Refuse: what proves a relayed message is the token of the person who relays it."""
    raise Unauthorized("App-messages are relayed with a person's token.")


def sign(call: Call, settings: Settings) -> Call:
    """Return no header: nothing but a person's token proves anything here."""
    return call


def read(inbound: Inbound, payload: dict[str, Json]) -> Reading:
    """Return an app-message as understood. Raises Malformed for what may not be relayed."""
    reading = read_callback(inbound, payload)
    if reading.event_type not in RELAYED + PASSING:
        raise Malformed(
            f"event_type: {reading.event_type[:100]!r} may not be relayed;"
            f" only {', '.join(RELAYED + PASSING)} may."
        )
    return reading


def as_relayed(effects: Effects) -> Effects:
    """Return of some effects what a browser may cause, marked as told by one."""
    return Effects(
        conversation=effects.conversation and _seen(effects.conversation),
        messages=tuple(_marked(message) for message in effects.messages),
        tool_call=effects.tool_call and _marked(effects.tool_call),
        completion=effects.completion and _marked(effects.completion),
        projections=effects.projections,
    )


def _marked(row: Row) -> Row:
    return replace(row, relayed=True)


def _seen(change: ConversationChange) -> ConversationChange | None:
    """Return what was seen in the call, and nothing else of its conversation."""
    if change.perception_analysis is None:
        return None
    return ConversationChange(
        metadata_key=change.metadata_key,
        metadata=change.metadata,
        at=change.at,
        perception_analysis=change.perception_analysis,
        relayed=True,
    )


def _relayed(handler: Callable[[Any, Lookups], Effects]) -> Callable[[Any, Lookups], Effects]:
    return lambda event, lookups: as_relayed(handler(event, lookups))


RELAY = Provider(
    name=SOURCE,
    paths=(),
    verify=verify,
    sign=sign,
    read=read,
    project=project,
    events={
        name: EventType(
            model=EVENTS[name].model,
            handler=_relayed(EVENTS[name].handler),
            key=EVENTS[name].key,
        )
        for name in RELAYED
    },
)

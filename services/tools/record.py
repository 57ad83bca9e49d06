"""A call of a tool as the event that is stored of it: the one that a callback of the call would be.

Both have the same key, so whichever comes second changes nothing.
"""

from __future__ import annotations

from dataclasses import replace

from services.events import Event, WebhookEventProcessingService
from services.provider import EventType
from services.providers.tavus import TAVUS
from services.providers.tavus.models import DeliveredCall
from services.providers.tavus.tools import call_tool, show_outcome, tool_call_key, tool_run_key
from services.tools.delivery import EVENT_TYPE, Delivery
from services.tools.tool import ToolResult

CALLED = EventType(model=DeliveredCall, handler=call_tool, key=tool_call_key)


def event_key(delivery: Delivery, events: WebhookEventProcessingService) -> str:
    """Return the key under which a callback of this very call is stored."""
    return _event(delivery, events, CALLED, deferred=True).event_key


def event_of(
    delivery: Delivery,
    events: WebhookEventProcessingService,
    outcome: ToolResult,
    *,
    acts_outside: bool,
    is_fact: bool,
    execution_time_ms: float | None,
) -> Event:
    """Return a call with its outcome; a fact outranks an outcome that was only computed."""
    entry = EventType(
        model=DeliveredCall,
        handler=lambda event, lookups: show_outcome(
            event, outcome, reported=is_fact, execution_time_ms=execution_time_ms
        ),
        # A callback runs nothing outside, so what this one brings is another fact than the call.
        key=tool_run_key if acts_outside else tool_call_key,
        projected=not acts_outside,
    )
    return _event(delivery, events, entry)


def _event(
    delivery: Delivery,
    events: WebhookEventProcessingService,
    entry: EventType,
    *,
    deferred: bool = False,
) -> Event:
    provider = replace(TAVUS, events={EVENT_TYPE: entry})
    return events.process(delivery.inbound, provider, delivery.credential, deferred=deferred)

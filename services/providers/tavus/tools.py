"""Calls of tools, whichever of the four ways they come, and their outcomes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from services.effects import Effects, Json, Projection, ToolCall
from services.provider import Lookups
from services.providers.tavus.keys import bounded, fingerprint, place
from services.providers.tavus.models import ToolCalled, ToolReported
from services.tool_calls import WebhookToolCallService
from services.tools.registry import TOOLS
from services.tools.tool import ToolResult, parse_arguments

FAILED = frozenset({"error", "failed", "failure", "timeout"})


def call_tool(event: ToolCalled, lookups: Lookups) -> Effects:
    """Run the tool, store the call, and show its outcome.

    One that acts outside is run only for a call over HTTP, which can be claimed first.
    """
    if event.name in TOOLS and TOOLS[event.name].acts_outside:
        return Effects(tool_call=_called(event, None))
    tools = WebhookToolCallService(lookups=lookups)
    return show_outcome(event, tools.run(event.name, event.arguments, event.conversation_id))


def show_outcome(
    event: ToolCalled,
    outcome: ToolResult,
    *,
    reported: bool = False,
    execution_time_ms: float | None = None,
) -> Effects:
    """Store a call with its outcome, and show it."""
    called = _called(event, outcome)
    return Effects(
        tool_call=replace(called, reported=reported, execution_time_ms=execution_time_ms),
        projections=(Projection(event_type="tool_call_result", event_data=_data(event, outcome)),),
    )


def call_perception_tool(event: ToolCalled, lookups: Lookups) -> Effects:
    """Run a tool that perception called, if it is one of ours.

    Perception tools are mostly flags that an app watches for ("is_smiling"). Nobody waits for their
    outcome, so one that we do not know is stored without an outcome, not shown as an error.
    """
    if event.name in TOOLS:
        return call_tool(event, lookups)
    return Effects(tool_call=_called(event, None))


def report_tool(event: ToolReported, lookups: Lookups) -> Effects:
    """Store the outcome that whoever ran the tool reports."""
    tool_call = ToolCall(
        tool_call_id=bounded(event.tool_call_id),
        name=event.name,
        success=succeeded(event),
        result=event.result if event.error is None else {"error": event.error},
        execution_time_ms=event.execution_time_ms,
        finished_at=event.timestamp,
        reported=True,
    )
    return Effects(tool_call=tool_call)


def tool_call_key(event: ToolCalled, body_sha256: str) -> str:
    """Return the key of a call, one for all the shapes in which the same call comes."""
    return bounded(f"tool_call:{call_id(event)}")


def tool_run_key(event: ToolCalled, body_sha256: str) -> str:
    """Return the key of a call together with what it did outside, which only its run tells."""
    return bounded(f"tool_run:{call_id(event)}")


def tool_result_key(event: ToolReported, body_sha256: str) -> str:
    """Return the key of an outcome."""
    return bounded(f"tool_result:{event.tool_call_id}")


def call_id(event: ToolCalled) -> str:
    """Return the id of a call; one that has none is named by what was called in which inference,
    else by its place, else by its payload.
    """
    if event.tool_call_id:
        return bounded(event.tool_call_id)
    content = [event.name, parse_arguments(event.arguments) or event.arguments]
    # A browser may see one call twice, each time with another `seq`.
    if event.inference_id:
        return f"unnamed:{fingerprint([event.inference_id, content])}"
    return f"unnamed:{fingerprint(place(event, content) or event.payload)}"


def succeeded(event: ToolReported) -> bool | None:
    """Return whether a tool succeeded; an outcome without any word on that counts as a success."""
    if isinstance(event.success, bool):
        return event.success
    if event.error is not None or (event.status or "").lower() in FAILED:
        return False
    return True if event.status or event.result is not None else None


def _called(event: ToolCalled, outcome: ToolResult | None) -> ToolCall:
    return ToolCall(
        tool_call_id=call_id(event),
        name=event.name,
        arguments=_arguments(event.arguments),
        called_at=event.timestamp,
        success=outcome.success if outcome else None,
        result=outcome.content if outcome else None,
    )


def _arguments(told: Any) -> Json:
    parsed = parse_arguments(told)
    return told if parsed is None else parsed


def _data(event: ToolCalled, outcome: ToolResult) -> dict[str, Json]:
    said = {"result": outcome.result} if outcome.success else {"error": outcome.error}
    call = {"tool_name": event.name, "tool_call_id": call_id(event)}
    return {**call, "success": outcome.success, **said}

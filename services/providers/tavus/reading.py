"""What a body is: its canonical type and its conversation, whichever shape it comes in."""

from __future__ import annotations

from services.effects import Json
from services.errors import Malformed
from services.inbound import Inbound
from services.provider import Reading
from services.providers.tavus.assets import asset_type
from services.providers.tavus.conversations import END_STATUSES
from services.providers.tavus.events import EVENTS
from services.providers.tavus.fields import LONGEST_NAME, text
from services.providers.tavus.names import GUARDRAIL, canonical, rename_fields
from services.providers.tavus.places import hoist

Part = dict[str, Json]

WEBHOOK_PATH = "/api/tavus/webhook"
QUALIFICATION_PATH = "/api/webhook/qualification"
ENDING_PATH = "/functions/v1/tavus-webhook"

KNOWN = frozenset(EVENTS)
UNKNOWN = "unknown"
PARTS = ("properties", "data")

# Bodies without a type that have a field only one kind of event has.
MARKS = {
    "guardrail_name": GUARDRAIL,
    "objective_name": "conversation.objective.completed",
    "tool_call": "conversation.tool_called",
}


def read(inbound: Inbound, payload: Part) -> Reading:
    """Return a payload as understood: its type, its conversation, old names for renamed fields.

    Raises Malformed for a conversation id that cannot be one, and for an untyped call of the edge
    function's path that lacks what an end needs.
    """
    read_payload = _renamed(payload)
    named = conversation_id(payload)
    if named:
        read_payload["conversation_id"] = named
    told = told_type(payload)
    event_type = _type_of(inbound.path, read_payload, told)
    if told and "event_type" in payload:
        read_payload["event_type"] = event_type
    return Reading(event_type=event_type, conversation_id=named, payload=read_payload)


def told_type(payload: Part) -> str | None:
    """Return the type that a payload names, or None."""
    for field in ("event_type", "event", "type"):
        told = text(payload.get(field)) if isinstance(payload.get(field), str) else None
        if told and len(told) <= LONGEST_NAME and (field != "type" or _is_event_type(told)):
            return told
    return None


def classify(path: str, payload: Part) -> str:
    """Return the type of a payload that names none, by what it holds and by where it was sent."""
    path, flat = path.rstrip("/"), hoist(payload)
    mark = next((event_type for name, event_type in MARKS.items() if flat.get(name)), None)
    if mark:
        return mark
    if path == QUALIFICATION_PATH and _has_variables(payload, flat):
        return "conversation.objective.completed"
    if isinstance(flat.get("name"), str) and "arguments" in flat:
        return "conversation.tool_call"
    if path == ENDING_PATH:
        _require(flat, "conversation_id")
        if not isinstance(flat.get("transcript"), list):
            _require(flat, "status")
        return _by_status(flat) or "conversation.ended"
    asset = None if "conversation_id" in flat else asset_type(flat)
    return asset or _by_status(flat) or UNKNOWN


def conversation_id(payload: Part) -> str | None:
    """Return the id of the conversation, wherever it is told; None when it is told nowhere."""
    for part in (payload, *(payload.get(name) for name in PARTS)):
        told = part.get("conversation_id") if isinstance(part, dict) else None
        if isinstance(told, str | int) and not isinstance(told, bool):
            return _valid_id(told)
    return None


def _type_of(path: str, payload: Part, told: str | None) -> str:
    if told is None:
        return classify(path, payload)
    event_type = canonical(told, KNOWN)
    is_guardrail = event_type not in KNOWN and hoist(payload).get("guardrail_name")
    return GUARDRAIL if is_guardrail else event_type


def _valid_id(told: str | int) -> str:
    named = text(told)
    if named is None or len(named) > LONGEST_NAME:
        raise Malformed(
            f"Field 'conversation_id': found {'a blank' if told == '' else 'one that is no id'},"
            f" wanted a text of 1 to {LONGEST_NAME} characters."
        )
    return named


def _renamed(payload: Part) -> Part:
    properties = payload.get("properties")
    inner = {"properties": rename_fields(properties)} if isinstance(properties, dict) else {}
    return rename_fields(payload) | inner


def _is_event_type(told: str) -> bool:
    # `type` is a common name ("function", "text"), so it must look like an event's to count.
    return "." in told or canonical(told, KNOWN) in KNOWN


def _has_variables(payload: Part, flat: Part) -> bool:
    return "output_variables" in flat or bool(payload.get("properties"))


def _by_status(flat: Part) -> str | None:
    status = (text(flat.get("status")) or "").lower()
    if status == "active" and "conversation_id" in flat:
        return "conversation.updated"
    ended = status in END_STATUSES or isinstance(flat.get("transcript"), list)
    return "conversation.ended" if ended else None


def _require(flat: Part, *names: str) -> None:
    for name in names:
        if text(flat.get(name)) is None:
            raise Malformed(f"Field {name!r}: found nothing, wanted a text.")

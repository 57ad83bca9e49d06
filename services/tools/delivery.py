"""A call of a tool over HTTP, as it came: in Tavus's envelope, or its arguments alone."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from services import redaction, validation
from services.effects import Json
from services.errors import Malformed
from services.inbound import Inbound
from services.provider import Credential
from services.providers.tavus.fields import LONGEST_NAME, text
from services.providers.tavus.keys import bounded, fingerprint
from services.providers.tavus.models import ToolCalled
from services.providers.tavus.places import ENVELOPE, first, hoist
from services.providers.tavus.reading import conversation_id

EVENT_TYPE = "conversation.tool_call"
NAMELESS = "(no name)"
UNREADABLE = "(no JSON object)"
OURS = ("conversation_id", "tool_call_id")
"""Fields beside flat arguments that say which call this is; in the query they do too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A call of a tool. `inbound` holds it as the event that it stands for.

    `tool_call_id` is one of our own making where the caller sent none.
    """

    name: str
    arguments: Json
    tool_call_id: str
    conversation_id: str | None
    inbound: Inbound
    credential: Credential


def read_envelope(inbound: Inbound, credential: Credential) -> Delivery:
    """Return the call in an envelope {name, arguments, tool_call_id, conversation_id}.

    Raises Malformed for what is no JSON object, or names a conversation that cannot be one.
    """
    validation.check_content_type(inbound.headers.get("content-type", ""))
    payload = _payload(inbound, credential)
    flat = hoist(payload)
    return _delivery(
        inbound,
        credential,
        {
            **{name: flat[name] for name in ENVELOPE if name in flat},
            "name": first(flat, ToolCalled.places["name"]),
            "arguments": first(flat, ToolCalled.places["arguments"]),
            "tool_call_id": first(flat, ToolCalled.places["tool_call_id"]),
            "conversation_id": conversation_id(payload),
        },
    )


def read_flat(name: str, inbound: Inbound, credential: Credential) -> Delivery:
    """Return the call of a named tool; a body that holds an envelope is read as one.

    A body that is no JSON object makes a call with arguments that no tool takes. Raises Malformed
    for a conversation that cannot be one.
    """
    try:
        payload = _payload(inbound, credential) if inbound.body.strip() else {}
    except Malformed:
        arguments: Json = UNREADABLE
        told = _query(inbound)
    else:
        if payload.get("name") == name and "arguments" in payload:
            return read_envelope(inbound, credential)
        arguments = {field: value for field, value in payload.items() if field not in OURS}
        told = _query(inbound) | {field: payload[field] for field in OURS if field in payload}
    told |= {"name": validation.storable(name), "arguments": arguments}
    return _delivery(inbound, credential, {**told, "conversation_id": conversation_id(told)})


def _payload(inbound: Inbound, credential: Credential) -> dict[str, Json]:
    """Return the body without secrets: a tool may show what it was given."""
    payload = validation.parse_object(inbound.body)
    masked: dict[str, Json] = redaction.mask_payload(payload, credential.secrets)
    return masked


def _query(inbound: Inbound) -> dict[str, Json]:
    told = {name: inbound.query.get(name, "") for name in OURS}
    return {name: validation.storable(value) for name, value in told.items() if value}


def _delivery(inbound: Inbound, credential: Credential, told: Mapping[str, Any]) -> Delivery:
    name = (text(told.get("name")) or NAMELESS)[:LONGEST_NAME]
    conversation = told.get("conversation_id")
    call_id = text(told.get("tool_call_id"))
    if call_id and conversation is None:
        # Ids are of one conversation; the same one in another must not fetch this one's answer.
        call_id = f"{call_id}:{fingerprint([name, told.get('arguments')])[:16]}"
    call = {
        "timestamp": inbound.received_at.isoformat(),
        **{field: value for field, value in told.items() if value is not None},
        "event_type": EVENT_TYPE,
        "name": name,
        "tool_call_id": bounded(call_id or f"http:{uuid.uuid4().hex}"),
    }
    body = json.dumps(call).encode()
    return Delivery(
        name=name,
        arguments=call.get("arguments"),
        tool_call_id=call["tool_call_id"],
        conversation_id=conversation,
        inbound=replace(inbound, body=body, query={}),
        credential=credential,
    )

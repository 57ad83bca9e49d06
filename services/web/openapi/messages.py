"""What we send to endpoints, as the document's `webhooks` have it: with the samples of tests."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from services.outgoing.endpoint_request import EVENT_TYPES

HEADERS = {
    "webhook-id": "Names the message: the same over all attempts.",
    "webhook-timestamp": "Seconds since 1970 at this attempt.",
    "webhook-signature": "`v1,<base64 HMAC-SHA256 of id, time and body>` by the endpoint's secret;"
    " of several, separated by spaces, one is enough.",
}
SCHEMA = {
    "type": "object",
    "required": ["timestamp", "data"],
    "properties": {
        "type": {
            "type": "string",
            "description": "Messages lack it: X-Convohooks-Event has it.",
        },
        "conversation_id": {"type": "string", "description": "Of messages: whose they are."},
        "timestamp": {"type": "string", "format": "date-time"},
        "data": {"type": "object"},
    },
}


def _message(event_type: str) -> dict[str, Any]:
    sample = files("services") / "samples" / "outgoing" / f"{event_type}.json"
    content = {"schema": SCHEMA, "example": json.loads(sample.read_text())}
    return {
        "operationId": f"on_{event_type.replace('.', '_')}",
        "summary": f"We tell an endpoint of `{event_type}`",
        "tags": ["Endpoints"],
        "security": [],
        "parameters": [
            {
                "name": name,
                "in": "header",
                "required": True,
                "description": told,
                "schema": {"type": "string"},
            }
            for name, told in HEADERS.items()
        ],
        "requestBody": {"required": True, "content": {"application/json": content}},
        "responses": {"2XX": {"description": "Taken; anything else is tried again."}},
    }


MESSAGES = {event_type: {"post": _message(event_type)} for event_type in EVENT_TYPES}

"""Events that never happened, one of each type, for testing an endpoint."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any
from uuid import uuid4

from services.outgoing.endpoint_request import EventType

Payload = dict[str, Any]


def sample(event_type: EventType, conversation_id: str | None = None) -> Payload:
    """Return a payload of a type, as new as now, of this conversation or of one made up."""
    file = files("services") / "samples" / "outgoing" / f"{event_type}.json"
    payload: Payload = json.loads(file.read_text())
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    fresh = {
        "conversation_id": conversation_id or str(uuid4()),
        "id": str(uuid4()),
        **dict.fromkeys(("timestamp", "created_at", "updated_at"), now),
    }
    return {**_renewed(payload, fresh), "data": _renewed(payload["data"], fresh)}


def _renewed(part: Payload, fresh: Payload) -> Payload:
    return {name: value and fresh.get(name, value) for name, value in part.items()}

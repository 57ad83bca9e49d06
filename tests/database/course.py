"""A whole conversation as the service sends it, from its start to its scores."""

from __future__ import annotations

from typing import Any

from tests.database import older
from tests.database.events import event

JOINED = {"started_at": "2026-03-01T06:45:47Z", "persona_id": "p1", "demo_id": older.OWNER}
ENDED = {
    "metadata_key": "system.shutdown",
    "metadata": {"reason": "left"},
    "at": "2026-03-01T06:50:47Z",
    "end": {"status": "ended", "at": "2026-03-01T06:50:47Z", "reason": "left"},
}
SAID = {"message_id": "m2", "role": "user", "content": "Hi", "timestamp": "2026-03-01T06:46:00Z"}
CALL = {"tool_call_id": "t1", "name": "fetch_video", "arguments": {}, "success": True}
CONTACT = {
    "objective_name": "contact",
    "variables": {"first_name": "Grace"},
    "columns": {"first_name": "Grace"},
    "raw_payload": {"c": 3},
}
TRANSCRIPT = [
    {"role": "user", "content": "Hi", "timestamp": "2026-03-01T06:46:00Z"},
    {"role": "assistant", "content": "Hello!", "timestamp": None},
]
FEEDBACK = {"score": 80, "analysis": {"overallScore": 80}, "analyzer": "rules"}


COURSE: dict[str, dict[str, Any]] = {
    "joined": {"conversation": JOINED},
    "said": {"messages": [SAID]},
    "called": {"tool_call": CALL},
    "completed": {"completion": CONTACT},
    "ended": {"conversation": ENDED},
    "transcribed": {"transcript": TRANSCRIPT, "feedback": FEEDBACK},
}


def course_of(conversation: str, ref: str | None = None) -> list[dict[str, Any]]:
    """Return the events of a conversation from its start to its scores."""
    return [
        event(conversation, fact, effects=effects, conversation_ref=ref)
        for fact, effects in COURSE.items()
    ]

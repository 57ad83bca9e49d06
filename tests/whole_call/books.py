"""What a call has left in the database, in a form in which two calls can be compared."""

from __future__ import annotations

import json
from typing import Any

import psycopg

from tests.database.events import rows

OF_THE_MOMENT = (
    "id",
    "version",
    "user_id",
    "created_at",
    "updated_at",
    "received_at",
    "finished_at",
    "execution_time_ms",
)
"""Columns that say who, when and how often, not what."""
TABLES = (
    "public.conversations",
    "public.conversation_messages",
    "public.tool_calls",
    "public.qualification_data",
    "private.conversation_facts",
    "private.objective_completions",
)


def books(db: psycopg.Connection, conversation_id: str) -> dict[str, Any]:
    """Return the rows of a conversation, without what differs from one call to the next."""
    found = {
        table: rows(
            db,
            f"select to_jsonb(t) as row from {table} t where conversation_id = %s",
            conversation_id,
        )
        for table in TABLES
    }
    found["public.feedback_sessions"] = rows(
        db,
        "select to_jsonb(f) - 'conversation_id' as row from public.feedback_sessions f"
        " join public.conversations c on c.id = f.conversation_id where c.conversation_id = %s",
        conversation_id,
    )
    found["public.processed_webhook_events"] = rows(
        db,
        "select jsonb_build_object('event_type', event_type, 'source', source) as row"
        " from public.processed_webhook_events where conversation_id = %s",
        conversation_id,
    )
    return {table: _plain(told, conversation_id) for table, told in found.items()}


def _plain(told: list[dict[str, Any]], conversation_id: str) -> list[Any]:
    lines = [
        {name: value for name, value in line["row"].items() if name not in OF_THE_MOMENT}
        for line in told
    ]
    for line in lines:
        if line.get("tool_call_id") == "call_video":
            line.pop("called_at")  # a call over HTTP is made when it arrives
    texts = sorted(
        json.dumps(line, sort_keys=True).replace(conversation_id, "<id>") for line in lines
    )
    return [json.loads(text) for text in texts]

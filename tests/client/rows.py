"""Rows that a watch is to tell of."""

from __future__ import annotations

import json
from typing import Any

import psycopg

INSERT = """
insert into public.processed_webhook_events (source, conversation_id, event_type, event_data)
values (%s, %s, %s, %s) returning seq
"""


def say(
    db: psycopg.Connection,
    conversation: str | None,
    said: str,
    *,
    event_type: str = "conversation.utterance",
    source: str = "tavus",
    **data: Any,
) -> int:
    """Put an event where browsers see it; return its seq."""
    told = json.dumps({"said": said, **data})
    row = db.execute(INSERT, [source, conversation, event_type, told]).fetchone()
    assert row is not None
    return int(row[0])

"""Rows that a test puts into the database itself."""

from __future__ import annotations

import json
import secrets

import psycopg


def create_conversation(db: psycopg.Connection, user_id: str | None, name: str = "Demo") -> str:
    """Make a conversation of somebody's; return the id that its sender calls it by."""
    conversation_id = f"c{secrets.token_hex(7)}"
    db.execute(
        "insert into public.conversations (conversation_id, user_id, conversation_name)"
        " values (%s, %s, %s)",
        [conversation_id, user_id, name],
    )
    return conversation_id


def create_video(db: psycopg.Connection, title: str, url: str) -> None:
    """Make a video that every demo may show."""
    db.execute(
        "insert into public.demo_videos (title, storage_url, duration_seconds) values (%s, %s, 2)",
        [title, url],
    )


def show_event(db: psycopg.Connection, conversation: str, event_type: str, **data: object) -> None:
    """Put a row where browsers see it, whatever the service itself would write."""
    db.execute(
        "insert into public.processed_webhook_events"
        " (source, conversation_id, event_type, event_data) values ('tavus', %s, %s, %s)",
        [conversation, event_type, json.dumps(data)],
    )

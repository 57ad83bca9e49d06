"""Events as `receive_events` takes them, and the call as the service makes it."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from typing import Any

import psycopg
from psycopg.types.json import Jsonb


def new_conversation_id() -> str:
    """Return a conversation id that no other test uses."""
    return f"c{uuid.uuid4().hex[:15]}"


def event(
    conversation_id: str | None,
    fact: str,
    *,
    effects: dict[str, Any] | None = None,
    **overrides: Any,
) -> dict[str, Any]:
    """Return an event about `fact` of a conversation, projected as its own type."""
    body = json.dumps({"conversation_id": conversation_id, "fact": fact}).encode()
    wanted = {
        "source": "tavus",
        "event_key": f"{conversation_id}:{fact}",
        "event_type": fact.partition(":")[0],
        "conversation_id": conversation_id,
        "body": base64.b64encode(body).decode(),
        "body_sha256": hashlib.sha256(body).hexdigest(),
        "headers": {},
        "state": "processed",
        "effects": effects or {},
        "projections": [{"event_type": fact.partition(":")[0], "event_data": {"fact": fact}}],
        "received_at": "2026-03-01T06:45:47.472+00:00",
        "duration_ms": 1.5,
        **overrides,
    }
    return {name: value for name, value in wanted.items() if value is not None}


def receive(db: psycopg.Connection, *events: dict[str, Any]) -> list[dict[str, Any]]:
    """Call receive_events as the service does: in one transaction, as service_role."""
    with db.transaction():
        db.execute("set local role service_role")
        row = db.execute("select public.receive_events(%s)", [Jsonb(list(events))]).fetchone()
    assert row is not None
    return list(row[0])


def make_conversation(db: psycopg.Connection, conversation_id: str | None, **columns: Any) -> str:
    """Insert a conversation as the service does; return its row's id."""
    row = {"conversation_id": conversation_id, **columns}
    names = ", ".join(row)
    marks = ", ".join(["%s"] * len(row))
    with db.transaction():
        db.execute("set local role service_role")
        made = db.execute(
            f"insert into public.conversations ({names}) values ({marks}) returning id",
            list(row.values()),
        ).fetchone()
    assert made is not None
    return str(made[0])


def rows(db: psycopg.Connection, sql: str, *arguments: Any) -> list[dict[str, Any]]:
    """Return what a query gives, a dict per row."""
    cursor = db.execute(sql, list(arguments))
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

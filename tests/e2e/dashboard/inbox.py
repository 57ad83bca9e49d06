"""Events as the dashboard's tests need them: failed, dead, hostile, many."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from services.local.stack import LocalStack
from tests.database.events import rows
from tests.e2e.callbacks import utterance
from tests.web.caller import SETTINGS, Caller

TRACEBACK = "Traceback (most recent call last):\n  File 'x.py', line 1\nValueError: Odd number"


def say(caller: Caller, conversation: str, speech: str) -> None:
    """Send what somebody said."""
    answer = caller.send(utterance(conversation, speech))
    assert answer.status_code == 200, answer.text


def inbox_id(db: psycopg.Connection, text: str) -> str:
    """Return the id of the event whose body holds a text."""
    [row] = rows(
        db,
        "select id from private.webhook_inbox where position(convert_to(%s, 'UTF8') in body) > 0",
        text,
    )
    return str(row["id"])


def let_fail(
    db: psycopg.Connection, event_id: str, state: str = "dead", error: str = TRACEBACK
) -> None:
    """Make an event one that has failed: for good, or to be tried again in an hour."""
    db.execute(
        "update private.webhook_inbox set state = %s, attempts = 6, last_error = %s,"
        " next_attempt_at = now() + interval '1 hour', finished_at = null where id = %s",
        [state, error, event_id],
    )
    db.execute(
        "insert into private.event_attempts (event_id, attempt, error) values (%s, 6, %s)",
        [event_id, error],
    )


def store_dead(db: psycopg.Connection, conversation: str, count: int, error: str = "Down") -> None:
    """Store dead events that a worker can handle, each with a speech of its own."""
    events = [
        (
            f"{conversation}:{secrets.token_hex(6)}",
            conversation,
            json.dumps(utterance(conversation, f"dead line {number}")).encode(),
            secrets.token_hex(32),
            error,
        )
        for number in range(count)
    ]
    with db.transaction(), db.cursor() as cursor:
        cursor.executemany(
            "insert into private.webhook_inbox (source, event_key, event_type, conversation_id,"
            " body, body_sha256, state, attempts, last_error, headers)"
            " values ('tavus', %s, 'conversation.utterance', %s, %s, %s, 'dead', 6, %s,"
            """ '{"content-type": "application/json"}')""",
            events,
        )


def empty_inbox(db: psycopg.Connection) -> None:
    """Remove every event, as if none had ever come."""
    db.execute("delete from private.webhook_inbox")
    db.execute("delete from public.processed_webhook_events")


@contextmanager
def running_worker(stack: LocalStack) -> Iterator[None]:
    """Let a worker run beside the service."""
    command = Path(sys.executable).with_name("convohooks")
    env = {**os.environ, **stack.env(), **SETTINGS}
    worker = subprocess.Popen([command, "worker"], env=env, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        worker.terminate()
        worker.wait(timeout=30)

"""Effects that wait for a conversation and cannot be applied once it is known."""

from __future__ import annotations

import uuid

import psycopg
from psycopg.types.json import Jsonb

from tests.database.events import event, make_conversation, new_conversation_id, receive, rows

BROKEN = {"conversation": {"started_at": "no time"}}


def test_failed_adoption_is_written_down_and_tried_again(db: psycopg.Connection) -> None:
    conversation = new_conversation_id()
    [stored] = receive(db, event(conversation, "joined", effects=BROKEN))

    make_conversation(db, conversation)

    [row] = rows(db, "select * from private.webhook_inbox where id = %s", stored["id"])
    [attempt] = rows(db, "select * from private.event_attempts where event_id = %s", stored["id"])
    assert (row["state"], row["effects"], row["finished_at"]) == ("failed", None, None)
    assert row["next_attempt_at"] is not None
    assert (attempt["attempt"], attempt["error"]) == (2, row["last_error"])
    assert "no time" in attempt["error"]


def test_failed_adoption_leaves_all_retries_to_an_event_that_had_used_them(
    db: psycopg.Connection,
) -> None:
    conversation, claim = new_conversation_id(), str(uuid.uuid4())
    [stored] = receive(db, event(conversation, "joined", state="received", effects=None))
    db.execute(
        "update private.webhook_inbox set attempts = 6, claim_id = %s where id = %s",
        [claim, stored["id"]],
    )
    handled = {"id": stored["id"], "state": "processed", "effects": BROKEN, "projections": []}
    db.execute("select public.finish_events(%s, %s)", [claim, Jsonb([handled])])

    make_conversation(db, conversation)

    [row] = rows(
        db,
        "select state, attempts, attempts - attempts_before as tries from private.webhook_inbox"
        " where id = %s",
        stored["id"],
    )
    assert row == {"state": "failed", "attempts": 7, "tries": 1}

"""A full disk, and a database that is only read, are no event's fault."""

from __future__ import annotations

import uuid

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.database.events import event, make_conversation, new_conversation_id, receive, rows

CODES = ("53100", "58030", "25006")
HAS_NO_ROOM = """
create function pg_temp.refuse() returns trigger language plpgsql as
$$ begin raise exception 'no room' using errcode = '{code}'; end $$;
create trigger refuse before {change} for each row {when} execute function pg_temp.refuse();
"""
INBOX = "insert on private.webhook_inbox"
MESSAGES = "insert on public.conversation_messages"
SAID = {"messages": [{"role": "user", "content": "Hello", "message_id": "m1"}]}


def has_no_room(db: psycopg.Connection, code: str, change: str, when: str = "") -> None:
    db.execute(HAS_NO_ROOM.format(code=code, change=change, when=when))


@pytest.mark.parametrize("change", [INBOX, MESSAGES])
@pytest.mark.parametrize("code", CODES)
def test_nothing_of_a_batch_is_stored(db: psycopg.Connection, code: str, change: str) -> None:
    conversation = new_conversation_id()
    make_conversation(db, conversation)
    batch = (event(conversation, "a"), event(conversation, "b", effects=SAID))

    with db.transaction(force_rollback=True):
        has_no_room(db, code, change)
        with pytest.raises(psycopg.Error) as refused:
            receive(db, *batch)

    assert refused.value.sqlstate == code
    assert [told["outcome"] for told in receive(db, *batch)] == ["new", "new"]


@pytest.mark.parametrize("code", CODES)
def test_nor_one_that_fails_at_the_same_time(db: psycopg.Connection, code: str) -> None:
    conversation = new_conversation_id()
    make_conversation(db, conversation)
    poison = {"messages": [{"role": "user", "content": "x", "message_id": "m", "confidence": "?"}]}
    failing = event(conversation, "a", effects=poison)

    with db.transaction(force_rollback=True):
        has_no_room(db, code, INBOX, "when (new.state = 'failed')")
        with pytest.raises(psycopg.Error) as refused:
            receive(db, failing)

    assert refused.value.sqlstate == code
    assert [told["outcome"] for told in receive(db, failing)] == ["failed"]


@pytest.mark.parametrize("code", CODES)
def test_no_attempt_of_an_event_is_spent(db: psycopg.Connection, code: str) -> None:
    conversation, claim = new_conversation_id(), str(uuid.uuid4())
    make_conversation(db, conversation)
    [stored] = receive(db, event(conversation, "a", state="failed", error="the first attempt"))
    db.execute(
        "update private.webhook_inbox set next_attempt_at = now() - interval '1 h' where id = %s",
        [stored["id"]],
    )
    rows(db, "select * from public.claim_events(%s, 1, 60)", claim)
    done = {"id": stored["id"], "state": "processed", "effects": SAID, "projections": []}
    finish = "select public.finish_events(%s, %s) as told"

    with db.transaction(force_rollback=True):
        has_no_room(db, code, MESSAGES)
        with pytest.raises(psycopg.Error) as refused:
            rows(db, finish, claim, Jsonb([done]))

    assert refused.value.sqlstate == code
    [row] = rows(db, finish, claim, Jsonb([done]))
    assert [told["outcome"] for told in row["told"]] == ["processed"]


@pytest.mark.parametrize("code", CODES)
def test_a_conversation_does_not_become_known_by_half(db: psycopg.Connection, code: str) -> None:
    conversation = new_conversation_id()
    ended = {"conversation": {"status": "completed", "ended_at": "2026-03-01T06:50:00Z"}}
    [stored] = receive(db, event(conversation, "shutdown", effects=ended))

    with db.transaction(force_rollback=True):
        has_no_room(db, code, "update on public.conversations")
        with pytest.raises(psycopg.Error) as refused:
            make_conversation(db, conversation)

    assert refused.value.sqlstate == code
    make_conversation(db, conversation)
    [row] = rows(db, "select state from private.webhook_inbox where id = %s", stored["id"])
    assert row["state"] == "processed"

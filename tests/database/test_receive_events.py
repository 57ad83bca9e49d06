"""public.receive_events: what one transaction stores, and what it answers."""

from __future__ import annotations

import dataclasses
import random
import threading

import psycopg
import pytest

from services.effects import Effects
from services.local.stack import LocalStack
from tests.database.events import event, make_conversation, new_conversation_id, receive, rows


def inbox(db: psycopg.Connection, conversation_id: str) -> list[dict]:
    return rows(
        db,
        "select * from private.webhook_inbox where conversation_id = %s order by seq",
        conversation_id,
    )


def projected(db: psycopg.Connection, conversation_id: str) -> list[str]:
    found = rows(
        db,
        "select event_type from public.processed_webhook_events where conversation_id = %s",
        conversation_id,
    )
    return sorted(row["event_type"] for row in found)


def test_new_event_is_stored_and_projected(db: psycopg.Connection) -> None:
    conversation = new_conversation_id()
    make_conversation(db, conversation)

    [result] = receive(db, event(conversation, "joined"))

    assert result["outcome"] == "new"
    assert result["known"] is True
    assert [row["state"] for row in inbox(db, conversation)] == ["processed"]
    assert projected(db, conversation) == ["joined"]


def test_repeat_is_answered_and_changes_nothing(db: psycopg.Connection) -> None:
    conversation = new_conversation_id()
    make_conversation(db, conversation)
    receive(db, event(conversation, "joined"))

    [alone] = receive(db, event(conversation, "joined"))
    together = receive(db, event(conversation, "joined"), event(conversation, "joined"))

    assert [alone["outcome"], *(r["outcome"] for r in together)] == ["duplicate"] * 3
    assert len(inbox(db, conversation)) == 1
    assert projected(db, conversation) == ["joined"]


def test_results_come_in_the_order_of_the_batch(db: psycopg.Connection) -> None:
    conversations = sorted((new_conversation_id() for _ in range(5)), reverse=True)
    receive(db, event(conversations[2], "joined"))

    results = receive(db, *(event(conversation, "joined") for conversation in conversations))

    outcomes = [result["outcome"] for result in results]
    assert outcomes == ["new", "new", "duplicate", "new", "new"]


def test_poisoned_event_fails_alone_and_is_kept(db: psycopg.Connection) -> None:
    conversation = new_conversation_id()
    make_conversation(db, conversation)
    poison = {"messages": [{"role": "user", "content": "hi", "message_id": "m", "confidence": "?"}]}

    results = receive(
        db,
        event(conversation, "a"),
        event(conversation, "b", effects=poison),
        event(conversation, "c"),
    )

    assert [result["outcome"] for result in results] == ["new", "failed", "new"]
    states = {row["event_type"]: row["state"] for row in inbox(db, conversation)}
    assert states == {"a": "processed", "b": "failed", "c": "processed"}
    assert projected(db, conversation) == ["a", "c"]
    attempts = rows(
        db,
        "select a.error from private.event_attempts a join private.webhook_inbox i"
        " on i.id = a.event_id where i.conversation_id = %s",
        conversation,
    )
    assert len(attempts) == 1


def test_effects_of_newer_code_than_the_schema_fail_and_wait(db: psycopg.Connection) -> None:
    conversation_id = new_conversation_id()
    make_conversation(db, conversation_id)
    newer = {"conversation": {"persona_id": "p1"}, "mood": {"value": "glad"}}

    told = receive(db, event(conversation_id, "a", effects=newer), event(conversation_id, "b"))

    assert [result["outcome"] for result in told] == ["failed", "new"]
    assert told[0]["error"] == (
        "This schema does not know the effects mood: it is older than the code"
    )
    [row] = rows(
        db,
        "select persona_id from public.conversations where conversation_id = %s",
        conversation_id,
    )
    assert row == {"persona_id": None}


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Effects)])
def test_the_schema_knows_every_effect_of_the_code(name: str, db: psycopg.Connection) -> None:
    conversation_id = new_conversation_id()
    make_conversation(db, conversation_id)

    [told] = receive(db, event(conversation_id, name, effects={name: None}))

    assert "does not know" not in told.get("error", "")


def test_event_that_cannot_even_be_stored_is_said_to_be_unstored(db: psycopg.Connection) -> None:
    conversation = new_conversation_id()

    results = receive(db, event(conversation, "a", body="not base64!"), event(conversation, "b"))

    assert [result["outcome"] for result in results] == ["unstored", "new"]


def test_event_of_an_unknown_conversation_waits_for_it(db: psycopg.Connection) -> None:
    conversation = new_conversation_id()
    change = {"conversation": {"started_at": "2026-03-01T06:45:47Z", "replica_id": "r1"}}

    [result] = receive(db, event(conversation, "joined", effects=change))

    assert result["known"] is False
    assert [row["state"] for row in inbox(db, conversation)] == ["unmatched"]
    assert projected(db, conversation) == ["joined"]

    make_conversation(db, conversation)

    assert [(row["state"], row["effects"]) for row in inbox(db, conversation)] == [
        ("processed", None)
    ]
    [row] = rows(db, "select * from public.conversations where conversation_id = %s", conversation)
    assert row["replica_id"] == "r1"
    assert row["started_at"] is not None


def test_token_binds_a_row_that_has_no_conversation_yet(db: psycopg.Connection) -> None:
    conversation = new_conversation_id()
    ref = make_conversation(db, None)

    [result] = receive(db, event(conversation, "joined", conversation_ref=ref))

    assert result["outcome"] == "new"
    assert result["known"] is True
    [row] = rows(db, "select conversation_id from public.conversations where id = %s", ref)
    assert row["conversation_id"] == conversation


def test_token_of_one_conversation_opens_no_other(db: psycopg.Connection) -> None:
    mine, other, bound = new_conversation_id(), new_conversation_id(), new_conversation_id()
    ref = make_conversation(db, mine)
    unbound_ref = make_conversation(db, None)
    make_conversation(db, bound)
    gone = "00000000-0000-4000-8000-000000000000"

    results = receive(
        db,
        event(other, "joined", conversation_ref=ref),
        event(bound, "joined", conversation_ref=unbound_ref),
        event(other, "ended", conversation_ref=gone),
    )

    assert [result["outcome"] for result in results] == ["forbidden"] * 3
    assert inbox(db, other) == inbox(db, bound) == []
    assert projected(db, other) == projected(db, bound) == []


def test_event_without_a_conversation_takes_the_one_of_its_token(db: psycopg.Connection) -> None:
    conversation = new_conversation_id()
    ref = make_conversation(db, conversation)

    receive(db, event(None, "note", event_key=f"{ref}:note", conversation_ref=ref))

    assert [row["event_type"] for row in inbox(db, conversation)] == ["note"]


def test_rejected_call_is_kept_once_per_body(db: psycopg.Connection) -> None:
    conversation = new_conversation_id()
    unreadable = event(conversation, "?", rejected="The body is not JSON.", path="/x")

    results = receive(db, unreadable, unreadable)

    assert [result["outcome"] for result in results] == ["rejected", "rejected"]
    [row] = rows(
        db,
        "select reason, times from private.rejected_events where body_sha256 = %s",
        unreadable["body_sha256"],
    )
    assert row == {"reason": "The body is not JSON.", "times": 2}


def test_ignored_event_is_stored_and_not_shown(db: psycopg.Connection) -> None:
    conversation = new_conversation_id()

    receive(db, event(conversation, "odd", state="ignored", effects=None, projections=[]))

    assert [row["state"] for row in inbox(db, conversation)] == ["ignored"]
    assert projected(db, conversation) == []


def test_empty_batch_is_answered_with_nothing(db: psycopg.Connection) -> None:
    assert receive(db) == []


def test_overlapping_batches_at_once_neither_deadlock_nor_double(
    db: psycopg.Connection, stack: LocalStack
) -> None:
    conversations = [new_conversation_id() for _ in range(8)]
    for conversation in conversations[::2]:
        make_conversation(db, conversation)
    batch = [event(c, f"fact{n}") for c in conversations for n in range(8)]
    failures: list[BaseException] = []

    def send() -> None:
        try:
            with psycopg.connect(stack.database_url, autocommit=True) as own:
                receive(own, *random.sample(batch, len(batch)))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert all(len(inbox(db, conversation)) == 8 for conversation in conversations)
    assert all(len(projected(db, conversation)) == 8 for conversation in conversations)


def test_times_ages_apart_fail_no_event(db: psycopg.Connection) -> None:
    conversation = new_conversation_id()
    make_conversation(db, conversation)
    began = {"conversation": {"started_at": "1990-01-02T00:00:00Z"}}
    ended = {"conversation": {"end": {"status": "completed", "at": "2199-01-02T00:00:00Z"}}}

    receive(db, event(conversation, "joined", effects=began))
    [result] = receive(db, event(conversation, "shutdown", effects=ended))

    assert result["outcome"] == "new"
    [row] = rows(
        db,
        "select status, duration_seconds from public.conversations where conversation_id = %s",
        conversation,
    )
    assert row == {"status": "completed", "duration_seconds": None}

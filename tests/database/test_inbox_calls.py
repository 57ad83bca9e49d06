"""The inbox's functions one call at a time: what is due, whose it is, and what becomes of it."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from services.local.stack import LocalStack
from tests.database.endpoints import call
from tests.database.events import event, make_conversation, new_conversation_id, receive, rows
from tests.waiting import until

STATE = """
select state, attempts, attempts_before, claim_id, last_error, pruned_at,
    round(extract(epoch from next_attempt_at - now()))::integer as due_in
from private.webhook_inbox where id = %s
"""


@pytest.fixture(autouse=True)
def _alone(db: psycopg.Connection) -> None:
    """Put off what other tests left waiting, which every claim would bring."""
    db.execute(
        "update private.webhook_inbox set next_attempt_at = now() + interval '1 day'"
        " where state in ('received', 'failed')"
    )


def deferred(db: psycopg.Connection, conversation: str | None = None, **overrides: Any) -> str:
    """Store an event that is the worker's; return its id."""
    conversation = conversation or new_conversation_id()
    parts = {"state": "received", "projections": None, **overrides}
    [result] = receive(db, event(conversation, uuid.uuid4().hex, **parts))
    return str(result["id"])


def state(db: psycopg.Connection, event_id: str) -> dict[str, Any]:
    [row] = rows(db, STATE, event_id)
    return row


def due_since(db: psycopg.Connection, event_id: str, seconds: float) -> None:
    db.execute(
        "update private.webhook_inbox set next_attempt_at = now() - make_interval(secs => %s)"
        " where id = %s",
        [seconds, event_id],
    )


def claim(db: psycopg.Connection, most: int = 100, lease: float = 60) -> tuple[str, list[Any]]:
    token = str(uuid.uuid4())
    return token, call(db, "claim_events", token, most, lease)


def finish(db: psycopg.Connection, token: str, event_id: str, **told: Any) -> str:
    [answer] = call(db, "finish_events", token, [{"id": event_id, **told}])
    return str(answer["outcome"])


# Claims


def test_the_longest_due_are_claimed_and_no_more_than_asked_for(db: psycopg.Connection) -> None:
    ids = [deferred(db) for _ in range(4)]
    for event_id, seconds in zip(ids, (10, 40, 20, 30), strict=True):
        due_since(db, event_id, seconds)

    _, claimed = claim(db, most=2)

    assert [each["id"] for each in claimed] == [ids[1], ids[3]]
    assert [each["tries"] for each in claimed] == [1, 1]


def test_what_somebody_else_has_locked_is_passed_over(
    db: psycopg.Connection, stack: LocalStack
) -> None:
    locked, free = deferred(db), deferred(db)
    with psycopg.connect(stack.database_url) as other:
        other.execute("select from private.webhook_inbox where id = %s for update", [locked])
        db.execute("set lock_timeout = '2s'")
        _, claimed = claim(db)

    assert [each["id"] for each in claimed] == [free]


def test_a_failed_attempt_frees_the_event_until_its_wait_is_over(db: psycopg.Connection) -> None:
    event_id = deferred(db)
    token, _ = claim(db)

    assert finish(db, token, event_id, error="broken", retry_seconds=90) == "failed"

    told = state(db, event_id)
    assert (told["claim_id"], told["last_error"]) == (None, "broken")
    assert 60 < told["due_in"] <= 90
    assert claim(db)[1] == []
    due_since(db, event_id, 1)
    assert [each["tries"] for each in claim(db)[1]] == [2]


def test_a_claim_is_extended_and_no_other(db: psycopg.Connection) -> None:
    mine, others = deferred(db), deferred(db)
    due_since(db, mine, 10)
    token, _ = claim(db, most=1)
    claim(db)

    assert call(db, "extend_claim", token, 600) == 1

    assert 500 < state(db, mine)["due_in"] <= 600
    assert state(db, others)["due_in"] <= 60


@pytest.mark.parametrize("outcome", ["processed", "ignored"])
def test_what_is_finished_is_nobodys_and_never_due(db: psycopg.Connection, outcome: str) -> None:
    conversation = new_conversation_id()
    make_conversation(db, conversation)
    event_id = deferred(db, conversation)
    token, _ = claim(db)

    assert finish(db, token, event_id, state=outcome, effects={}, projections=[]) == outcome

    told = state(db, event_id)
    assert (told["state"], told["claim_id"], told["due_in"]) == (outcome, None, None)
    assert finish(db, token, event_id, state=outcome, effects={}, projections=[]) == "lost"


# Receiving


def test_what_is_left_to_the_worker_is_deferred(db: psycopg.Connection) -> None:
    [result] = receive(db, event(new_conversation_id(), "later", state="received"))

    assert (result["outcome"], result["state"]) == ("deferred", "received")
    assert state(db, result["id"])["attempts"] == 0


def test_what_cannot_be_received_is_kept_once(db: psycopg.Connection) -> None:
    poison = event(new_conversation_id(), "odd", conversation_ref="no id of a row")

    outcomes = [receive(db, poison)[0]["outcome"] for _ in range(2)]

    assert outcomes == ["failed", "duplicate"]


def test_an_event_that_arrives_while_its_conversation_is_made_waits_for_it(
    db: psycopg.Connection, stack: LocalStack
) -> None:
    conversation = new_conversation_id()
    with (
        psycopg.connect(stack.database_url) as maker,
        psycopg.connect(stack.database_url, autocommit=True) as sender,
        ThreadPoolExecutor(1) as pool,
    ):
        maker.execute("select")  # a transaction that goes on after the row is made
        make_conversation(maker, conversation)
        sent = pool.submit(receive, sender, event(conversation, "joined"))
        until(lambda: sent.done() or is_blocked(db, sender))
        maker.commit()
        [result] = sent.result()

    assert (result["known"], result["state"]) == (True, "processed")


def is_blocked(db: psycopg.Connection, other: psycopg.Connection) -> bool:
    [row] = rows(db, "select pg_blocking_pids(%s) <> '{}' as blocked", other.info.backend_pid)
    return bool(row["blocked"])


def test_only_what_waits_for_a_conversation_is_adopted_with_it(db: psycopg.Connection) -> None:
    conversation = new_conversation_id()
    ignored = deferred(db, conversation, state="ignored")
    waiting = deferred(db, conversation)
    matched = deferred(db, conversation, state="processed")

    make_conversation(db, conversation)

    states = [state(db, event_id)["state"] for event_id in (ignored, waiting, matched)]
    assert states == ["ignored", "received", "processed"]


# Replay and purge


def test_replayed_is_due_at_once_with_all_its_tries(db: psycopg.Connection) -> None:
    event_id = deferred(db)
    token, _ = claim(db)
    finish(db, token, event_id, error="broken")

    assert call(db, "replay_events", {"id": event_id}) == 1

    told = state(db, event_id)
    assert (told["state"], told["attempts_before"]) == ("received", 1)
    assert told["due_in"] <= 0
    assert [(each["id"], each["tries"]) for each in claim(db)[1]] == [(event_id, 1)]


def test_what_a_worker_has_in_hand_or_has_lost_its_body_is_not_replayed(
    db: psycopg.Connection,
) -> None:
    in_hand, pruned, neither = deferred(db), deferred(db), deferred(db)
    due_since(db, in_hand, 10)
    claim(db, most=1)
    db.execute("update private.webhook_inbox set pruned_at = now() where id = %s", [pruned])

    assert call(db, "replay_events", {"ids": [in_hand, pruned, neither]}) == 1
    assert state(db, in_hand)["claim_id"] is not None


def test_only_the_dead_are_purged(db: psycopg.Connection) -> None:
    conversation = new_conversation_id()
    dead, others = deferred(db, conversation), deferred(db)
    token, _ = claim(db)
    for event_id in (dead, others):
        finish(db, token, event_id, error="broken")
    alive = deferred(db, conversation)

    assert call(db, "purge_events", {"conversation_id": conversation}) == 1
    assert rows(db, STATE, dead) == []
    assert state(db, others)["state"] == "dead"
    assert state(db, alive)["state"] == "received"


# Lists


def test_a_page_goes_on_below_the_one_before(db: psycopg.Connection) -> None:
    conversation = new_conversation_id()
    ids = [deferred(db, conversation) for _ in range(3)]
    wanted = {"conversation_id": conversation}

    first = call(db, "list_events", wanted, None, 2)
    second = call(db, "list_events", wanted, first[-1]["seq"], 2)

    assert [each["id"] for each in [*first, *second]] == ids[::-1]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, ["ignored", "received"]),
        ({"state": "ignored"}, ["ignored"]),
        ({"state": "dead"}, []),
        ({"source": "stripe"}, []),
        ({"event_type": "b"}, ["ignored"]),
        ({"since": "2026-03-01T10:00:00Z"}, ["ignored", "received"]),
        ({"since": "2026-03-01T10:00:01Z"}, ["ignored"]),
        ({"until": "2026-03-01T10:00:01Z"}, ["received"]),
        ({"until": "2026-03-01T10:00:00Z"}, []),
        ({"text": "FACT"}, ["ignored", "received"]),
        ({"text": "fiction"}, []),
        ({"error": "any"}, []),
    ],
)
def test_a_filter_names_what_it_says(
    db: psycopg.Connection, wanted: dict[str, str], found: list[str]
) -> None:
    conversation = new_conversation_id()
    receive(
        db,
        event(conversation, "a", state="received", received_at="2026-03-01T10:00:00Z"),
        event(conversation, "b", state="ignored", received_at="2026-03-01T10:00:01Z"),
    )

    listed = call(db, "list_events", {"conversation_id": conversation, **wanted}, None, 9)

    assert [each["state"] for each in listed] == found

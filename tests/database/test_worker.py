"""The worker: what failed is tried again, by one worker at a time, and ends right or dead."""

from __future__ import annotations

import json
import threading
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from services.chores.retention import Retention
from services.database import Database
from services.effects import Effects
from services.events import WebhookEventProcessingService
from services.local.stack import LocalStack
from services.provider import Provider
from services.providers.tavus import TAVUS
from services.security import sha256_hex
from services.settings import load_settings
from services.worker import Worker
from tests.database.events import event, make_conversation, new_conversation_id, receive, rows
from tests.providers.tavus_samples import Rows

UTTERANCE = "conversation.utterance"


@pytest.fixture(name="database")
def _database(stack: LocalStack) -> Iterator[Database]:
    database = Database(load_settings(stack.env()))
    yield database
    database.close()


@pytest.fixture(autouse=True)
def _nothing_due(db: psycopg.Connection) -> None:
    """Put off what other tests left to be tried again."""
    db.execute(
        "update private.webhook_inbox set next_attempt_at = now() + interval '1 day'"
        " where state in ('received', 'failed')"
    )


@pytest.fixture(name="make_worker")
def _make_worker(database: Database) -> Callable[..., Worker]:
    def make(provider: Provider = TAVUS, **overrides: Any) -> Worker:
        return Worker(
            database=database,
            events=WebhookEventProcessingService(lookups=Rows()),
            providers=[provider],
            wait=lambda tries: 0.0 if tries <= 5 else None,
            **overrides,
        )

    return make


def failed_event(db: psycopg.Connection, conversation: str, seq: int) -> str:
    """Store an utterance whose first attempt failed; return its id."""
    body = json.dumps(
        {
            "event_type": UTTERANCE,
            "conversation_id": conversation,
            "seq": seq,
            "properties": {"role": "user", "speech": f"line {seq}"},
        }
    ).encode()
    stored = event(
        conversation,
        f"{UTTERANCE}:{seq}",
        state="failed",
        error="the first attempt",
        path="/api/tavus/webhook",
        body=b64encode(body).decode(),
        body_sha256=sha256_hex(body),
        effects=None,
        projections=None,
    )
    [result] = receive(db, stored)
    db.execute(
        "update private.webhook_inbox set next_attempt_at = now() where id = %s", [result["id"]]
    )
    return str(result["id"])


def state(db: psycopg.Connection, event_id: str) -> dict[str, Any]:
    [row] = rows(
        db,
        "select state, attempts, claim_id, last_error, (select count(*) from"
        " private.event_attempts a where a.event_id = i.id) as written"
        " from private.webhook_inbox i where id = %s",
        event_id,
    )
    return row


def failing(error: Exception) -> Provider:
    """Return Tavus with a handler of utterances that fails."""

    def fail(*_: object) -> Effects:
        raise error

    broken = replace(TAVUS.events[UTTERANCE], handler=fail)
    return replace(TAVUS, events={**TAVUS.events, UTTERANCE: broken})


def work_until_nothing_is_due(worker: Worker) -> None:
    while worker.work():
        pass


def test_failed_event_is_handled_again_and_takes_effect(
    db: psycopg.Connection, make_worker: Callable[..., Worker]
) -> None:
    conversation = new_conversation_id()
    make_conversation(db, conversation)
    event_id = failed_event(db, conversation, 1)

    work_until_nothing_is_due(make_worker())

    assert state(db, event_id) == {
        "state": "processed", "attempts": 2, "claim_id": None, "last_error": None, "written": 1,
    }  # fmt: skip
    said = rows(
        db,
        "select content from public.conversation_messages where conversation_id = %s",
        conversation,
    )
    shown = rows(
        db,
        "select event_type from public.processed_webhook_events where conversation_id = %s",
        conversation,
    )
    assert said == [{"content": "line 1"}]
    assert shown == [{"event_type": UTTERANCE}]


def test_event_of_an_unknown_conversation_waits_for_it_after_a_retry_too(
    db: psycopg.Connection, make_worker: Callable[..., Worker]
) -> None:
    event_id = failed_event(db, new_conversation_id(), 1)

    work_until_nothing_is_due(make_worker())

    assert state(db, event_id)["state"] == "unmatched"


def test_event_that_fails_six_times_is_dead_and_says_why(
    db: psycopg.Connection, make_worker: Callable[..., Worker]
) -> None:
    event_id = failed_event(db, new_conversation_id(), 1)

    work_until_nothing_is_due(make_worker(failing(ZeroDivisionError("no such luck"))))

    ended = state(db, event_id)
    assert (ended["state"], ended["attempts"], ended["written"]) == ("dead", 6, 6)
    assert "ZeroDivisionError: no such luck" in ended["last_error"]
    assert "Traceback" in ended["last_error"]


def test_poisoned_event_stops_neither_its_batch_nor_its_conversation(
    db: psycopg.Connection, database: Database, make_worker: Callable[..., Worker]
) -> None:
    conversation = new_conversation_id()
    make_conversation(db, conversation)
    ids = [failed_event(db, conversation, seq) for seq in range(3)]
    claim = str(uuid.uuid4())
    database.claim_events(claim, 10, 60)
    poison = {"messages": [{"role": "user", "content": "x", "message_id": "m", "confidence": "?"}]}
    good = {"state": "processed", "effects": {}, "projections": []}

    answers = database.finish_events(
        claim,
        [
            {"id": ids[0], **good},
            {"id": ids[1], **good, "effects": poison, "retry_seconds": 0},
            {"id": ids[2], **good},
        ],
    )

    outcomes = {answer["id"]: answer["outcome"] for answer in answers}
    assert [outcomes[event_id] for event_id in ids] == ["processed", "failed", "processed"]
    work_until_nothing_is_due(make_worker())
    assert state(db, ids[1])["state"] == "processed"


def test_claim_whose_lease_ended_can_finish_nothing(
    db: psycopg.Connection, database: Database
) -> None:
    event_id = failed_event(db, new_conversation_id(), 1)
    slow, quick = str(uuid.uuid4()), str(uuid.uuid4())
    [claimed] = database.claim_events(slow, 10, 0)
    [again] = database.claim_events(quick, 10, 60)
    done = {"id": event_id, "state": "processed", "effects": {}, "projections": []}

    [late] = database.finish_events(slow, [done])
    [timely] = database.finish_events(quick, [done])

    assert claimed["id"] == again["id"] == event_id
    assert (late["outcome"], timely["outcome"]) == ("lost", "unmatched")


def test_extended_lease_is_not_given_out(db: psycopg.Connection, database: Database) -> None:
    failed_event(db, new_conversation_id(), 1)
    claim = str(uuid.uuid4())
    database.claim_events(claim, 10, 0)

    database.extend_claim(claim, 60)

    assert database.claim_events(str(uuid.uuid4()), 10, 60) == []
    database.extend_claim(claim, 0)
    assert len(database.claim_events(str(uuid.uuid4()), 10, 60)) == 1


def test_attempts_that_never_end_are_counted(
    db: psycopg.Connection, database: Database, make_worker: Callable[..., Worker]
) -> None:
    event_id = failed_event(db, new_conversation_id(), 1)
    for _ in range(6):
        database.claim_events(str(uuid.uuid4()), 10, 0)

    work_until_nothing_is_due(make_worker())

    ended = state(db, event_id)
    assert ended["state"] == "dead"
    assert "never ended" in ended["last_error"]


def test_many_workers_handle_each_event_once(
    db: psycopg.Connection, make_worker: Callable[..., Worker]
) -> None:
    conversation = new_conversation_id()
    make_conversation(db, conversation)
    ids = [failed_event(db, conversation, seq) for seq in range(100)]

    threads = [
        threading.Thread(target=work_until_nothing_is_due, args=(make_worker(),)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    states = [state(db, event_id) for event_id in ids]
    assert {(row["state"], row["attempts"]) for row in states} == {("processed", 2)}
    said = rows(
        db, "select 1 from public.conversation_messages where conversation_id = %s", conversation
    )
    assert len(said) == 100


def test_worker_that_is_told_to_stop_finishes_what_it_has(
    db: psycopg.Connection, make_worker: Callable[..., Worker]
) -> None:
    event_id = failed_event(db, new_conversation_id(), 1)
    worker = make_worker()

    def stop_meanwhile(*_: object) -> Effects:
        worker.stopping.set()
        return Effects()

    stopped = replace(TAVUS.events[UTTERANCE], handler=stop_meanwhile)
    provider = replace(TAVUS, events={**TAVUS.events, UTTERANCE: stopped})
    replace(worker, providers=[provider]).run()

    assert state(db, event_id)["state"] == "unmatched"


def test_what_is_too_old_is_removed_and_still_known(
    db: psycopg.Connection, database: Database
) -> None:
    conversation = new_conversation_id()
    make_conversation(db, conversation)
    facts = ["old", "young", "old dead", "very old dead"]
    receive(db, *(event(conversation, fact) for fact in facts))
    db.execute(
        "update private.webhook_inbox set received_at = now() - case when event_type = 'young' then"
        " interval '29 days' when event_type like 'very%%' then interval '61 days'"
        " else interval '31 days' end, state = case when event_type like '%%dead' then 'dead'"
        " else state end where conversation_id = %s",
        [conversation],
    )
    db.execute(
        "update public.processed_webhook_events set processed_at = now() - interval '31 days'"
        " where conversation_id = %s and event_type = 'old'",
        [conversation],
    )

    while Retention(database=database, days=30, dead_days=60).prune():
        pass

    kept = rows(
        db,
        "select event_type, octet_length(body) > 0 as whole from private.webhook_inbox"
        " where conversation_id = %s order by event_type",
        conversation,
    )
    assert kept == [
        {"event_type": "old", "whole": False},
        {"event_type": "old dead", "whole": True},
        {"event_type": "young", "whole": True},
    ]
    shown = rows(
        db,
        "select event_type from public.processed_webhook_events where conversation_id = %s"
        " and event_type = 'old'",
        conversation,
    )
    assert shown == []
    [repeat] = receive(db, event(conversation, "old"))
    assert repeat["outcome"] == "duplicate"


def test_event_that_was_not_understood_is_never_done_by_half(
    db: psycopg.Connection, make_worker: Callable[..., Worker]
) -> None:
    event_id = failed_event(db, new_conversation_id(), 1)
    db.execute(
        "update private.webhook_inbox set event_type = 'unknown', conversation_id = null"
        " where id = %s",
        [event_id],
    )

    work_until_nothing_is_due(make_worker())

    ended = state(db, event_id)
    assert ended["state"] == "dead"
    assert ended["last_error"] == "Stored as unknown, read now as conversation.utterance."

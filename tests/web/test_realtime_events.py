"""REALTIME_EVENTS: what is not shown takes effect all the same."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import psycopg
import pytest

from services.local.stack import LocalStack
from services.settings import load_settings
from services.wiring.worker import wire_worker
from tests.database.events import make_conversation, new_conversation_id, rows
from tests.stack import start_service
from tests.web.caller import SETTINGS, Caller, joined, utterance

FEW = {"REALTIME_EVENTS": "system.*,-system.shutdown"}


@pytest.fixture(name="choosy")
def _choosy(stack: LocalStack) -> Iterator[Caller]:
    service = start_service(stack, **SETTINGS, **FEW)
    with httpx.Client(base_url=service.url, timeout=30) as http:
        yield Caller(http)
    service.kill()


def shown(db: psycopg.Connection, conversation: str) -> list[str]:
    found = rows(
        db,
        "select event_type from public.processed_webhook_events where conversation_id = %s",
        conversation,
    )
    return [row["event_type"] for row in found]


def test_what_is_not_shown_takes_effect_all_the_same(
    choosy: Caller, db: psycopg.Connection
) -> None:
    conversation = new_conversation_id()
    make_conversation(db, conversation)

    choosy.send(joined(conversation))
    choosy.send(utterance(conversation, 1, "Hello."))
    choosy.send({**joined(conversation), "event_type": "system.shutdown"})

    [row] = rows(
        db, "select status from public.conversations where conversation_id = %s", conversation
    )
    lines = rows(
        db,
        "select content from public.conversation_messages where conversation_id = %s",
        conversation,
    )
    assert shown(db, conversation) == ["system.replica_joined"]
    assert row["status"] == "completed"
    assert [line["content"] for line in lines] == ["Hello."]


def test_worker_shows_the_same(stack: LocalStack, caller: Caller, db: psycopg.Connection) -> None:
    conversation = new_conversation_id()
    make_conversation(db, conversation)
    caller.send(utterance(conversation, 1))
    db.execute(
        "delete from public.processed_webhook_events where conversation_id = %s", [conversation]
    )
    db.execute(
        "update private.webhook_inbox set state = 'received', next_attempt_at = '-infinity'"
        " where conversation_id = %s",
        [conversation],
    )

    worker = wire_worker(load_settings({**stack.env(), **FEW}))
    while worker.work():
        pass
    worker.database.close()

    [event] = rows(
        db, "select state from private.webhook_inbox where conversation_id = %s", conversation
    )
    assert event["state"] == "processed"
    assert shown(db, conversation) == []

"""Four workers at one queue: each due thing is claimed by one of them, whoever dies."""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from services.local.stack import LocalStack
from services.worker import BATCH
from tests.database.endpoints import SECRET, deliveries, make_endpoint, new_owner, send
from tests.database.events import make_conversation, new_conversation_id, rows
from tests.forwarder import Forwarder
from tests.receivers import receiving
from tests.scale.fleet import Worker, running_workers, standing_still
from tests.waiting import until
from tests.web.caller import utterance

DUE = """
insert into private.webhook_inbox (source, event_key, event_type, conversation_id, body,
    body_sha256, path, state, next_attempt_at, headers)
values ('tavus', %s, 'conversation.utterance', %s, %s, %s, '/api/tavus/webhook', 'received',
    now(), '{"content-type": "application/json"}')
"""
NOT_DONE = """
select count(*)::int as open from private.webhook_inbox
where conversation_id = %s and state in ('received', 'failed')
"""


@pytest.fixture(name="workers", scope="module")
def _workers(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Worker]]:
    folder = tmp_path_factory.mktemp("workers")
    with running_workers(stack, folder, 4, WEBHOOK_ALLOW_LOCAL="1") as workers:
        yield workers


@pytest.fixture(name="conversation")
def _conversation(db: psycopg.Connection) -> str:
    """A conversation; what others have left waiting is gone."""
    db.execute("delete from private.webhook_inbox where state in ('received', 'failed')")
    db.execute("delete from public.webhook_endpoints")
    conversation = new_conversation_id()
    make_conversation(db, conversation)
    return conversation


def make_due(db: psycopg.Connection, conversation: str, count: int) -> None:
    """Store events of a conversation that no handler has seen, all due now."""
    events = [
        (
            f"{conversation}:{number}",
            conversation,
            json.dumps(utterance(conversation, number, f"line {number}")).encode(),
            secrets.token_hex(32),
        )
        for number in range(count)
    ]
    with db.transaction(), db.cursor() as cursor:
        cursor.executemany(DUE, events)


def not_done(db: psycopg.Connection, conversation: str) -> int:
    [row] = rows(db, NOT_DONE, conversation)
    return int(row["open"])


def attempts(db: psycopg.Connection, conversation: str) -> Counter[int]:
    """Return how many events took how many attempts; each has its effects, and once."""
    inbox = rows(
        db,
        "select state, attempts from private.webhook_inbox where conversation_id = %s",
        conversation,
    )
    assert {row["state"] for row in inbox} == {"processed"}
    for table in ("conversation_messages", "processed_webhook_events"):
        made = rows(db, f"select 1 from public.{table} where conversation_id = %s", conversation)
        assert len(made) == len(inbox)
    return Counter(row["attempts"] for row in inbox)


def test_each_due_event_is_claimed_once(
    workers: list[Worker], db: psycopg.Connection, conversation: str
) -> None:
    seen = [len(worker.ids("attempt", "event_id")) for worker in workers]

    with standing_still(workers):
        make_due(db, conversation, 20 * BATCH)
    until(lambda: not_done(db, conversation) == 0)

    assert attempts(db, conversation) == {1: 20 * BATCH}
    until(
        lambda: (
            sum(len(one.ids("attempt", "event_id")) for one in workers) >= 20 * BATCH + sum(seen)
        )
    )
    worked = [
        worker.ids("attempt", "event_id")[before:]
        for worker, before in zip(workers, seen, strict=True)
    ]
    assert len({event_id for ids in worked for event_id in ids}) == 20 * BATCH
    assert sum(map(len, worked)) == 20 * BATCH
    assert sum(map(bool, worked)) > 1


def test_each_due_delivery_is_claimed_once(
    workers: list[Worker], db: psycopg.Connection, conversation: str
) -> None:
    owner = new_owner(db)
    with ExitStack() as entered:
        receivers = [entered.enter_context(receiving(SECRET)) for _ in range(4)]
        with standing_still(workers):
            endpoints = [
                make_endpoint(db, owner, url=receiver.url, rate_per_minute=10_000, concurrency=100)
                for receiver in receivers
            ]
            for endpoint in endpoints:
                send(db, owner, endpoint, 60)

        until(
            lambda: (
                rows(db, "select 1 from public.webhook_deliveries where state <> 'delivered'") == []
            )
        )

    for receiver, endpoint in zip(receivers, endpoints, strict=True):
        stored = deliveries(db, endpoint)
        assert [row["attempts"] for row in stored] == [1] * 60
        assert sorted(receiver.ids) == sorted(row["webhook_id"] for row in stored)
    made = rows(db, "select delivery_id from public.delivery_attempts")
    assert len(made) == len({row["delivery_id"] for row in made}) == 240
    sent = [worker.ids("delivery", "delivery_id") for worker in workers]
    assert sum(map(bool, sent)) > 1


@pytest.mark.parametrize(
    ("held", "again"), [("claim_events", BATCH), ("finish_events", 0)], ids=["claimed", "finished"]
)
def test_worker_that_is_killed_leaves_nothing_undone_and_nothing_done_twice(
    workers: list[Worker],
    db: psycopg.Connection,
    conversation: str,
    stack: LocalStack,
    tmp_path: Path,
    held: str,
    again: int,
) -> None:
    """It dies when its claim, or what it made of it, is stored and it has not heard of it yet."""
    count = 4 * BATCH
    with Forwarder(stack.backend.gateway_port, held=held.encode()) as way, standing_still(workers):
        way.mode = "hold answers"
        make_due(db, conversation, count)
        with running_workers(stack, tmp_path, 1, SUPABASE_URL=way.url) as [victim]:
            until(lambda: way.holds(held.encode()))
            victim.end()

    until(lambda: not_done(db, conversation) == again)
    # Nobody touches what is claimed while the lease lasts; then anybody may.
    db.execute(
        "update private.webhook_inbox set next_attempt_at = now()"
        " where conversation_id = %s and claim_id is not null",
        [conversation],
    )
    until(lambda: not_done(db, conversation) == 0)

    wanted = {1: count - again, 2: again}
    assert attempts(db, conversation) == {
        times: events for times, events in wanted.items() if events
    }

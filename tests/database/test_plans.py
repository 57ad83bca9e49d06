"""With a full inbox, everything that happens all the time goes by an index."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest

from services.local.stack import LocalStack
from tests.database.events import event, new_conversation_id, receive
from tests.database.schema import apply_sources, copy_of

FULL = 200_000
FILL = """
insert into private.webhook_inbox (source, event_key, event_type, conversation_id, path, body,
    body_sha256, state, received_at, next_attempt_at)
select 'tavus', 'c' || n / 50 || ':' || n, 'conversation.utterance', 'c' || n / 50, '/', '{}', 'x',
    coalesce((array['failed', 'dead', 'unmatched'])[mod(n, 1000) + 1], 'processed'),
    now() - n * interval '20 seconds',
    case when mod(n, 1000) = 0 then now() - interval '1 hour' end
from generate_series(1, %s) n
"""


@pytest.fixture(name="full", scope="module")
def _full(stack: LocalStack, blank: str) -> Iterator[psycopg.Connection]:
    """A database whose inbox holds a lot, and which tells the plan of every statement."""
    with copy_of(blank, f"full_{uuid.uuid4().hex[:8]}") as url:
        apply_sources(url)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(FILL, [FULL])
            connection.execute("analyze")
            connection.execute("load 'auto_explain'")
            connection.execute("set auto_explain.log_min_duration = 0")
            connection.execute("set auto_explain.log_nested_statements = on")
            connection.execute("set auto_explain.log_level = notice")
            yield connection


def plans(full: psycopg.Connection, call: str, *arguments: object) -> str:
    told: list[str] = []

    def listen(notice: psycopg.errors.Diagnostic) -> None:
        told.append(notice.message_primary or "")

    full.add_notice_handler(listen)
    try:
        full.execute(call, list(arguments))
    finally:
        full.remove_notice_handler(listen)
    return "\n".join(told)


@pytest.mark.parametrize(
    ("call", "index"),
    [
        ("select public.claim_events(gen_random_uuid(), 32, 0)", "webhook_inbox_due_idx"),
        ("select public.webhook_totals()", "webhook_inbox_received_at_idx"),
        ("select public.prune(30, 60, 100)", "webhook_inbox_received_at_idx"),
        ("""select public.list_events('{"state": "dead"}', null, 50)""", "webhook_inbox_"),
        ("select public.list_events('{}', 1000, 50)", "webhook_inbox_seq_idx"),
        (
            "insert into public.conversations (conversation_id) values ('c77')",
            "webhook_inbox_unmatched_idx",
        ),
    ],
)
def test_call_goes_by_its_index(full: psycopg.Connection, call: str, index: str) -> None:
    plan = plans(full, call)

    assert f"using {index}" in plan or f"on {index}" in plan
    assert "Seq Scan on webhook_inbox" not in plan


def test_receiving_goes_by_indexes(full: psycopg.Connection) -> None:
    told: list[str] = []
    full.add_notice_handler(lambda notice: told.append(notice.message_primary or ""))
    receive(full, event(new_conversation_id(), "joined"), event("c1", "joined"))

    assert "Insert on webhook_inbox" in "\n".join(told)
    assert "Seq Scan on webhook_inbox" not in "\n".join(told)

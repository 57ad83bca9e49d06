"""With a full inbox, everything that happens all the time goes by an index.

PLAN_ROWS sets how full; the pages that a call may touch are counted too, since a plan can name an
index and still walk all of it.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
import pytest
from psycopg import sql

from services.local.stack import LocalStack
from tests.database.events import event, new_conversation_id, receive
from tests.database.schema import apply_sources, copy_of

FULL = int(os.environ.get("PLAN_ROWS", "1000000"))
MOST_PAGES = 4_000
"""What one call may touch, of some 18,000 pages of a full inbox and as many of its indexes."""
FILL = """
insert into private.webhook_inbox (id, source, event_key, event_type, conversation_id, path, body,
    body_sha256, state, received_at, next_attempt_at)
select lpad(to_hex(n), 32, '0')::uuid, 'tavus', 'c' || n / 50 || ':' || n,
    'conversation.utterance', 'c' || n / 50, '/', '{}', 'x',
    coalesce((array['failed', 'dead', 'unmatched'])[mod(n, 1000) + 1], 'processed'),
    now() - n * interval '20 seconds',
    case when mod(n, 1000) = 0 then now() - interval '1 hour' end
from generate_series(1, %s) n
"""
FILL_STREAM = """
insert into public.processed_webhook_events (source, conversation_id, event_type, event_data,
    event_hash, processed_at)
select 'tavus', 'c' || n / 50, 'conversation.utterance', '{}', n, now() - n * interval '100 seconds'
from generate_series(1, %s / 10) n
"""
FILL_TOOL_CALLS = """
insert into public.tool_calls (conversation_id, tool_call_id, name, created_at)
select 'c' || n, n, 'fetch_video', now() - n * interval '100 seconds'
from generate_series(1, %s / 10) n
"""
NOBODY = "8a5e1d9e-6b7e-4f3a-9a39-2f1ef5a1c111"


@dataclass(slots=True)
class Full:
    """A connection to a full database, which tells the plan of every statement."""

    connection: psycopg.Connection
    told: list[str] = field(default_factory=list)

    @property
    def plan(self) -> str:
        return "\n".join(self.told)

    def pages(self, call: str) -> int:
        """Run a call; return how many pages it touched, those of its inner statements too."""
        self.told.clear()
        row = self.connection.execute(f"explain (analyze, buffers, format json) {call}").fetchone()
        assert row is not None
        top = row[0][0]["Plan"]
        return int(top["Shared Hit Blocks"]) + int(top["Shared Read Blocks"])


@contextmanager
def without_indexes(connection: psycopg.Connection, table: str) -> Iterator[None]:
    """Fill a table in half the time: its indexes but the primary key's are made afterwards."""
    query = """
        select indexrelid::regclass::text, pg_get_indexdef(indexrelid)
        from pg_index where indrelid = %s::regclass and not indisprimary
    """
    indexes = connection.execute(query, [table]).fetchall()
    for name, _ in indexes:
        connection.execute(sql.SQL("drop index {}").format(sql.SQL(name)))
    yield
    for _, definition in indexes:
        connection.execute(sql.SQL(definition))


@pytest.fixture(name="full", scope="module")
def _full(stack: LocalStack, blank: str) -> Iterator[Full]:
    """A database whose inbox holds a lot."""
    with copy_of(blank, f"full_{uuid.uuid4().hex[:8]}") as url:
        apply_sources(url)
        with psycopg.connect(url, autocommit=True) as connection:
            with without_indexes(connection, "private.webhook_inbox"):
                connection.execute(FILL, [FULL])
            for fill in (FILL_STREAM, FILL_TOOL_CALLS):
                connection.execute(fill, [FULL])
            # Frozen now, so that the first readers need not write down which rows are visible.
            connection.execute("vacuum (freeze, analyze)")
            connection.execute("load 'auto_explain'")
            connection.execute("set auto_explain.log_min_duration = 0")
            connection.execute("set auto_explain.log_nested_statements = on")
            connection.execute("set auto_explain.log_level = notice")
            full = Full(connection)
            connection.add_notice_handler(
                lambda notice: full.told.append(notice.message_primary or "")
            )
            yield full


@pytest.fixture(name="plans", params=["custom", "generic"])
def _plans(full: Full, request: pytest.FixtureRequest) -> Iterator[str]:
    """Both kinds of plan: a connection that lives on may settle on one for any arguments."""
    full.connection.execute(f"set plan_cache_mode = force_{request.param}_plan")
    yield request.param
    full.connection.execute("reset plan_cache_mode")


def dead(condition: str) -> str:
    return f"""select public.list_events('{{"state": "dead", {condition}}}', null, 50)"""


CALLS = {
    "claim": ("select public.claim_events(gen_random_uuid(), 32, 0)", "due_idx"),
    "extend": ("select public.extend_claim(gen_random_uuid(), 60)", "due_idx"),
    "finish": (
        f"""select public.finish_events(gen_random_uuid(), '[{{"id": "{NOBODY}"}}]')""",
        "pkey",
    ),
    "health": ("select public.webhook_totals()", "received_at_idx"),
    "backlog": ("select public.inbox_backlog()", "dead_idx"),
    "ready": ("select public.check_readiness()", ""),
    "prune": ("select public.prune(90, 365, 50)", "received_at_idx"),
    "prune, nothing old": ("select public.prune(900, 1000, 500)", "received_at_idx"),
    "show": (f"select public.show_event('{NOBODY}')", "pkey"),
    "list": ("select public.list_events('{}', null, 50)", "seq_idx"),
    "list, a page far down": ("select public.list_events('{}', 1000, 50)", "seq_idx"),
    "list one": (f"""select public.list_events('{{"id": "{NOBODY}"}}', null, 50)""", "pkey"),
    "list some": (f"""select public.list_events('{{"ids": ["{NOBODY}"]}}', null, 50)""", "pkey"),
    "replay some": (
        f"""select public.replay_events('{{"state": "dead", "ids": ["{NOBODY}"]}}')""",
        "",
    ),
    "where a search ends": ("""select public.search_end('{"text": "x"}', null, 50)""", "seq_idx"),
    "dead": ("""select public.list_events('{"state": "dead"}', null, 50)""", "dead_idx"),
    "dead, a page": ("""select public.list_events('{"state": "dead"}', 100000, 50)""", "dead_idx"),
    # No event is of this sender, which its own index tells sooner.
    "dead of a source": (dead('"source": "stripe"'), "event_key"),
    "dead of a type": (dead('"event_type": "x"'), "dead_idx"),
    "dead of a conversation": (dead('"conversation_id": "c77"'), "dead_idx"),
    "dead since": (dead('"since": "2100-01-01"'), "dead_idx"),
    "dead until": (dead('"until": "2000-01-01"'), "dead_idx"),
    "dead with an error": (dead('"error": "boom"'), "dead_idx"),
    # There are many of these, so that walking back from the newest may be as good.
    "failed": ("""select public.list_events('{"state": "failed"}', null, 50)""", ""),
    "unmatched": ("""select public.list_events('{"state": "unmatched"}', null, 50)""", ""),
    "replay one": (f"""select public.replay_events('{{"id": "{NOBODY}"}}')""", "pkey"),
    "replay by a filter": (
        """select public.replay_events('{"state": "dead", "conversation_id": "c77"}')""",
        "dead_idx",
    ),
    "purge": ("""select public.purge_events('{"conversation_id": "c77"}')""", "dead_idx"),
    "adopt": (
        "insert into public.conversations (conversation_id) values (gen_random_uuid())",
        "unmatched_idx",
    ),
}


@pytest.mark.usefixtures("plans")
@pytest.mark.parametrize("name", CALLS)
def test_call_goes_by_its_index(full: Full, name: str) -> None:
    call, index = CALLS[name]

    pages = full.pages(call)

    assert pages <= MOST_PAGES
    assert not index or re.search(rf"\b(using|on) webhook_inbox_{index}\b", full.plan)
    assert not re.search(
        r"Seq Scan on (webhook_inbox|processed_webhook_events|tool_calls)\b", full.plan
    )


@pytest.mark.usefixtures("plans")
def test_receiving_goes_by_indexes(full: Full) -> None:
    full.told.clear()

    receive(full.connection, event(new_conversation_id(), "joined"), event("c1", "joined"))

    assert "Insert on webhook_inbox" in full.plan
    assert "Seq Scan on webhook_inbox" not in full.plan

"""docs/realtime.md and broadcast.md: their SQL tells of events, and loses none where it fails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from services.local import checkout
from tests.database.conftest import MakeDatabase
from tests.database.events import event, make_conversation, receive, rows
from tests.database.personas import acting, appoint, sign_up
from tests.database.schema import apply_sources

PAGES = [checkout.ROOT / "docs" / name for name in ("realtime.md", "broadcast.md")]
PAGE = "".join(page.read_text() for page in PAGES)
BLOCKS = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
STAND_IN = """
create schema realtime;
grant usage on schema realtime to authenticated;
create table realtime.messages (topic text, extension text, payload jsonb, event text);
alter table realtime.messages enable row level security;
grant select on realtime.messages to authenticated;
create function realtime.topic() returns text language sql stable
as $$ select nullif(current_setting('realtime.topic', true), '') $$;
create function realtime.send(payload jsonb, event text, topic text, private boolean default true)
returns void language sql
as $$ insert into realtime.messages values (topic, 'broadcast', payload, event) $$;
"""


@pytest.fixture(name="own")
def _own(new_database: MakeDatabase) -> Iterator[psycopg.Connection]:
    url = new_database()
    apply_sources(url)
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def move(db: psycopg.Connection) -> None:
    [step] = [block for block in BLOCKS if "broadcast_event" in block]
    db.execute(step)


def heard(db: psycopg.Connection, topic: str) -> list[dict[str, Any]]:
    """Return what whoever acts hears in a topic, as Realtime asks for it."""
    db.execute("select set_config('realtime.topic', %s, false)", [topic])
    return rows(db, "select * from realtime.messages where topic = %s", topic)


def test_event_is_sent_to_its_conversation(own: psycopg.Connection) -> None:
    own.execute(STAND_IN)
    move(own)
    move(own)

    receive(own, event("c1", "joined"), event(None, "replica.ready"))

    [message] = rows(own, "select topic, event, payload from realtime.messages")
    [row] = rows(own, "select * from public.processed_webhook_events where conversation_id = 'c1'")
    assert (message["topic"], message["event"]) == ("conversation:c1", "INSERT")
    assert message["payload"]["record"]["id"] == str(row["id"])
    assert message["payload"]["record"]["seq"] == row["seq"]


def test_large_row_is_sent_without_what_it_holds(own: psycopg.Connection) -> None:
    own.execute(STAND_IN)
    move(own)
    # What repeats is compressed.
    own.execute(
        "insert into public.processed_webhook_events (source, conversation_id, event_data)"
        " select 'tavus', 'c1', jsonb_build_object('x', string_agg(md5(n::text), ''))"
        " from generate_series(1, 20000) n"
    )

    [message] = rows(own, "select payload from realtime.messages")

    assert "event_data" not in message["payload"]["record"]
    assert message["payload"]["record"]["conversation_id"] == "c1"


def test_only_whose_it_is_and_admins_may_hear_it(own: psycopg.Connection) -> None:
    own.execute(STAND_IN)
    move(own)
    person, other, admin = sign_up(own), sign_up(own), sign_up(own)
    appoint(own, admin, "admin")
    make_conversation(own, "c1", user_id=person.id)
    receive(own, event("c1", "joined"))

    heard_by = []
    for who in (person, other, admin):
        with acting(own, who):
            heard_by.append(len(heard(own, "conversation:c1")))

    assert heard_by == [1, 0, 1]


def test_event_is_kept_where_it_cannot_be_sent(own: psycopg.Connection) -> None:
    own.execute(STAND_IN)
    move(own)
    own.execute("drop table realtime.messages cascade")

    [answer] = receive(own, event("c1", "joined"))

    assert answer["state"] == "unmatched"
    assert len(rows(own, "select from public.processed_webhook_events")) == 1


def test_without_realtime_nothing_changes(own: psycopg.Connection) -> None:
    move(own)

    [answer] = receive(own, event("c1", "joined"))

    assert answer["outcome"] == "new"


def test_load_can_be_seen_by_table(own: psycopg.Connection) -> None:
    [query] = [block for block in BLOCKS if "pg_stat_user_tables" in block]

    found = {row["relname"] for row in rows(own, query)}

    told = set(re.findall(r"`(\w+)`", PAGE[: PAGE.index("## The limits")]))
    assert found <= told

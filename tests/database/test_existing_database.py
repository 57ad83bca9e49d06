"""A database that holds tables of our names takes the push, loses nothing, and works after."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.database import older
from tests.database.catalog import catalog
from tests.database.conftest import MakeDatabase
from tests.database.course import TRANSCRIPT, course_of
from tests.database.events import make_conversation, receive, rows
from tests.database.personas import Persona, ids, sign_up, visible
from tests.database.schema import apply_sources, push
from tests.database.variants import VARIANTS


@contextmanager
def older_database(
    make: MakeDatabase, change: str = ""
) -> Iterator[tuple[str, psycopg.Connection]]:
    """Make a database with the old tables, changed like that, and their rows."""
    url = make()
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(older.SCHEMA)
        db.execute(change)
        older.fill(db)
        yield url, db


@pytest.mark.parametrize("change", VARIANTS.values(), ids=VARIANTS.keys())
def test_old_tables_keep_their_rows_and_take_events(
    new_database: MakeDatabase, change: str
) -> None:
    with older_database(new_database, change) as (url, db):
        columns = older.old_columns(db)
        before = older.old_rows(db, columns)

        apply_sources(url)

        assert before == older.old_rows(db, columns)
        assert_course_is_stored(db, "old")
        assert_conversation_is_over(db, "old")
        assert_nothing_is_missing(db)
        assert_new_conversations_are_stored(db)


def test_push_itself_takes_an_older_database(new_database: MakeDatabase) -> None:
    with older_database(new_database) as (url, db):
        columns = older.old_columns(db)
        before = older.old_rows(db, columns)

        push(url)
        printed = push(url)

        assert "up to date" in printed
        assert before == older.old_rows(db, columns)
        assert_course_is_stored(db, "old")


def test_sources_applied_again_change_nothing_in_an_older_database(
    new_database: MakeDatabase,
) -> None:
    with older_database(new_database) as (url, _):
        apply_sources(url)
        once = catalog(url)

        apply_sources(url)

        assert once == catalog(url)


def test_policies_of_before_remain(new_database: MakeDatabase) -> None:
    query = "select * from pg_policies where policyname like 'Users %%' order by policyname"
    with older_database(new_database) as (url, db):
        before = rows(db, query)

        apply_sources(url)

        assert len(before) == 2
        assert before == rows(db, query)


def test_people_read_their_old_rows_and_no_others(new_database: MakeDatabase) -> None:
    with older_database(new_database) as (url, db):
        apply_sources(url)
        owner = Persona("authenticated", {"sub": older.OWNER})
        stranger = sign_up(db)

        for table in ("conversations", "feedback_sessions"):
            theirs = ids(db, table, "user_id = %s", older.OWNER)
            assert theirs == visible(db, owner, table)
            assert visible(db, stranger, table) == set()
        for table in ("qualification_data", "conversation_messages", "processed_webhook_events"):
            theirs = ids(db, table, "conversation_id = 'old'")
            assert theirs == visible(db, owner, table)
            assert visible(db, stranger, table) == set()


@pytest.mark.parametrize("table", ["scenarios", "demo_videos"])
def test_rows_that_policies_kept_back_stay_kept_back(
    new_database: MakeDatabase, table: str
) -> None:
    with older_database(new_database) as (url, db):
        db.execute(f"alter table {table} enable row level security")
        db.execute(f"create policy drafts on {table} for select using (false)")
        db.execute(f"grant select on {table} to authenticated")

        apply_sources(url)

        assert ids(db, table)
        assert visible(db, sign_up(db), table) == set()


def test_every_live_table_has_a_key_afterwards(new_database: MakeDatabase) -> None:
    with older_database(new_database, VARIANTS["events without a key"]) as (url, db):
        apply_sources(url)

        keyless = rows(
            db,
            "select t.tablename from pg_publication_tables t where not exists ("
            "select from pg_constraint k where k.contype = 'p'"
            " and k.conrelid = format('%%I.%%I', t.schemaname, t.tablename)::regclass)",
        )
        assert keyless == []


def assert_course_is_stored(
    db: psycopg.Connection, conversation: str, ref: str | None = None
) -> None:
    events = course_of(conversation, ref)
    before = count(db, conversation)

    results = receive(db, *events)
    repeats = receive(db, *events)

    errors = rows(db, "select event_type, last_error from private.webhook_inbox where attempts > 0")
    assert [row for row in errors if row["last_error"]] == []
    assert [result["outcome"] for result in results] == ["new"] * len(events)
    assert [result["outcome"] for result in repeats] == ["duplicate"] * len(events)
    assert count(db, conversation) == {
        "qualification_data": before["qualification_data"] + 1,
        "feedback_sessions": before["feedback_sessions"] + 1,
        "processed_webhook_events": before["processed_webhook_events"] + len(events),
        "conversation_messages": before["conversation_messages"] + len(TRANSCRIPT),
        "tool_calls": 1,
    }


def assert_new_conversations_are_stored(db: psycopg.Connection) -> None:
    """Nobody's conversation, whose row is there before its name, and one that is met later."""
    assert_course_is_stored(db, "new", ref=make_conversation(db, None))
    receive(db, *course_of("unknown"))
    make_conversation(db, "unknown")

    assert_conversation_is_over(db, "new")
    assert_conversation_is_over(db, "unknown")


def assert_conversation_is_over(db: psycopg.Connection, conversation: str) -> None:
    [row] = rows(
        db,
        "select status::text, started_at::timestamptz, ended_at::timestamptz, duration_seconds,"
        " end_reason, persona_id, demo_id::text, tavus_metadata::jsonb ? 'system.shutdown' as kept,"
        " version > 1 as is_newer from public.conversations where conversation_id = %s",
        conversation,
    )

    assert row.pop("started_at").isoformat() == "2026-03-01T06:45:47+00:00"
    assert row.pop("ended_at").isoformat() == "2026-03-01T06:50:47+00:00"
    assert row == {
        "status": "ended",
        "duration_seconds": 300,
        "end_reason": "left",
        "persona_id": "p1",
        "demo_id": older.OWNER,
        "kept": True,
        "is_newer": True,
    }


def assert_nothing_is_missing(db: psycopg.Connection) -> None:
    """What the service wrote is whole, though the columns' defaults were not ours."""
    [row] = rows(
        db,
        "select"
        " (select first_name from public.qualification_data where version = 1) as first_name,"
        " (select score::integer from public.feedback_sessions where version = 1) as score,"
        " (select duration::integer from public.feedback_sessions where version = 1) as duration,"
        " (select user_id::text from public.feedback_sessions where version = 1) as owner,"
        " (select bool_and(id is not null and seq is not null and processed_at is not null)"
        " from public.processed_webhook_events where source is not null) as is_whole",
    )

    assert row == {
        "first_name": "Grace",
        "score": 80,
        "duration": 300,
        "owner": older.OWNER,
        "is_whole": True,
    }


def count(db: psycopg.Connection, conversation: str) -> dict[str, int]:
    """Count the rows of a conversation in each table."""
    conditions = {
        "qualification_data": "conversation_id = %s",
        "feedback_sessions": "conversation_id in"
        " (select id from public.conversations where conversation_id = %s)",
        "processed_webhook_events": "conversation_id = %s",
        "conversation_messages": "conversation_id = %s",
        "tool_calls": "conversation_id = %s",
    }
    return {
        table: rows(db, f"select count(*) as n from public.{table} where {where}", conversation)[0][
            "n"
        ]
        for table, where in conditions.items()
    }

"""Who may do what: every table, policy and function, for everybody there is."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from services.local.stack import LocalStack
from tests.database.events import new_conversation_id, rows
from tests.database.personas import (
    SIGNED_IN,
    Persona,
    World,
    acting,
    appoint,
    ids,
    is_denied,
    make_world,
    sign_up,
    visible,
)

# How to find the rows of one conversation, for the tables whose rows belong to one.
OF_CONVERSATION = {
    "conversations": "conversation_id = %s",
    "conversation_messages": "conversation_id = %s",
    "tool_calls": "conversation_id = %s",
    "qualification_data": "conversation_id = %s",
    "processed_webhook_events": "conversation_id = %s",
    "feedback_sessions": "conversation_id in"
    " (select c.id from public.conversations c where c.conversation_id = %s)",
}
# What an event of an unknown conversation writes.
WRITTEN_EARLY = sorted(OF_CONVERSATION.keys() - {"conversations", "feedback_sessions"})
FOR_EVERYBODY = ("scenarios", "demo_videos")
OF_PHONE = (
    "calls",
    "call_recordings",
    "call_transcriptions",
    "sms_messages",
    "bookings",
    "notifications",
    "payments",
)
OF_ENDPOINT = ("webhook_endpoints", "webhook_deliveries", "delivery_attempts")
PUBLIC = (
    *OF_CONVERSATION,
    *FOR_EVERYBODY,
    *OF_PHONE,
    *OF_ENDPOINT,
    "profiles",
    "phone_numbers",
    "received_messages",
)
PRIVATE = (
    "alert_signs",
    "alert_watch",
    "clock_jumps",
    "conversation_calls",
    "conversation_facts",
    "delivery_queue",
    "delivery_slots",
    "endpoint_headers",
    "endpoint_secrets",
    "endpoint_state",
    "erased",
    "erased_files",
    "erasure_items",
    "erasures",
    "event_attempts",
    "feedback_analyses",
    "incident_notices",
    "incidents",
    "message_annotations",
    "objective_completions",
    "outgoing_events",
    "process_reports",
    "readiness",
    "realtime_minutes",
    "realtime_reading",
    "reconciliations",
    "record_facts",
    "record_tables",
    "recording_copies",
    "rejected_events",
    "tool_runs",
    "webhook_inbox",
    "webhook_minutes",
)
TABLES = (*(f"public.{name}" for name in PUBLIC), *(f"private.{name}" for name in PRIVATE))
BROWSERS = ("anon", *SIGNED_IN)


@pytest.fixture(name="world", scope="module")
def _world(stack: LocalStack) -> Iterator[World]:
    with psycopg.connect(stack.database_url, autocommit=True) as db:
        yield make_world(db)


def test_every_table_has_been_decided_on(db: psycopg.Connection) -> None:
    found = rows(
        db,
        "select schemaname || '.' || tablename as name, rowsecurity from pg_tables"
        " where schemaname in ('public', 'private')",
    )

    assert {row["name"]: row["rowsecurity"] for row in found} == dict.fromkeys(TABLES, True)


def test_every_policy_lets_signed_in_people_read(db: psycopg.Connection) -> None:
    found = rows(db, "select * from pg_policies where schemaname in ('public', 'private')")

    assert sorted(row["tablename"] for row in found) == sorted(PUBLIC)
    assert {(row["cmd"], *row["roles"]) for row in found} == {("SELECT", "authenticated")}


@pytest.mark.parametrize("table", OF_CONVERSATION)
@pytest.mark.parametrize(("name", "conversation"), [("owner", "owners"), ("guest", "guests")])
def test_people_read_the_rows_of_their_conversations(
    db: psycopg.Connection, world: World, table: str, name: str, conversation: str
) -> None:
    theirs = ids(db, table, OF_CONVERSATION[table], getattr(world, conversation))

    assert len(theirs) == 1
    assert theirs == visible(db, world.personas[name], table)


@pytest.mark.parametrize("table", OF_CONVERSATION)
def test_others_read_none_of_them(db: psycopg.Connection, world: World, table: str) -> None:
    assert visible(db, world.personas["stranger"], table) == set()


@pytest.mark.parametrize("table", [*OF_PHONE, *OF_ENDPOINT, "phone_numbers", "received_messages"])
def test_people_read_what_their_phones_and_endpoints_did(
    db: psycopg.Connection, world: World, table: str
) -> None:
    readers = {name for name in SIGNED_IN if visible(db, world.personas[name], table)}

    assert readers == {"owner", "admin"}


@pytest.mark.parametrize("table", PUBLIC)
@pytest.mark.parametrize("name", ["admin", "service"])
def test_admins_and_the_service_read_every_row(
    db: psycopg.Connection, world: World, table: str, name: str
) -> None:
    everything = ids(db, table)

    assert everything
    assert everything == visible(db, world.personas[name], table)


@pytest.mark.parametrize("table", WRITTEN_EARLY)
def test_rows_of_unknown_conversations_are_for_admins_only(
    db: psycopg.Connection, world: World, table: str
) -> None:
    [early] = ids(db, table, OF_CONVERSATION[table], world.unmatched)

    readers = {name for name in SIGNED_IN if early in visible(db, world.personas[name], table)}

    assert readers == {"admin"}


@pytest.mark.parametrize("name", ["owner", "guest", "stranger"])
def test_people_read_their_own_profile_only(
    db: psycopg.Connection, world: World, name: str
) -> None:
    assert visible(db, world.personas[name], "profiles") == {world.personas[name].id}


@pytest.mark.parametrize("table", FOR_EVERYBODY)
@pytest.mark.parametrize("name", SIGNED_IN)
def test_signed_in_people_read_scenarios_and_videos(
    db: psycopg.Connection, world: World, table: str, name: str
) -> None:
    assert ids(db, table) == visible(db, world.personas[name], table)


@pytest.mark.parametrize("table", PUBLIC)
def test_token_without_an_account_reads_no_conversation(db: psycopg.Connection, table: str) -> None:
    nobody = Persona("authenticated", {"role": "authenticated"})

    assert visible(db, nobody, table) == (ids(db, table) if table in FOR_EVERYBODY else set())


@pytest.mark.parametrize("table", TABLES)
def test_anon_reads_nothing(db: psycopg.Connection, world: World, table: str) -> None:
    assert is_denied(db, world.personas["anon"], f"select from {table}")


@pytest.mark.parametrize("table", PRIVATE)
def test_signed_in_people_do_not_reach_private_tables(
    db: psycopg.Connection, world: World, table: str
) -> None:
    readers = [
        name
        for name in SIGNED_IN
        if not is_denied(db, world.personas[name], f"select from private.{table}")
    ]

    assert readers == []


@pytest.mark.parametrize("table", TABLES)
def test_only_the_service_writes(db: psycopg.Connection, world: World, table: str) -> None:
    for statement in _writes(db, table):
        writers = [
            name
            for name in (*BROWSERS, "service")
            if not is_denied(db, world.personas[name], statement)
        ]
        # The one row of private.readiness is never taken away; the tables that effects may write
        # are the schema's to name.
        nobody = statement == "delete from private.readiness where false" or (
            table == "private.record_tables"
        )

        assert writers == ([] if nobody else ["service"]), statement


def _writes(db: psycopg.Connection, table: str) -> tuple[str, str, str]:
    """Return statements that need the rights but touch no row."""
    [column] = rows(
        db,
        "select quote_ident(attname) as name from pg_attribute where attrelid = %s::regclass"
        " and attnum > 0 and attidentity = '' order by attnum limit 1",
        table,
    )
    name = column["name"]
    return (
        f"insert into {table} ({name}) select {name} from {table} where false",
        f"update {table} set {name} = {name} where false",
        f"delete from {table} where false",
    )


@pytest.mark.parametrize("table", TABLES)
def test_nobody_but_the_owner_empties_a_table(
    db: psycopg.Connection, world: World, table: str
) -> None:
    assert all(is_denied(db, who, f"truncate {table}") for who in world.personas.values())


def test_nobody_makes_themselves_an_admin(db: psycopg.Connection, world: World) -> None:
    owner = world.personas["owner"]

    assert is_denied(db, owner, "update public.profiles set role = 'admin' where id = %s", owner.id)
    assert is_denied(
        db, owner, "insert into public.profiles (id, role) values (%s, 'admin')", owner.id
    )


def test_token_that_says_admin_makes_no_admin(db: psycopg.Connection, world: World) -> None:
    owner = world.personas["owner"]
    claims = {name: {"role": "admin"} for name in ("user_metadata", "app_metadata")}

    pretender = Persona(owner.role, {**owner.claims, **claims})

    assert visible(db, owner, "conversations") == visible(db, pretender, "conversations")


def test_admin_is_appointed_and_dismissed_at_once(db: psycopg.Connection) -> None:
    person = sign_up(db)
    db.execute(
        "insert into public.conversations (conversation_id) values (%s)", [new_conversation_id()]
    )

    assert visible(db, person, "conversations") == set()
    appoint(db, person, "admin")
    assert visible(db, person, "conversations") == ids(db, "conversations")
    appoint(db, person, "user")
    assert visible(db, person, "conversations") == set()


def test_admin_who_is_reading_is_dismissed_within_the_transaction(
    db: psycopg.Connection, stack: LocalStack
) -> None:
    person = sign_up(db)
    appoint(db, person, "admin")

    with psycopg.connect(stack.database_url) as reader, acting(reader, person):
        before = ids(reader, "profiles")
        appoint(db, person, "user")
        after = ids(reader, "profiles")

    assert len(before) > 1
    assert after == {person.id}

"""What SQL decides about conversations that are started and ended here."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from services.local.stack import LocalStack
from tests.database import older
from tests.database.conftest import MakeDatabase
from tests.database.events import event, make_conversation, new_conversation_id, receive, rows
from tests.database.personas import sign_up
from tests.database.schema import apply_sources
from tests.database.test_existing_database import older_database
from tests.database.variants import VARIANTS

URL = "https://tavus.example.test/room"
OF_OLD_STATES = "a status of its own type"


def call(db: psycopg.Connection, function: str, *arguments: Any) -> Any:
    """Call a function as the service does."""
    marks = ", ".join(["%s"] * len(arguments))
    with db.transaction():
        db.execute("set local role service_role")
        row = db.execute(f"select public.{function}({marks})", arguments).fetchone()
    assert row is not None
    return row[0]


def begin(db: psycopg.Connection, person: str, key: str | None = None, **fields: Any) -> Any:
    wanted = {"user_id": person, "persona_id": "p1", **fields}
    return call(db, "begin_conversation", Jsonb(wanted), key, "hash", 120.0)


def row_of(db: psycopg.Connection, row_id: str) -> dict[str, Any]:
    [row] = rows(
        db,
        "select status::text, conversation_id, conversation_url, end_reason, ended_at::timestamptz,"
        " version from public.conversations where id = %s",
        row_id,
    )
    return row


@pytest.fixture(name="person")
def _person(db: psycopg.Connection) -> str:
    return str(sign_up(db).id)


def test_row_is_starting_until_it_is_placed(db: psycopg.Connection, person: str) -> None:
    name = new_conversation_id()
    begun = begin(db, person)
    before = row_of(db, begun["id"])

    placed = call(db, "place_conversation", begun["id"], name, URL)

    assert (before["status"], before["conversation_id"]) == ("starting", None)
    assert placed["outcome"] == "placed"
    assert placed["row"]["conversation_url"] == URL
    assert row_of(db, begun["id"])["status"] == "active"


def test_placing_twice_is_placing_once(db: psycopg.Connection, person: str) -> None:
    name = new_conversation_id()
    begun = begin(db, person)

    answers = [call(db, "place_conversation", begun["id"], name, URL) for _ in range(2)]

    assert answers[0] == answers[1]


@pytest.mark.parametrize("given_up_by", ["fail_conversation", "claim_lost_conversations"])
def test_row_that_was_given_up_is_not_placed(
    db: psycopg.Connection, person: str, given_up_by: str
) -> None:
    begun = begin(db, person)
    if given_up_by == "fail_conversation":
        call(db, given_up_by, begun["id"], "no_answer", None)
    else:
        db.execute("update private.conversation_calls set next_look_at = now()")
        assert begun["id"] in [lost["ref"] for lost in call(db, given_up_by, 1000, 60.0)]

    late = call(db, "place_conversation", begun["id"], new_conversation_id(), URL)

    assert late == {"outcome": "late"}
    row = row_of(db, begun["id"])
    assert (row["status"], row["conversation_id"], row["conversation_url"]) == (
        "failed",
        None,
        None,
    )


def test_conversation_of_another_row_is_not_taken(db: psycopg.Connection, person: str) -> None:
    name = new_conversation_id()
    make_conversation(db, name)
    begun = begin(db, person)

    assert call(db, "place_conversation", begun["id"], name, URL) == {"outcome": "taken"}
    assert row_of(db, begun["id"])["conversation_id"] is None


def test_row_that_is_gone_is_not_placed(db: psycopg.Connection, person: str) -> None:
    begun = begin(db, person)
    db.execute("delete from public.conversations where id = %s", [begun["id"]])

    late = call(db, "place_conversation", begun["id"], new_conversation_id(), URL)

    assert late == {"outcome": "late"}


def test_account_that_is_gone_starts_nothing(db: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        begin(db, "00000000-0000-4000-8000-0000000000ff")

    assert (
        rows(
            db,
            "select 1 from private.conversation_calls where user_id = %s",
            "00000000-0000-4000-8000-0000000000ff",
        )
        == []
    )


def test_account_without_a_profile_gets_one(db: psycopg.Connection, person: str) -> None:
    db.execute("delete from public.profiles where id = %s", [person])

    assert begin(db, person)["outcome"] == "begun"


def test_key_is_held_while_the_request_works_and_after_it_was_answered(
    db: psycopg.Connection, person: str
) -> None:
    begun = begin(db, person, "k")
    working = begin(db, person, "k")
    call(db, "place_conversation", begun["id"], new_conversation_id(), URL)
    answered = begin(db, person, "k")
    other = call(db, "begin_conversation", Jsonb({"user_id": person}), "k", "other hash", 120.0)
    call(db, "fail_conversation", begun["id"], "not_stored", None)
    anew = begin(db, person, "k")

    told = [answer["outcome"] for answer in (begun, working, answered, other, anew)]
    assert told == ["begun", "busy", "placed", "other", "begun"]
    assert answered["row"]["conversation_url"] == URL
    assert anew["id"] != begun["id"]


def test_one_of_many_begins_under_a_key(
    stack: LocalStack, db: psycopg.Connection, person: str
) -> None:
    def begin_alone(_: int) -> str:
        with psycopg.connect(stack.database_url, autocommit=True) as connection:
            return str(begin(connection, person, "k")["outcome"])

    with ThreadPoolExecutor(8) as threads:
        outcomes = sorted(threads.map(begin_alone, range(16)))

    assert outcomes == ["begun", *["busy"] * 15]


def test_callback_and_request_place_at_the_same_time(
    stack: LocalStack, db: psycopg.Connection, person: str
) -> None:
    def call_back(row_id: str, name: str) -> str:
        told = event(name, "system.replica_joined", effects={"conversation": {}})
        with psycopg.connect(stack.database_url, autocommit=True) as connection:
            return str(receive(connection, {**told, "conversation_ref": row_id})[0]["outcome"])

    def place(row_id: str, name: str) -> str:
        with psycopg.connect(stack.database_url, autocommit=True) as connection:
            return str(call(connection, "place_conversation", row_id, name, URL)["outcome"])

    with ThreadPoolExecutor(2) as threads:
        for _ in range(20):
            row_id, name = begin(db, person)["id"], new_conversation_id()
            both = [threads.submit(work, row_id, name) for work in (call_back, place)]

            assert [future.result() for future in both] == ["new", "placed"]
            row = row_of(db, row_id)
            assert (row["status"], row["conversation_id"]) == ("active", name)


def test_end_noted_here_never_outweighs_the_senders(db: psycopg.Connection) -> None:
    ends = [
        {"status": "completed", "reason": "left", "at": "2099-01-01T00:00:00Z"},
        {"status": "ended", "reason": "told"},
    ]
    found = []
    for order in permutations(["note", *ends], 3):
        name = new_conversation_id()
        row_id = make_conversation(db, name)
        for n, step in enumerate(order):
            if isinstance(step, str):
                call(db, "note_end", name)
            else:
                receive(
                    db,
                    event(
                        name, f"end:{ends.index(step)}:{n}", effects={"conversation": {"end": step}}
                    ),
                )
        found.append(row_of(db, row_id))

    told = {(row["status"], row["end_reason"], str(row["ended_at"])) for row in found}
    assert told == {("completed", "left", "2099-01-01 00:00:00+00:00")}


def test_end_noted_again_changes_nothing(db: psycopg.Connection) -> None:
    name = new_conversation_id()
    row_id = make_conversation(db, name)
    call(db, "note_end", name)
    first = row_of(db, row_id)

    call(db, "note_end", name)

    assert first == row_of(db, row_id)
    assert first["status"] == "ended"


def test_looks_come_to_an_end(db: psycopg.Connection, person: str) -> None:
    begun = begin(db, person)
    call(db, "fail_conversation", begun["id"], "no_answer", 0.0)

    [lost] = [
        one for one in call(db, "claim_lost_conversations", 1000, 60.0) if one["ref"] == begun["id"]
    ]
    held = [one["ref"] for one in call(db, "claim_lost_conversations", 1000, 60.0)]
    call(db, "finish_look", begun["id"], 0.0)
    again = [
        one["looks"]
        for one in call(db, "claim_lost_conversations", 1000, 60.0)
        if one["ref"] == begun["id"]
    ]
    call(db, "finish_look", begun["id"], None)

    assert lost == {"ref": begun["id"], "conversation_id": None, "looks": 1}
    assert begun["id"] not in held
    assert again == [2]
    [left] = rows(
        db,
        "select state, next_look_at from private.conversation_calls where ref = %s",
        begun["id"],
    )
    assert left == {"state": "failed", "next_look_at": None}


@pytest.fixture(
    name="older_db",
    params=[name for name in VARIANTS if "feedback" not in name and "message" not in name],
)
def _older_db(
    new_database: MakeDatabase, request: pytest.FixtureRequest
) -> Iterator[tuple[str, psycopg.Connection]]:
    with older_database(new_database, VARIANTS[request.param]) as (url, db):
        apply_sources(url)
        yield request.param, db


def test_older_tables_hold_conversations_that_are_started_here(
    older_db: tuple[str, psycopg.Connection],
) -> None:
    name, db = older_db
    fields = {"scenario_id": older.SCENARIO, "demo_id": older.OWNER}
    placed, lost, failed = (begin(db, older.OWNER, **fields)["id"] for _ in range(3))
    before = row_of(db, placed)["status"]

    call(db, "place_conversation", placed, "started-here", URL)
    call(db, "note_end", "started-here")
    call(db, "fail_conversation", failed, "no_answer", None)
    db.execute("update private.conversation_calls set next_look_at = now() where ref = %s", [lost])
    call(db, "claim_lost_conversations", 10, 60.0)

    assert before == ("active" if name == OF_OLD_STATES else "starting")
    assert [row_of(db, one)["status"] for one in (placed, lost, failed)] == [
        "ended",
        "failed",
        "failed",
    ]

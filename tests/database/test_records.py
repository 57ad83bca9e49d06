"""Rows that events write field by field: any order and any repetition ends in the same row."""

from __future__ import annotations

import random
import uuid
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.effects import Effects, Record, record, to_json
from tests.database.events import event, receive, rows

SHOWN = "status, from_number, to_number, duration_seconds, answered_by, error_code, started_at"
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "status": st.sampled_from(["queued", "ringing", "in-progress", "completed"]),
    "from_number": st.sampled_from(["+15550000001", "+15550000002"]),
    "duration_seconds": st.integers(0, 9),
    "answered_by": st.sampled_from(["human", "machine"]),
}
TOLD = st.tuples(st.integers(-1, 3), st.fixed_dictionaries({}, optional=FIELDS))


def told(key: str, fact: str, rank: float, **values: Any) -> dict[str, Any]:
    """Return an event that tells something of a call."""
    effects = Effects(records=(record("calls", rank, key={"call_sid": key}, **values),))
    return event(None, fact, event_key=f"{key}:{fact}", effects=to_json(effects))


def new_call() -> str:
    return f"CA{uuid.uuid4().hex}"


def call(db: psycopg.Connection, sid: str) -> dict[str, Any]:
    [found] = rows(db, f"select {SHOWN} from public.calls where call_sid = %s", sid)
    return found


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(TOLD, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_gives_the_same_row(
    db: psycopg.Connection, tellings: list[tuple[int, dict[str, Any]]], chance: random.Random
) -> None:
    ends = []
    for _ in range(3):
        sid = new_call()
        events = [told(sid, f"{n}", rank, **values) for n, (rank, values) in enumerate(tellings)]
        order = events + chance.sample(events, chance.randint(0, len(events)))
        chance.shuffle(order)
        for one in order:
            receive(db, one)
        ends.append(call(db, sid))
    assert ends[0] == ends[1] == ends[2]
    for field in FIELDS:
        best = max(
            (
                (rank, n, values[field])
                for n, (rank, values) in enumerate(tellings)
                if field in values
            ),
            default=(0, 0, None),
        )
        assert ends[0][field] == best[2]


def test_a_later_rank_wins_and_untold_fields_stay(db: psycopg.Connection) -> None:
    sid = new_call()
    receive(db, told(sid, "completed", 3, status="completed", duration_seconds=49))
    receive(db, told(sid, "ringing", 1, status="ringing", from_number="+15550000001"))

    assert call(db, sid)["status"] == "completed"
    assert call(db, sid)["from_number"] == "+15550000001"
    assert call(db, sid)["duration_seconds"] == 49


def test_a_repeat_changes_not_even_the_version(db: psycopg.Connection) -> None:
    sid = new_call()
    receive(db, told(sid, "a", 1, status="ringing"))
    receive(db, told(sid, "b", 1, status="ringing"))
    before = rows(db, "select * from public.calls where call_sid = %s", sid)
    receive(db, told(sid, "a", 1, status="ringing"), told(sid, "b", 1, status="ringing"))

    assert rows(db, "select * from public.calls where call_sid = %s", sid) == before


def test_a_row_without_any_value_is_kept(db: psycopg.Connection) -> None:
    sid = new_call()
    receive(db, told(sid, "a", 1))

    assert call(db, sid)["status"] is None


@pytest.mark.parametrize("table", ["profiles", "conversations", "no_such", "calls; drop table x"])
def test_no_other_table_is_written(db: psycopg.Connection, table: str) -> None:
    effects = Effects(records=(Record(table=table, key={"id": "x"}, values={"role": "admin"}),))
    [answer] = receive(
        db, event(None, "evil", event_key=str(uuid.uuid4()), effects=to_json(effects))
    )

    assert answer["outcome"] == "failed"


def test_a_wrong_type_fails_its_event_alone(db: psycopg.Connection) -> None:
    good, bad = new_call(), new_call()
    answers = receive(
        db, told(bad, "x", 1, duration_seconds="many"), told(good, "x", 1, duration_seconds=4)
    )

    assert [answer["outcome"] for answer in answers] == ["failed", "new"]
    assert call(db, good)["duration_seconds"] == 4


def test_the_phone_of_a_row_is_found_in_either_order(db: psycopg.Connection) -> None:
    early, late = new_call(), new_call()
    number = f"+1555{random.randrange(10**7):07}"
    receive(db, told(early, "a", 1, to_number=number))
    [phone] = rows(
        db, "insert into public.phone_numbers (phone_number) values (%s) returning id", number
    )
    receive(db, told(late, "a", 1, from_number=number))

    found = rows(db, "select phone_id from public.calls where call_sid = any(%s)", [early, late])
    assert [row["phone_id"] for row in found] == [phone["id"]] * 2


def test_a_phone_that_does_not_exist_costs_no_row(db: psycopg.Connection) -> None:
    key = str(uuid.uuid4())
    told_row = record(
        "bookings", key={"booking_key": key}, phone_id=str(uuid.uuid4()), status="active"
    )
    effects = to_json(Effects(records=(told_row,)))
    [answer] = receive(db, event(None, "booking", event_key=key, effects=effects))

    assert answer["outcome"] == "new", answer
    [booking] = rows(db, "select phone_id, status from public.bookings where booking_key = %s", key)
    assert booking == {"phone_id": None, "status": "active"}

"""Whose phone a row is: found in any order, also while the call's own row is being written."""

from __future__ import annotations

import random
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from services.effects import Effects, record, to_json
from services.local.stack import LocalStack
from tests.database.events import event, receive, rows


def told(table: str, column: str, key: str, **values: Any) -> dict[str, Any]:
    """Return an event that tells something of a row."""
    effects = Effects(records=(record(table, key={column: key}, **values),))
    return event(None, "x", event_key=f"{key}:{uuid.uuid4()}", effects=to_json(effects))


def phone_of(db: psycopg.Connection, table: str, column: str, key: str) -> Any:
    [row] = rows(db, f"select phone_id from public.{table} where {column} = %s", key)
    return row["phone_id"]


@pytest.fixture(name="number")
def _number() -> str:
    return f"+1555{random.randrange(10**10):010}"


@pytest.fixture(name="phone")
def _phone(db: psycopg.Connection, number: str) -> Any:
    [row] = rows(
        db, "insert into public.phone_numbers (phone_number) values (%s) returning id", number
    )
    return row["id"]


@pytest.fixture(name="caller")
def _caller(db: psycopg.Connection) -> tuple[Any, str]:
    """Return the phone of somebody else here, and its number."""
    other = f"+1666{random.randrange(10**10):010}"
    [row] = rows(
        db, "insert into public.phone_numbers (phone_number) values (%s) returning id", other
    )
    return row["id"], other


def until_blocked(db: psycopg.Connection, blocker: int) -> None:
    deadline = time.monotonic() + 20
    while not rows(
        db, "select 1 from pg_stat_activity where %s = any(pg_blocking_pids(pid))", blocker
    ):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def open_transaction(connection: psycopg.Connection, one: dict[str, Any]) -> None:
    """Receive an event as the service does, without its commit."""
    connection.execute("begin")
    connection.execute("set local role service_role")
    connection.execute("select public.receive_events(%s)", [Jsonb([one])])


@pytest.mark.parametrize("first", ["call", "recording"])
def test_call_and_recording_in_two_transactions_find_each_other(
    stack: LocalStack, db: psycopg.Connection, phone: Any, number: str, first: str
) -> None:
    call_sid, recording_sid = f"CA{uuid.uuid4().hex}", f"RE{uuid.uuid4().hex}"
    call = told("calls", "call_sid", call_sid, to_number=number)
    recording = told("call_recordings", "recording_sid", recording_sid, call_sid=call_sid)
    early, late = (call, recording) if first == "call" else (recording, call)
    with (
        psycopg.connect(stack.database_url, autocommit=True) as one,
        psycopg.connect(stack.database_url, autocommit=True) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        open_transaction(one, early)
        answer = pool.submit(receive, other, late)
        until_blocked(db, one.info.backend_pid)
        one.execute("commit")
        assert answer.result(20)[0]["outcome"] == "new"

    assert phone_of(db, "calls", "call_sid", call_sid) == phone
    assert phone_of(db, "call_recordings", "recording_sid", recording_sid) == phone


def test_call_that_tells_its_number_later_takes_its_rows_along(
    db: psycopg.Connection, phone: Any, number: str
) -> None:
    call_sid, leg, transcription = (f"{kind}{uuid.uuid4().hex}" for kind in ("CA", "CA", "TR"))
    receive(db, told("calls", "call_sid", call_sid, status="ringing"))
    receive(db, told("calls", "call_sid", leg, parent_call_sid=call_sid, to_number="+1"))
    receive(db, told("call_transcriptions", "transcription_key", transcription, call_sid=call_sid))
    assert phone_of(db, "call_transcriptions", "transcription_key", transcription) is None

    receive(db, told("calls", "call_sid", call_sid, to_number=number))

    assert phone_of(db, "calls", "call_sid", leg) == phone
    assert phone_of(db, "call_transcriptions", "transcription_key", transcription) == phone


def test_leg_to_a_number_of_ours_is_that_numbers(
    db: psycopg.Connection, phone: Any, number: str
) -> None:
    parent, leg = (f"CA{uuid.uuid4().hex}" for _ in range(2))
    other = f"+1666{random.randrange(10**10):010}"
    rows(db, "insert into public.phone_numbers (phone_number) values (%s) returning id", other)
    receive(db, told("calls", "call_sid", parent, to_number=other))
    receive(db, told("calls", "call_sid", leg, parent_call_sid=parent, to_number=number))

    assert phone_of(db, "calls", "call_sid", leg) == phone
    assert phone_of(db, "calls", "call_sid", parent) != phone


@pytest.mark.parametrize(
    ("table", "column", "out"),
    [("calls", "call_sid", "outbound-api"), ("sms_messages", "message_sid", "outbound")],
)
def test_between_two_of_our_numbers_each_has_its_own_row(
    db: psycopg.Connection,
    phone: Any,
    number: str,
    caller: tuple[Any, str],
    table: str,
    column: str,
    out: str,
) -> None:
    sent, received = (f"XX{uuid.uuid4().hex}" for _ in range(2))
    numbers = {"from_number": caller[1], "to_number": number}

    receive(db, told(table, column, sent, direction=out, **numbers))
    receive(db, told(table, column, received, direction="inbound", **numbers))

    assert phone_of(db, table, column, sent) == caller[0]
    assert phone_of(db, table, column, received) == phone


@pytest.mark.parametrize("first", ["call", "leg"])
def test_leg_of_a_call_from_another_number_here_is_the_called_numbers(
    db: psycopg.Connection, phone: Any, number: str, caller: tuple[Any, str], first: str
) -> None:
    call_sid, leg_sid = (f"CA{uuid.uuid4().hex}" for _ in range(2))
    numbers = {"from_number": caller[1], "to_number": number}
    call = told("calls", "call_sid", call_sid, direction="inbound", **numbers)
    onward = {"from_number": caller[1], "to_number": "+15550009999"}
    leg = told("calls", "call_sid", leg_sid, parent_call_sid=call_sid, **onward)

    for one in (call, leg) if first == "call" else (leg, call):
        receive(db, one)

    assert phone_of(db, "calls", "call_sid", leg_sid) == phone


def test_leg_of_a_call_that_nobody_told_is_the_number_that_it_comes_from(
    db: psycopg.Connection, phone: Any, number: str
) -> None:
    leg = f"CA{uuid.uuid4().hex}"
    onward = {"direction": "outbound-dial", "from_number": number, "to_number": "+15550009999"}

    receive(db, told("calls", "call_sid", leg, parent_call_sid=f"CA{uuid.uuid4().hex}", **onward))

    assert phone_of(db, "calls", "call_sid", leg) == phone

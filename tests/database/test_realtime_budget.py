"""measure_realtime: every change of a published table is counted once, whoever measures."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.database.conftest import MakeDatabase
from tests.database.events import event, new_conversation_id, receive, rows
from tests.database.schema import apply_sources
from tests.waiting import until


@pytest.fixture(name="url")
def _url(new_database: MakeDatabase) -> str:
    """A database that nobody else writes to."""
    url = new_database()
    apply_sources(url)
    return url


@pytest.fixture(name="own")
def _own(url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def measure(db: psycopg.Connection) -> dict[str, Any]:
    [row] = rows(db, "select public.measure_realtime() as load")
    load: dict[str, Any] = row["load"]
    return load


def wait(db: psycopg.Connection, seconds: int) -> None:
    """Let that much time go by since the last reading."""
    db.execute(
        "update private.realtime_reading set read_at = read_at - make_interval(secs => %s)",
        [seconds],
    )


def insert(db: psycopg.Connection, amount: int) -> None:
    """Write rows that browsers see, and see them counted."""
    before = counted(db)
    for _ in range(amount):
        receive(db, event(new_conversation_id(), "joined"))
    until(lambda: counted(db) >= before + amount)


def counted(db: psycopg.Connection) -> int:
    # The session's own counts are sent now, not when it is idle.
    db.execute("select pg_stat_force_next_flush()")
    found = rows(
        db,
        "select coalesce(sum(n_tup_ins), 0)::int as n from pg_stat_user_tables"
        " where schemaname = 'public' and relname = 'processed_webhook_events'",
    )
    return int(found[0]["n"])


def counted_changes(db: psycopg.Connection) -> int:
    counted(db)
    found = rows(
        db,
        "select sum(n_tup_ins + n_tup_upd + n_tup_del)::int as n from pg_stat_user_tables"
        " where schemaname = 'public' and relname = 'processed_webhook_events'",
    )
    return int(found[0]["n"])


def changes(db: psycopg.Connection) -> int:
    [row] = rows(db, "select coalesce(sum(changes), 0)::int as n from private.realtime_minutes")
    return int(row["n"])


def test_changes_are_measured_between_two_readings(own: psycopg.Connection) -> None:
    first = measure(own)
    insert(own, 20)
    wait(own, 10)

    second = measure(own)

    assert first["changes_per_second"] is None
    assert changes(own) == 20
    assert 1 < second["changes_per_second"] <= 2
    assert 1 < second["peak_per_second"] <= 2
    assert second["since"] is not None


def test_what_a_rehearsal_rolled_back_does_not_count(own: psycopg.Connection) -> None:
    conversation = new_conversation_id()
    for name in ("joined", "left"):
        receive(own, event(conversation, name))
    counted(own)
    measure(own)
    items = [{"kind": "conversation", "conversation_id": conversation, "ref": None}]
    before = counted_changes(own)

    [row] = rows(own, "select public.rehearse_erasure(%s) as counts", Jsonb(items))
    insert(own, 3)
    wait(own, 10)
    measure(own)

    assert row["counts"]["public.processed_webhook_events"] == 2
    assert counted_changes(own) > before + 3
    assert changes(own) == 3


def test_what_is_not_published_does_not_count(own: psycopg.Connection) -> None:
    measure(own)
    own.execute("insert into public.scenarios (title) values ('x')")
    wait(own, 10)
    counted(own)

    measure(own)

    assert changes(own) == 0


def test_peak_stays_when_the_load_is_gone(own: psycopg.Connection) -> None:
    measure(own)
    insert(own, 20)
    wait(own, 10)
    measure(own)
    wait(own, 50)

    load = measure(own)

    assert load["peak_per_second"] > 1
    assert load["changes_per_second"] < 1


def test_many_workers_count_every_change_once(url: str, own: psycopg.Connection) -> None:
    measure(own)
    insert(own, 20)
    wait(own, 10)

    def work() -> None:
        with psycopg.connect(url, autocommit=True) as db:
            measure(db)

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert changes(own) == 20


@pytest.mark.parametrize("seconds", [61, 86_400, -60])
def test_after_a_pause_or_a_jump_it_begins_anew(own: psycopg.Connection, seconds: int) -> None:
    measure(own)
    insert(own, 5)
    wait(own, seconds)

    measure(own)

    assert changes(own) == 0


def test_reset_counters_begin_anew(own: psycopg.Connection) -> None:
    insert(own, 5)
    measure(own)
    own.execute("select pg_stat_reset()")
    wait(own, 10)

    measure(own)

    assert changes(own) == 0


def test_old_counts_are_pruned(own: psycopg.Connection) -> None:
    own.execute(
        "insert into private.realtime_minutes (minute, changes, seconds, peak)"
        " values (now() - interval '31 days', 1, 60, 1), (now(), 1, 60, 1)"
    )
    own.execute(
        "insert into private.webhook_minutes (minute, source, process_id)"
        " values (now() - interval '31 days', 'tavus', %(id)s), (now(), 'tavus', %(id)s)",
        {"id": uuid.uuid4()},
    )
    own.execute(
        "insert into private.process_reports (process_id, kind, host, started_at, reported_at)"
        " values (gen_random_uuid(), 'web', 'a', now(), now() - interval '25 hours'),"
        " (gen_random_uuid(), 'web', 'a', now(), now())"
    )

    [row] = rows(own, "select public.prune(30, 60, 100) as pruned")

    pruned = row["pruned"]
    assert (pruned["minutes"], pruned["realtime_minutes"], pruned["processes"]) == (1, 1, 1)

"""With a full inbox and months of counts, statistics and logs go by an index."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from services.local.stack import LocalStack
from services.telemetry.tally import SECONDS
from tests.database.schema import apply_sources, copy_of
from tests.database.test_plans import FILL, FULL, Full, without_indexes

MOST_PAGES = 3_000
"""What one call may touch; the tables that are filled here have some 35,000."""
SECONDS_OF_A_WEEK = 7 * 24 * 3600
# A week of the inbox has as many rows as a plan test fills in all.
CROWD = """
update private.webhook_inbox
set received_at = now() - (1 - seq / %s::float) * interval '7 days' - interval '1 second'
"""
FILL_MINUTES = """
insert into private.webhook_minutes (minute, source, process_id, received, failed, seconds, buckets,
    last_at)
select now() - n * interval '1 minute', source, '6d0b8a14-3c5e-4f7a-9b21-0c4d8e2f6a17', 60, 1, 0.6,
    '{0,30,20,10,0,0,0,0,0,0,0,0,0}', now() - n * interval '1 minute'
from generate_series(1, %s / 8) n, unnest(array['tavus', 'stripe']) source order by 1, 2
"""
FILL_ATTEMPTS = """
insert into private.event_attempts (event_id, attempt, error, at)
select i.id, 1, 'ValueError: ' || i.seq, i.received_at
from private.webhook_inbox i where i.state = 'failed'
"""
PERSON = "8a5e1d9e-6b7e-4f3a-9a39-2f1ef5a1c111"
FILL_DELIVERIES = f"""
insert into auth.users (id, email) values ('{PERSON}', 'full@example.test');
insert into public.webhook_endpoints (id, user_id, url)
values ('{PERSON}', '{PERSON}', 'https://hooks.example.test');
insert into private.outgoing_events (id, key, event_type, user_id, payload)
values ('{PERSON}', 'x', 'message.created', '{PERSON}', '{{}}');
insert into public.webhook_deliveries (id, endpoint_id, user_id, event_id, webhook_id, event_type)
values ('{PERSON}', '{PERSON}', '{PERSON}', '{PERSON}', 'x', 'message.created');
insert into public.delivery_attempts (delivery_id, endpoint_id, user_id, attempt, status,
    duration_ms, attempted_at)
select '{PERSON}', '{PERSON}', '{PERSON}', n, 200, 12, now() - n * interval '1 minute'
from generate_series(1, {FULL} / 4) n
"""
WEEK = "now() - interval '7 days'"


@pytest.fixture(name="counted", scope="module")
def _counted(stack: LocalStack, blank: str) -> Iterator[Full]:
    """A database with months of counts, and an inbox full of a week."""
    with copy_of(blank, f"counted_{uuid.uuid4().hex[:8]}") as url:
        apply_sources(url)
        with psycopg.connect(url, autocommit=True) as connection:
            fill(connection)
            full = Full(connection)
            connection.add_notice_handler(
                lambda notice: full.told.append(notice.message_primary or "")
            )
            yield full


def fill(connection: psycopg.Connection) -> None:
    with without_indexes(connection, "private.webhook_inbox"):
        connection.execute(FILL, [FULL])
        connection.execute(CROWD, [FULL])
    connection.execute(FILL_MINUTES, [FULL])
    connection.execute(FILL_ATTEMPTS)
    connection.execute(FILL_DELIVERIES)
    connection.execute("vacuum (full, freeze, analyze)")
    connection.execute("vacuum (freeze, analyze)")
    connection.execute("load 'auto_explain'")
    for setting in ("min_duration = 0", "nested_statements = on", "level = notice"):
        connection.execute(f"set auto_explain.log_{setting}")  # type: ignore[arg-type]


def statistics(name: str, hours: int, step: int) -> str:
    bounds = ",".join(str(bound) for bound in SECONDS)
    since = f"now() - interval '{hours} hours'"
    return f"select public.{name}({since}, {step}, array[{bounds}]::float[])"


LOGS = "select public.list_logs({}, {}, now() - interval '{} hours', {}, 51)"
CALLS = {
    "an hour": (statistics("webhook_statistics", 1, 60), "webhook_minutes_pkey"),
    "a week": (statistics("webhook_statistics", 168, 3600), "delivery_attempts_attempted_at_idx"),
    "senders": (
        f"select public.webhook_senders(array['tavus', 'stripe', 'twilio'], {WEEK})",
        "webhook_minutes_source_idx",
    ),
    "errors": (
        "select public.summarize_logs(null, now() - interval '24 hours')",
        "event_attempts_at_idx",
    ),
    "logs of an hour": (LOGS.format("null", "null", 1, "null"), "webhook_inbox_"),
    "logs of a quiet time": (
        LOGS.format("'tavus'", "null", 0, "null"),
        "webhook_inbox_received_at_idx",
    ),
    "logs of a week": (LOGS.format("null", "null", 168, "null"), "webhook_inbox_seq_idx"),
    "logs of a sender": (LOGS.format("'tavus'", "null", 168, "null"), "webhook_inbox_seq_idx"),
    "logs of nobody": (LOGS.format("'x'", "null", 168, "null"), "webhook_inbox_event_key"),
    "dead logs": (LOGS.format("null", "'dead'", 168, "null"), "webhook_inbox_dead_idx"),
    "logs, a page": (LOGS.format("null", "null", 168, 5000), "webhook_inbox_"),
    "operations": ("select public.operations()", "webhook_inbox_dead_idx"),
    "measure": ("select public.measure_realtime()", ""),
}


@pytest.mark.parametrize("name", CALLS)
def test_call_goes_by_its_index(counted: Full, name: str) -> None:
    call, index = CALLS[name]

    pages = counted.pages(call)

    assert pages <= MOST_PAGES
    assert not index or re.search(rf"\b(using|on) {index}", counted.plan)
    assert not re.search(
        r"Seq Scan on (webhook_inbox|webhook_minutes|delivery_attempts|event_attempts)\b",
        counted.plan,
    )


@contextmanager
def acting(connection: psycopg.Connection, person: str) -> Iterator[None]:
    with connection.transaction(force_rollback=True):
        connection.execute("set local role authenticated")
        claims = f'{{"sub": "{person}", "role": "authenticated"}}'
        connection.execute("select set_config('request.jwt.claims', %s, true)", [claims])
        yield


def test_persons_own_hour_goes_by_an_index(counted: Full) -> None:
    with acting(counted.connection, PERSON):
        pages = counted.pages(statistics("my_webhook_statistics", 1, 60))

    assert pages <= MOST_PAGES
    assert not re.search(r"Seq Scan on delivery_attempts\b", counted.plan)

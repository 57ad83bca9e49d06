"""What the database holds: filling it, emptying it, and counting what was acknowledged."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import psycopg

from bench.load import Load

CHUNK = 50_000
CATCH_UP = 120.0

_FILL = """
insert into private.webhook_inbox
    (source, event_key, event_type, conversation_id, path, body, body_sha256, headers, state,
    attempts, received_at, finished_at, duration_ms)
select 'tavus', format('old%%s:utterance:%%s', n %% 5000, md5(n::text)), 'conversation.utterance',
    'old' || n %% 5000, '/api/tavus/webhook', decode(repeat(md5(n::text), 32), 'hex'),
    repeat(md5(n::text), 2), '{"content-type": "application/json"}', 'processed', 1, at, at, 5
from generate_series(%(first)s, %(last)s) as n,
    lateral (select now() - n * interval '2 seconds' as at) as moment
"""
_COUNTS = {
    "inbox": "select count(*) from private.webhook_inbox"
    " where received_at > now() - interval '10 minutes'"
    " and event_key like '%%:' || %(run)s || '-%%'",
    "messages": "select count(*) from public.conversation_messages"
    " where message_id like %(run)s || '-%%'",
    "stripe inbox": "select count(*) from private.webhook_inbox"
    " where event_key like '%%:evt\\_' || %(run)s || '%%'",
    "payments": "select count(*) from public.payments"
    " where stripe_id like 'in\\_' || %(run)s || '%%'",
    "stream": "select count(*) from public.processed_webhook_events",
}
EVERY_TABLE = ("inbox", "messages", "stream")


class MismatchError(Exception):
    """The database does not hold what was acknowledged."""


def fill(db: psycopg.Connection, rows: int) -> None:
    """Put processed events into the inbox, 2 s apart, and let the database come to rest."""
    for first in range(1, rows + 1, CHUNK):
        db.execute(_FILL, {"first": first, "last": min(first + CHUNK - 1, rows)})
    db.execute("vacuum analyze private.webhook_inbox")
    db.execute("checkpoint")
    _wait_for_realtime(db)


def empty(db: psycopg.Connection, *, keep_inbox: bool) -> None:
    """Remove the events of earlier loads, so that every load finds the same database."""
    db.execute("truncate public.processed_webhook_events, public.conversation_messages")
    db.execute("truncate public.payments, private.record_facts")
    if not keep_inbox:
        db.execute("truncate private.webhook_inbox cascade")


def check(db: psycopg.Connection, run: str, load: Load, tables: Sequence[str]) -> None:
    """Count a run's events. Raises MismatchError unless each table holds what was acknowledged."""
    require_equal(run, load, {table: _count(db, table, run) for table in tables})


def require_equal(run: str, load: Load, counts: Mapping[str, int]) -> None:
    """Raise MismatchError unless all that was sent was acknowledged, and stored in each table."""
    if {load.sent, load.acknowledged, *counts.values()} != {load.sent}:
        raise MismatchError(
            f"{run}: {load.sent} sent, {load.acknowledged} acknowledged, stored {counts}"
        )


def _count(db: psycopg.Connection, table: str, run: str) -> int:
    row = db.execute(_COUNTS[table], {"run": run}).fetchone()
    return int(row[0]) if row else 0


def _wait_for_realtime(db: psycopg.Connection) -> None:
    """Return when Realtime has passed over the rows; reading them would slow the next load."""
    behind = (
        "select coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(), sent_lsn)), 0) > 1000000"
        " from pg_stat_replication"
    )
    until = time.monotonic() + CATCH_UP
    while db.execute(behind).fetchone() == (True,) and time.monotonic() < until:
        time.sleep(0.2)

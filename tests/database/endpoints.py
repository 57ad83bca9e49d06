"""Endpoints and deliveries as the service makes, claims and finishes them."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from tests.database.events import rows
from tests.database.personas import sign_up

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
URL = "https://example.test/hook"


def new_owner(db: psycopg.Connection) -> str:
    """Return the id of a new account."""
    return sign_up(db).id


def make_endpoint(db: psycopg.Connection, owner: str, **columns: Any) -> str:
    """Make an endpoint; return its id."""
    made = call(db, "create_endpoint", owner, {"url": URL, **columns}, SECRET, 1000)
    return str(made["row"]["id"])


def call(db: psycopg.Connection, function: str, *arguments: Any) -> Any:
    """Call a function as the service does."""
    given = [Jsonb(each) if isinstance(each, dict | list) else each for each in arguments]
    with db.transaction():
        db.execute("set local role service_role")
        marks = ", ".join(["%s"] * len(given))
        row = db.execute(f"select public.{function}({marks})", given).fetchone()
    assert row is not None
    return row[0]


def send(db: psycopg.Connection, owner: str, endpoint: str, times: int = 1) -> list[str]:
    """Queue samples for an endpoint; return the deliveries' ids, in the order of their sending."""
    return [
        str(call(db, "test_endpoint", owner, endpoint, "message.created", {"n": n})["id"])
        for n in range(times)
    ]


def claim(
    db: psycopg.Connection,
    endpoint: str,
    *,
    most: int = 1000,
    lease: float = 45.0,
    rate: int = 100,
    concurrency: int = 10,
    most_risky: int = 1000,
    under: str | None = None,
    seen: dict[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Claim what is due; return what is an endpoint's, each with its claim.

    The database is shared: what others left waiting is claimed with it and never finished.
    """
    token = under or str(uuid.uuid4())
    limits = (most, most_risky, lease, rate, concurrency)
    answer = call(db, "claim_deliveries", token, *limits, seen)
    return [
        {**delivery, "claim": token}
        for delivery in answer["deliveries"]
        if delivery["endpoint_id"] == endpoint
    ]


def finish(
    db: psycopg.Connection, *claimed: dict[str, Any], disable_after: float = 432000.0, **told: Any
) -> list[dict[str, Any]]:
    """Finish claimed deliveries alike; they are delivered unless `told` says otherwise."""
    batch = [
        {
            "id": each["id"],
            "claim": each["claim"],
            "outcome": "delivered",
            "status": 200,
            "duration_ms": 5.0,
            **told,
        }
        for each in claimed
    ]
    return list(call(db, "finish_deliveries", batch, disable_after))


def delivery(db: psycopg.Connection, delivery_id: str) -> dict[str, Any]:
    """Return a delivery's row."""
    [row] = rows(db, "select * from public.webhook_deliveries where id = %s", delivery_id)
    return row


def deliveries(db: psycopg.Connection, endpoint: str) -> list[dict[str, Any]]:
    """Return an endpoint's deliveries with their payloads, in the order of their queueing."""
    return rows(
        db,
        "select d.*, o.payload from public.webhook_deliveries d"
        " join private.outgoing_events o on o.id = d.event_id"
        " left join private.delivery_queue q on q.delivery_id = d.id"
        " where d.endpoint_id = %s order by q.seq, d.created_at, d.id",
        endpoint,
    )


def advance(db: psycopg.Connection, endpoint: str, seconds: float) -> None:
    """Let time pass for an endpoint: what it waits for comes so much nearer."""
    shift = "- make_interval(secs => %s)"
    db.execute(
        f"update private.delivery_queue set next_attempt_at = next_attempt_at {shift}"
        " where endpoint_id = %s",
        [seconds, endpoint],
    )
    db.execute(
        f"update private.delivery_slots set until = until {shift} where endpoint_id = %s",
        [seconds, endpoint],
    )
    db.execute(
        f"update private.endpoint_state set blocked_until = blocked_until {shift},"
        f" failing_since = failing_since {shift} where endpoint_id = %s",
        [seconds, seconds, endpoint],
    )

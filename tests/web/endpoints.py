"""Endpoints of people, as the tests make them."""

from __future__ import annotations

import json
from typing import Any

import httpx
import psycopg

from tests.database.events import rows
from tests.web.caller import Caller
from tests.web.people import Account

ENDPOINTS = "/api/webhook-endpoints"
HOOK = "https://hooks.example.test/in"


def create(caller: Caller, person: Account, **fields: Any) -> httpx.Response:
    """Ask for an endpoint."""
    # In escapes, which carry what UTF-8 has no bytes for.
    body = json.dumps({"url": HOOK, **fields})
    return caller.http.post(ENDPOINTS, content=body, headers=person.headers)


def made(caller: Caller, person: Account, **fields: Any) -> dict[str, Any]:
    """Make an endpoint; return it as it is told, with its secret."""
    answer = create(caller, person, **fields)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def endpoints_of(db: psycopg.Connection, person: Account) -> list[dict[str, Any]]:
    """Return a person's endpoints, oldest first."""
    return rows(
        db,
        "select * from public.webhook_endpoints where user_id = %s order by created_at, id",
        person.id,
    )


def secrets_of(db: psycopg.Connection, endpoint_id: str) -> list[str]:
    """Return the secrets that sign for an endpoint by now, newest first."""
    found = rows(
        db,
        "select secret from private.endpoint_secrets where endpoint_id = %s"
        " and (expires_at is null or expires_at > now()) order by id desc",
        endpoint_id,
    )
    return [row["secret"] for row in found]


def deliveries_of(db: psycopg.Connection, endpoint_id: str) -> list[dict[str, Any]]:
    """Return what is to be sent to an endpoint, oldest first, each with its payload."""
    return rows(
        db,
        "select d.*, e.payload from public.webhook_deliveries d"
        " join private.outgoing_events e on e.id = d.event_id"
        " where d.endpoint_id = %s order by d.created_at, d.id",
        endpoint_id,
    )


def finish(db: psycopg.Connection, delivery_id: str, **columns: Any) -> None:
    """Let a delivery end as if a worker had sent it, with these columns."""
    told = {"state": "failed", "attempts": 1, "next_attempt_at": None, **columns}
    names = ", ".join(f"{name} = %s" for name in told)
    db.execute(
        f"update public.webhook_deliveries set {names}, finished_at = now() where id = %s",
        [*told.values(), delivery_id],
    )
    db.execute("delete from private.delivery_queue where delivery_id = %s", [delivery_id])

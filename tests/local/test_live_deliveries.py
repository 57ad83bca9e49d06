"""An endpoint's owner sees its deliveries and their attempts as they happen; others see none."""

from __future__ import annotations

from typing import Any

import psycopg

from services.local.stack import LocalStack
from tests.database.endpoints import call, claim, finish, make_endpoint, send
from tests.local.phoenix import Client, realtime
from tests.web.people import Account, sign_up

LIVE = ("webhook_endpoints", "webhook_deliveries", "delivery_attempts")


def watch(client: Client, account: Account) -> None:
    tables = [{"event": "*", "schema": "public", "table": table} for table in LIVE]
    client.subscribe("realtime:deliveries", *tables, token=account.token)


def told(client: Client) -> tuple[str, str, dict[str, Any]]:
    change = client.change()
    return change["table"], change["type"], change["record"]


def test_its_owner_sees_each_step(stack: LocalStack, db: psycopg.Connection) -> None:
    owner = sign_up(stack)
    endpoint = make_endpoint(db, owner.id)
    with realtime(stack.url, stack.publishable_key) as client:
        watch(client, owner)
        [sent] = send(db, owner.id, endpoint)
        table, kind, row = told(client)
        assert (table, kind, row["id"], row["state"]) == (LIVE[1], "INSERT", sent, "waiting")

        finish(db, *claim(db, endpoint), outcome="failed", status=410, gone=True, response="no")

        steps = {(table, kind): row for table, kind, row in (told(client) for _ in range(3))}
        assert steps[LIVE[1], "UPDATE"]["state"] == "failed"
        assert steps[LIVE[2], "INSERT"].items() >= {"status": 410, "response": "no"}.items()
        assert steps[LIVE[0], "UPDATE"]["disabled_reason"] == "gone"


def test_others_see_nothing(stack: LocalStack, db: psycopg.Connection) -> None:
    owner, other = sign_up(stack), sign_up(stack)
    endpoint, theirs = make_endpoint(db, owner.id), make_endpoint(db, other.id)
    with realtime(stack.url, stack.publishable_key) as client:
        watch(client, other)
        send(db, owner.id, endpoint)
        finish(db, *claim(db, endpoint))
        call(db, "change_endpoint", owner.id, endpoint, {"description": "Mine"})
        [own] = send(db, other.id, theirs)

        assert told(client)[2]["id"] == own

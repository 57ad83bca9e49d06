"""From a person's message by API and worker to the receivers of docs/receivers.md."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from services.local import application
from services.local.stack import LocalStack
from services.local.state import State
from services.local.supervisor import Supervisor
from tests.database.events import rows
from tests.local.receiver_examples import running, wait_until_handled
from tests.stack import never, start_service
from tests.web.people import Account, sign_up

PATIENCE = 20.0
LOCAL = {"WEBHOOK_ALLOW_LOCAL": "1"}


@pytest.fixture(name="http", scope="module")
def _http(stack: LocalStack) -> Iterator[httpx.Client]:
    """A client of the service, beside which a worker runs."""
    service = start_service(stack, **LOCAL)
    state = State(stack.state.folder / "worker-of-receivers", owner=stack.state.id)
    state.create()
    worker = application.worker({**stack.env(), **LOCAL})
    supervisor = Supervisor([replace(worker, name="worker-of-receivers", after=())], state)
    try:
        supervisor.start(never)
        with httpx.Client(base_url=service.url, timeout=PATIENCE) as http:
            yield http
    finally:
        supervisor.stop()
        service.stop()


@pytest.mark.parametrize("name", ["flask", "express"])
def test_message_is_handled_once_though_sent_again_in_a_rotation(
    name: str, http: httpx.Client, stack: LocalStack, db: psycopg.Connection, tmp_path: Path
) -> None:
    ada = sign_up(stack)
    http.headers.update(ada.headers)
    room = f"/api/conversations/{conversation(db, ada)}"
    made = configure(http, room, "https://hooks.example.test")
    endpoint = f"/api/webhook-endpoints/{made['endpoint_id']}"

    with running(name, tmp_path, made["secret"]) as receiver:
        configure(http, room, receiver.url)
        http.post(f"{room}/messages", json={"content": "Grüße 👋"}).raise_for_status()
        first = newest(http, endpoint, attempts=1)
        http.post(f"{endpoint}/rotate-secret").raise_for_status()
        http.post(f"{endpoint}/deliveries/{first['id']}/resend").raise_for_status()
        again = newest(http, endpoint, attempts=2)
        http.post(f"{endpoint}/test").raise_for_status()
        last = newest(http, endpoint, attempts=1)
        wait_until_handled(receiver, last["webhook_id"])

    assert [told["last_status"] for told in (first, again, last)] == [204, 204, 204]
    assert first["webhook_id"] == again["webhook_id"]
    assert receiver.handled() == [first["webhook_id"], last["webhook_id"]]


def conversation(db: psycopg.Connection, person: Account) -> str:
    """Return the id of a new conversation of theirs."""
    query = (
        "insert into public.conversations (user_id, conversation_id) values (%s, %s) returning id"
    )
    [row] = rows(db, query, person.id, f"c{secrets.token_hex(8)}")
    return str(row["id"])


def configure(http: httpx.Client, room: str, url: str) -> dict[str, Any]:
    body = {"channel": "API", "usecase": "WORKFLOW_EXECUTION", "config": {"callback_url": url}}
    told: dict[str, Any] = http.put(f"{room}/webhook", json=body).raise_for_status().json()
    return told


def newest(http: httpx.Client, endpoint: str, attempts: int) -> dict[str, Any]:
    """Wait until the newest delivery has arrived with so many attempts, and return it."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        row: dict[str, Any] = (
            http.get(f"{endpoint}/deliveries").raise_for_status().json()["data"][0]
        )
        if row["state"] == "delivered" and row["attempts"] == attempts:
            return row
        time.sleep(0.05)
    raise AssertionError(row)

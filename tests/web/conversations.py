"""Conversations that people start, at a Tavus of the tests. conftest.py of no folder imports these
fixtures: a test module that wants them does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from services.local.stack import LocalStack
from tests.database.events import rows
from tests.stack import Service, start_service
from tests.tavus_fake import FakeTavus, fake_tavus
from tests.web.caller import LIMITS, SETTINGS, Caller
from tests.web.people import Account, sign_up

URL = "/api/conversations"
WANTED = {"persona_id": "p1"}


@pytest.fixture(name="tavus")
def _tavus(shared_tavus: FakeTavus) -> FakeTavus:
    """The Tavus of these tests, with nothing left of the test before."""
    shared_tavus.conversations.clear()
    shared_tavus.calls.clear()
    shared_tavus.faults.clear()
    return shared_tavus


@pytest.fixture(name="shared_tavus", scope="module")
def _shared_tavus() -> Iterator[FakeTavus]:
    with fake_tavus() as tavus:
        yield tavus


@pytest.fixture(name="service", scope="module")
def _service(stack: LocalStack, shared_tavus: FakeTavus) -> Iterator[Service]:
    env = {**SETTINGS, **shared_tavus.settings(), "CONVERSATIONS_PER_HOUR": "0"}
    service = start_service(stack, **env)
    yield service
    service.kill()


@pytest.fixture(name="caller", scope="module")
def _caller(service: Service) -> Iterator[Caller]:
    with httpx.Client(base_url=service.url, timeout=60, limits=LIMITS) as http:
        yield Caller(http)


@pytest.fixture(name="ada")
def _ada(stack: LocalStack) -> Account:
    return sign_up(stack)


def start(caller: Caller, person: Account, key: str | None = None, **wanted: Any) -> httpx.Response:
    """Start a conversation as a page does."""
    headers = {**person.headers, **({"Idempotency-Key": key} if key else {})}
    return caller.http.post(URL, json={**WANTED, **wanted}, headers=headers)


def rows_of(db: psycopg.Connection, person: Account) -> list[dict[str, Any]]:
    """Return a person's conversations, oldest first."""
    return rows(
        db,
        "select id::text, conversation_id, conversation_url, status, end_reason, ended_at"
        " from public.conversations where user_id = %s order by created_at",
        person.id,
    )

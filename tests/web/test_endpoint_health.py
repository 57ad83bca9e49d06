"""/api/webhook-endpoints/health: how each endpoint does, for whom may see it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from services.local.stack import LocalStack
from tests.web.caller import Caller
from tests.web.endpoints import ENDPOINTS, made
from tests.web.people import Account, make_admin, sign_up

NOW = datetime.now(UTC).replace(microsecond=0)
NOTHING = {"delivered": 0, "failed": 0, "last_delivered_at": None, "last_failed_at": None}


@pytest.fixture(name="ada")
def _ada(stack: LocalStack) -> Account:
    return sign_up(stack)


@pytest.fixture(name="endpoint")
def _endpoint(caller: Caller, ada: Account) -> str:
    return str(made(caller, ada)["id"])


def attempt(
    caller: Caller, db: psycopg.Connection, person: Account, endpoint: str, at: datetime, **end: Any
) -> None:
    """Let an endpoint have been sent something."""
    path = f"{ENDPOINTS}/{endpoint}/test"
    delivery = caller.http.post(path, json={}, headers=person.headers).json()["id"]
    db.execute(
        "insert into public.delivery_attempts"
        " (delivery_id, endpoint_id, user_id, attempt, status, error, attempted_at)"
        " values (%s, %s, %s, 1, %s, %s, %s)",
        [delivery, endpoint, person.id, end.get("status"), end.get("error"), at],
    )


def health(caller: Caller, person: Account) -> dict[str, dict[str, Any]]:
    """Return what is told, by endpoint."""
    answer = caller.http.get(f"{ENDPOINTS}/health", headers=person.headers)
    assert answer.status_code == 200, answer.text
    return {row.pop("endpoint_id"): row for row in answer.json()["data"]}


def test_attempts_of_the_last_day_are_counted_and_the_last_of_all_told(
    caller: Caller, db: psycopg.Connection, ada: Account, endpoint: str
) -> None:
    hour = timedelta(hours=1)
    attempt(caller, db, ada, endpoint, NOW - hour, status=204)
    attempt(caller, db, ada, endpoint, NOW - 2 * hour, status=200)
    attempt(caller, db, ada, endpoint, NOW - 25 * hour, status=200)
    attempt(caller, db, ada, endpoint, NOW - 26 * hour, status=500, error="It answered 500.")
    attempt(caller, db, ada, endpoint, NOW - 30 * hour, error="It took no connection.")

    [told] = health(caller, ada).values()

    assert (told["delivered"], told["failed"]) == (2, 0)
    assert datetime.fromisoformat(told["last_delivered_at"]) == NOW - hour
    assert datetime.fromisoformat(told["last_failed_at"]) == NOW - 26 * hour


def test_an_endpoint_that_was_sent_nothing_is_told_too(
    caller: Caller, ada: Account, endpoint: str
) -> None:
    assert health(caller, ada) == {endpoint: NOTHING}


def test_a_person_is_told_of_their_own_and_an_admin_of_all(
    caller: Caller, db: psycopg.Connection, stack: LocalStack, ada: Account, endpoint: str
) -> None:
    attempt(caller, db, ada, endpoint, NOW, status=500, error="It answered 500.")
    other, admin = sign_up(stack), sign_up(stack)
    make_admin(db, admin)

    assert health(caller, other) == {}
    assert health(caller, admin)[endpoint]["failed"] == 1


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nonsense"}])
def test_nobody_is_told_without_a_token(caller: Caller, headers: dict[str, str]) -> None:
    assert caller.http.get(f"{ENDPOINTS}/health", headers=headers).status_code == 401

"""Each person has so many requests a minute, and every answer tells what is left of them."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import httpx
import psycopg
import pytest

from services.local.stack import LocalStack
from tests.stack import start_service
from tests.web.caller import SETTINGS, Caller
from tests.web.people import Account, make_admin, sign_up

MOST = 12
NAMES = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")

ROUTES = [
    ("GET", "/api/conversations"),
    ("POST", "/api/conversations"),
    ("GET", "/api/conversations/{id}"),
    ("POST", "/api/conversations/{id}/end"),
    ("POST", "/api/conversations/{id}/app-messages"),
    ("POST", "/api/conversations/{id}/messages"),
    ("PATCH", "/api/conversations/{id}/messages/{id}"),
    ("PUT", "/api/conversations/{id}/webhook"),
    ("GET", "/api/conversations/{id}/webhook"),
    ("DELETE", "/api/conversations/{id}/webhook"),
    ("GET", "/api/qualification-data"),
    ("GET", "/api/qualification-data?limit=x"),
    ("POST", "/api/bookings"),
    ("GET", "/api/webhook-endpoints"),
    ("POST", "/api/webhook-endpoints"),
    ("GET", "/api/webhook-endpoints/{id}"),
    ("PATCH", "/api/webhook-endpoints/{id}"),
    ("DELETE", "/api/webhook-endpoints/{id}"),
    ("POST", "/api/webhook-endpoints/{id}/rotate-secret"),
    ("POST", "/api/webhook-endpoints/{id}/test"),
    ("POST", "/api/webhook-endpoints/{id}/resend-failed"),
    ("GET", "/api/webhook-endpoints/{id}/deliveries"),
    ("GET", "/api/webhook-endpoints/{id}/deliveries/{id}"),
    ("POST", "/api/webhook-endpoints/{id}/deliveries/{id}/resend"),
    ("GET", "/api/webhook-events"),
]


@pytest.fixture(name="limited", scope="module")
def _limited(stack: LocalStack) -> Iterator[Caller]:
    env = {**SETTINGS, "API_REQUESTS_PER_MINUTE": str(MOST), "RELAYED_MESSAGES_PER_MINUTE": "1"}
    service = start_service(stack, **env)
    with httpx.Client(base_url=service.url, timeout=30) as http:
        yield Caller(http)
    service.stop()


@pytest.fixture(name="ada")
def _ada(stack: LocalStack) -> Account:
    return sign_up(stack)


@pytest.fixture(name="person")
def _person(stack: LocalStack) -> Account:
    """Somebody new, made without a password as that is quicker."""
    return sign_up(stack, anonymous=True)


def told(answer: httpx.Response) -> dict[str, int]:
    return {name: int(answer.headers[name]) for name in NAMES}


def test_each_answer_counts_down_to_a_refusal(
    limited: Caller, stack: LocalStack, ada: Account
) -> None:
    # An error counts, and tells, like anything else.
    paths = ["/api/qualification-data", "/api/conversations/no-such"] * (MOST // 2)
    answers = [limited.http.get(path, headers=ada.headers) for path in paths]
    refused = limited.http.get(paths[0], headers=ada.headers)
    other = limited.http.get(paths[0], headers=sign_up(stack).headers)

    assert [answer.status_code for answer in answers] == [200, 404] * (MOST // 2)
    assert [told(answer)["RateLimit-Limit"] for answer in answers] == [MOST] * MOST
    assert [told(answer)["RateLimit-Remaining"] for answer in answers] == [*range(MOST)][::-1]
    assert all(0 < told(answer)["RateLimit-Reset"] <= 60 for answer in answers)
    assert refused.status_code == 429
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert told(refused) == {
        "RateLimit-Limit": MOST,
        "RateLimit-Remaining": 0,
        "RateLimit-Reset": int(refused.headers["Retry-After"]),
    }
    assert told(other)["RateLimit-Remaining"] == MOST - 1


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_route_counts_and_refuses(
    limited: Caller, person: Account, method: str, path: str
) -> None:
    address = path.replace("{id}", str(uuid4()))
    before = told(limited.http.get("/api/qualification-data?limit=x", headers=person.headers))

    answer = limited.http.request(method, address, headers=person.headers)

    left = before["RateLimit-Remaining"] - 1
    assert told(answer)["RateLimit-Remaining"] == left
    assert answer.status_code < 500


def test_refused_requests_do_nothing(limited: Caller, db: psycopg.Connection, ada: Account) -> None:
    for _ in range(MOST):
        limited.http.get("/api/qualification-data", headers=ada.headers)

    answer = limited.http.post(
        "/api/webhook-endpoints", json={"url": "https://x.example.test/"}, headers=ada.headers
    )

    assert answer.status_code == 429
    made = db.execute("select 1 from public.webhook_endpoints where user_id = %s", [ada.id])
    assert made.fetchall() == []


def test_who_is_nobody_is_told_nothing_and_counts_for_nobody(limited: Caller, ada: Account) -> None:
    forged = {"Authorization": f"Bearer {ada.token[:-3]}AAA"}

    answers = [limited.http.get("/api/conversations", headers=forged) for _ in range(MOST + 1)]
    own = limited.http.get("/api/conversations", headers=ada.headers)

    assert {answer.status_code for answer in answers} == {401}
    assert not any(name in answer.headers for answer in answers for name in NAMES)
    assert told(own)["RateLimit-Remaining"] == MOST - 1


def test_an_admins_requests_count_too(
    limited: Caller, db: psycopg.Connection, ada: Account
) -> None:
    make_admin(db, ada)

    answers = [limited.http.get("/api/webhook-events", headers=ada.headers) for _ in range(MOST)]

    assert {answer.status_code for answer in answers} == {200}
    assert limited.http.get("/api/webhook-events", headers=ada.headers).status_code == 429


def test_another_limits_refusal_tells_of_that_one(limited: Caller, ada: Account) -> None:
    path = f"/api/conversations/{uuid4()}/app-messages"
    body = {"messages": [{"event_type": "conversation.utterance"}] * 2}

    answer = limited.http.post(path, json=body, headers=ada.headers)

    assert answer.status_code == 429
    assert (told(answer)["RateLimit-Limit"], told(answer)["RateLimit-Remaining"]) == (1, 0)


def test_pages_of_allowed_origins_may_read_what_is_left(limited: Caller, ada: Account) -> None:
    headers = {**ada.headers, "Origin": "https://app.example.test"}

    answer = limited.http.get("/api/conversations", headers=headers)

    exposed = answer.headers["Access-Control-Expose-Headers"]
    assert all(name in exposed for name in NAMES)


def test_without_a_limit_nothing_is_told(stack: LocalStack, ada: Account) -> None:
    service = start_service(stack, **{**SETTINGS, "API_REQUESTS_PER_MINUTE": "0"})
    try:
        answer = httpx.get(f"{service.url}/api/conversations", headers=ada.headers)
    finally:
        service.stop()

    assert answer.status_code == 200
    assert not any(name in answer.headers for name in NAMES)

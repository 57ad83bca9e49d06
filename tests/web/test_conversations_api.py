"""POST /api/conversations: people start conversations, by our row first and then at Tavus."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from services.local.stack import LocalStack
from tests.database.events import rows
from tests.redis_server import redis_server
from tests.stack import Service, start_service
from tests.tavus_fake import MAX_CONCURRENT, FakeTavus
from tests.web.caller import KEY, SETTINGS, Caller, conversation_query, joined
from tests.web.conversations import (
    URL,
    _ada,
    _caller,
    _service,
    _shared_tavus,
    _tavus,
    rows_of,
    start,
)
from tests.web.people import Account, sign_up

__all__ = ["_ada", "_caller", "_service", "_shared_tavus", "_tavus"]
ORIGIN = "https://app.example.test"


# --- starting --------------------------------------------------------------------------------


def test_conversation_is_started_with_a_callback_of_its_own(
    caller: Caller, tavus: FakeTavus, db: psycopg.Connection, ada: Account
) -> None:
    answer = start(
        caller,
        ada,
        replica_id="r1",
        conversation_name="Demo",
        custom_greeting="Hello, Ada.",
        conversational_context="She knows the product.",
        properties={"max_call_duration": 600, "language": "english"},
    )

    assert answer.status_code == 201
    told = answer.json()
    [row] = rows_of(db, ada)
    [made] = tavus.conversations.values()
    assert told["conversation_url"] == made["conversation_url"] == row["conversation_url"]
    assert told["conversation_id"] == made["conversation_id"] == row["conversation_id"]
    assert (told["id"], told["status"]) == (row["id"], "active")
    assert answer.headers["Location"] == f"{URL}/{row['id']}"
    sent = dict(made["request"])
    query = conversation_query(row["id"], KEY)
    assert sent.pop("callback_url").endswith(f"/api/tavus/webhook?c={query['c']}&t={query['t']}")
    assert sent == {
        "persona_id": "p1",
        "replica_id": "r1",
        "conversation_name": "Demo",
        "custom_greeting": "Hello, Ada.",
        "conversational_context": "She knows the product.",
        "properties": {"max_call_duration": 600, "language": "english"},
    }


def test_its_callback_is_taken(
    caller: Caller, tavus: FakeTavus, db: psycopg.Connection, ada: Account
) -> None:
    told = start(caller, ada).json()

    answer = caller.send(joined(told["conversation_id"]), query=conversation_query(told["id"]))
    stranger = caller.send(joined("c-another"), query=conversation_query(told["id"]))

    assert (answer.status_code, stranger.status_code) == (200, 401)
    shown = caller.http.get(f"{URL}/{told['id']}", headers=ada.headers).json()
    assert (shown["status"], shown["started_at"]) == ("active", "2026-03-01T06:45:47.472000Z")


def test_anonymous_person_starts_one(
    stack: LocalStack, caller: Caller, tavus: FakeTavus, db: psycopg.Connection
) -> None:
    guest = sign_up(stack, anonymous=True)

    assert start(caller, guest).status_code == 201
    assert [row["status"] for row in rows_of(db, guest)] == ["active"]


def test_nobody_starts_none(caller: Caller, tavus: FakeTavus) -> None:
    answer = caller.http.post(URL, json={"persona_id": "p1"})

    assert answer.status_code == 401
    assert tavus.calls == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("persona_id", 7),
        ("persona_id", ""),
        ("persona_id", "p" * 300),
        ("persona_id", None),
        ("replica_id", ["r1"]),
        ("scenario_id", "not-a-uuid"),
        ("scenario_id", "6d0b8a14-3c5e-4f7a-9b21-0c4d8e2f6a17"),
        ("demo_id", {"a": 1}),
        ("conversation_name", "n" * 300),
        ("custom_greeting", "g" * 2001),
        ("conversational_context", "c" * 20_001),
        ("conversational_context", 1),
        ("properties", []),
        ("properties", {"a": "x" * 20_000}),
        ("properties", {"a": {"b": {"c": {"d": {"e": {"f": 1}}}}}}),
        ("properties", {"a": [[[[[1]]]]]}),
        ("properties", {"callback_url": "https://evil.example.test"}),
        ("callback_url", "https://evil.example.test"),
        ("user_id", "6d0b8a14-3c5e-4f7a-9b21-0c4d8e2f6a17"),
        ("status", "active"),
    ],
)
def test_wrong_field_is_422_and_named(
    caller: Caller, tavus: FakeTavus, db: psycopg.Connection, ada: Account, field: str, value: Any
) -> None:
    answer = start(caller, ada, **{field: value})

    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert field in answer.json()["detail"]
    assert tavus.calls == []
    assert rows_of(db, ada) == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"', b"\xff", b'{"a":NaN}', b"[" * 5000])
def test_body_that_is_no_object_is_400(caller: Caller, ada: Account, body: bytes) -> None:
    answer = caller.http.post(URL, content=body, headers=ada.headers)

    assert answer.status_code == 400


def test_hostile_texts_reach_tavus_as_texts(
    caller: Caller, tavus: FakeTavus, db: psycopg.Connection, ada: Account
) -> None:
    body = b'{"persona_id": "p1", "conversation_name": "a\\u0000\\ud800\'; drop table x; --"}'

    answer = caller.http.post(URL, content=body, headers=ada.headers)

    assert answer.status_code == 201
    [made] = tavus.conversations.values()
    assert made["conversation_name"] == "a\ufffd\ufffd'; drop table x; --"
    assert answer.json()["conversation_name"] == made["conversation_name"]


def test_scenario_and_demo_are_kept(
    caller: Caller, tavus: FakeTavus, db: psycopg.Connection, ada: Account
) -> None:
    scenario = str(uuid4())
    db.execute("insert into public.scenarios (id, title) values (%s, 'Sale')", [scenario])

    told = start(caller, ada, scenario_id=scenario, demo_id="d1").json()

    assert (told["scenario_id"], told["demo_id"]) == (scenario, "d1")
    assert {"scenario_id", "demo_id"}.isdisjoint(tavus.conversations.popitem()[1]["request"])


@pytest.mark.parametrize(
    ("table", "field"), [("scenarios", "scenario_id"), ("demo_videos", "demo_id")]
)
def test_what_a_person_may_not_see_is_422(
    caller: Caller, tavus: FakeTavus, db: psycopg.Connection, ada: Account, table: str, field: str
) -> None:
    hidden = str(uuid4())
    name = "id" if table == "scenarios" else "demo_id"
    db.execute(f"insert into public.{table} ({name}) values (%s)", [hidden])
    db.execute(
        f"create policy hides on public.{table} as restrictive for select to authenticated"
        f" using ({name}::text <> '{hidden}')"
    )
    try:
        answer = start(caller, ada, **{field: hidden})
    finally:
        db.execute(f"drop policy hides on public.{table}")
        db.execute(f"delete from public.{table} where {name}::text = %s", [hidden])

    assert answer.status_code == 422
    assert field in answer.json()["detail"]
    assert (tavus.calls, rows_of(db, ada)) == ([], [])


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"status": 400, "body": {"message": MAX_CONCURRENT}}, 429),
        ({"status": 429, "body": {"error": "slow down"}}, 429),
        ({"status": 401, "body": {"message": "Invalid access token"}}, 502),
        ({"status": 403, "body": None}, 502),
        ({"status": 402, "body": {"error": "out of conversational credits"}}, 502),
        ({"status": 400, "body": {"error": "Invalid persona_id"}}, 422),
        ({"status": 404, "body": {"message": "Not Found"}}, 422),
        ({"status": 500, "body": {"message": "oh"}}, 502),
        ({"status": 503, "body": b"<html>"}, 502),
        ({"status": 200, "body": b"<html>"}, 502),
        ({"status": 200, "body": {"status": "active"}}, 502),
        ({"status": 200, "body": []}, 502),
        ({"status": 200, "body": {"conversation_id": 5, "conversation_url": "x"}}, 502),
        (
            {"status": 200, "body": {"conversation_id": "c1", "conversation_url": "javascript:1"}},
            502,
        ),
        *(
            (
                {
                    "status": 200,
                    "body": {"conversation_id": told, "conversation_url": "https://r.example.test"},
                },
                502,
            )
            for told in ("", " ", "..", "c 1", "c\0", "c" * 256)
        ),
        (
            {"status": 200, "body": {"conversation_id": "c1", "conversation_url": "https://r/\0"}},
            502,
        ),
        ({"status": 200, "body": b"[" * 100_000}, 502),
        ({"status": 302, "body": None}, 502),
        ({"status": None}, 503),
    ],
)
def test_tavus_errors_become_ours_and_leave_a_failed_row(
    caller: Caller,
    tavus: FakeTavus,
    db: psycopg.Connection,
    ada: Account,
    fault: dict[str, Any],
    expected: int,
) -> None:
    tavus.fail("POST", "/conversations", **fault)

    answer = start(caller, ada)

    assert answer.status_code == expected
    assert "Tavus" in answer.json()["detail"]
    assert ("Retry-After" in answer.headers) == (expected in (429, 503))
    [row] = rows_of(db, ada)
    assert (row["status"], row["conversation_id"]) == ("failed", None)


def test_wrong_key_and_full_account_are_told_by_a_real_refusal(
    caller: Caller, tavus: FakeTavus, ada: Account
) -> None:
    tavus.concurrency, tavus.key = 0, "changed"
    try:
        wrong_key = start(caller, ada)
        tavus.key = "tavus-key-for-tests"
        full = start(caller, ada)
    finally:
        tavus.concurrency, tavus.key = 1000, "tavus-key-for-tests"

    assert (wrong_key.status_code, full.status_code) == (502, 429)
    assert "TAVUS_API_KEY" in wrong_key.json()["detail"]
    assert "maximum concurrent" in full.json()["detail"]


@pytest.mark.parametrize("setting", ["TAVUS_API_KEY", "CALLBACK_SIGNING_KEY"])
def test_without_a_key_of_ours_nothing_is_begun(
    stack: LocalStack, tavus: FakeTavus, db: psycopg.Connection, ada: Account, setting: str
) -> None:
    service = start_service(stack, **{**SETTINGS, **tavus.settings(), setting: ""})
    try:
        answer = httpx.post(service.url + URL, json={"persona_id": "p1"}, headers=ada.headers)
    finally:
        service.kill()

    assert answer.status_code == 502
    assert setting in answer.json()["detail"]
    assert (tavus.calls, rows_of(db, ada)) == ([], [])


def test_token_of_the_callback_is_nowhere_to_be_read(
    service: Service, caller: Caller, tavus: FakeTavus, db: psycopg.Connection, ada: Account
) -> None:
    def echo(tavus: FakeTavus) -> None:
        url = tavus.calls[-1].body["callback_url"]
        sentences.append(url)
        fault.body = {"message": f"The callback_url {url} cannot be reached"}

    sentences: list[str] = []
    answers = [start(caller, ada)]
    for status in (400, 429, 500):
        fault = tavus.fail("POST", "/conversations", status, also=echo)
        answers.append(start(caller, ada))
    answers.append(caller.http.get(URL, headers=ada.headers))

    tokens = [url.rpartition("t=")[2] for url in sentences]
    tokens.append(conversation_query(answers[0].json()["id"])["t"])
    log = service.supervisor.state.log(service.name).read_text()
    stored = json.dumps(
        rows(db, "select to_jsonb(c) as row from public.conversations c"), default=str
    )
    assert len(tokens) == 4
    for token in tokens:
        for text in (*(answer.text for answer in answers), log, stored):
            assert token[:20] not in text


# --- asking twice ----------------------------------------------------------------------------


def test_same_request_under_a_key_is_one_conversation(
    caller: Caller, tavus: FakeTavus, db: psycopg.Connection, ada: Account, stack: LocalStack
) -> None:
    first, again = start(caller, ada, "key-1"), start(caller, ada, "key-1")
    other_request = start(caller, ada, "key-1", conversation_name="Other")
    other_person = start(caller, sign_up(stack), "key-1")

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert (other_request.status_code, other_person.status_code) == (422, 201)
    assert len(rows_of(db, ada)) == 1
    assert len(tavus.conversations) == 2


def test_key_is_free_again_after_a_failure(caller: Caller, tavus: FakeTavus, ada: Account) -> None:
    tavus.fail("POST", "/conversations", 500)

    assert start(caller, ada, "key-2").status_code == 502
    assert start(caller, ada, "key-2").status_code == 201


@pytest.mark.parametrize("key", ["", "k" * 256, "é"])
def test_bad_key_is_422(caller: Caller, tavus: FakeTavus, ada: Account, key: str) -> None:
    headers = {**ada.headers, "Idempotency-Key": key.encode("latin-1")}
    answer = caller.http.post(URL, json={"persona_id": "p1"}, headers=headers)

    assert answer.status_code == 422
    assert "Idempotency-Key" in answer.json()["detail"]


def test_without_a_key_each_request_is_a_conversation(
    caller: Caller, tavus: FakeTavus, db: psycopg.Connection, ada: Account
) -> None:
    assert [start(caller, ada).status_code, start(caller, ada).status_code] == [201, 201]
    assert len({row["conversation_id"] for row in rows_of(db, ada)}) == 2


# --- limits and origins ----------------------------------------------------------------------


def test_person_who_starts_too_many_is_429_and_others_are_not(
    stack: LocalStack, tavus: FakeTavus, db: psycopg.Connection, ada: Account
) -> None:
    env = {**SETTINGS, **tavus.settings(), "CONVERSATIONS_PER_HOUR": "2"}
    service = start_service(stack, **env)
    try:
        with httpx.Client(base_url=service.url, timeout=30) as http:
            caller = Caller(http)
            assert start(caller, ada, persona_id=None).status_code == 422
            answers = [start(caller, ada) for _ in range(3)]
            other = start(caller, sign_up(stack))
    finally:
        service.kill()

    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert answers[2].headers["RateLimit-Limit"] == "2"
    assert answers[2].headers["RateLimit-Remaining"] == "0"
    assert 0 < int(answers[2].headers["Retry-After"]) <= 3600
    assert other.status_code == 201
    assert len(rows_of(db, ada)) == 2


def test_processes_that_share_a_redis_count_together(
    stack: LocalStack, tavus: FakeTavus, ada: Account, tmp_path: Any
) -> None:
    with redis_server(tmp_path) as redis:
        env = {**SETTINGS, **tavus.settings(), "RATE_LIMIT_STORAGE_URL": redis.url}
        services = [start_service(stack, **env, CONVERSATIONS_PER_HOUR="3") for _ in range(2)]
        try:
            told = [
                httpx.post(service.url + URL, json={"persona_id": "p1"}, headers=ada.headers)
                for service in services * 2
            ]
        finally:
            for service in services:
                service.kill()

    assert [answer.status_code for answer in told] == [201, 201, 201, 429]


@pytest.mark.parametrize("path", ["", "/c1", "/c1/end"])
def test_pages_of_our_origins_may_call_and_others_not(caller: Caller, path: str) -> None:
    def preflight(origin: str) -> httpx.Response:
        asked = {
            "Origin": origin,
            "Access-Control-Request-Method": "GET" if path == "/c1" else "POST",
            "Access-Control-Request-Headers": "authorization, content-type, idempotency-key",
        }
        return caller.http.options(URL + path, headers=asked)

    ours, theirs = preflight(ORIGIN), preflight("https://evil.example.test")

    assert ours.status_code == 200
    assert ours.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "POST" in ours.headers["Access-Control-Allow-Methods"]
    for name in ("authorization", "content-type", "idempotency-key"):
        assert name in ours.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Origin" not in theirs.headers

"""GET /api/qualification-data: each their own, newest first, page by page."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import httpx
import jwt
import psycopg
import pytest

from services.local.stack import LocalStack
from tests.database.events import make_conversation, new_conversation_id
from tests.web.caller import QUALIFICATION, Caller
from tests.web.people import Account, make_admin, sign_up

URL = "/api/qualification-data"


def qualify(caller: Caller, conversation_id: str, name: str = "Ada", objective: str = "q") -> None:
    answer = caller.send(
        {
            "conversation_id": conversation_id,
            "event_type": "conversation.objective.completed",
            "properties": {
                "objective_name": objective,
                "output_variables": {
                    "first_name": name,
                    "email": "ada at example dot test",
                    "budget": 5,
                },
            },
        },
        path=QUALIFICATION,
    )
    assert answer.status_code == 200


def read(caller: Caller, person: Account, **query: Any) -> httpx.Response:
    return caller.http.get(URL, params=query, headers=person.headers)


@pytest.fixture(name="ada")
def _ada(stack: LocalStack) -> Account:
    return sign_up(stack)


def test_person_reads_their_own_and_nothing_else(
    stack: LocalStack, caller: Caller, db: psycopg.Connection, ada: Account
) -> None:
    guest = sign_up(stack, anonymous=True)
    hers, his = new_conversation_id(), new_conversation_id()
    make_conversation(db, hers, user_id=ada.id)
    make_conversation(db, his, user_id=guest.id)
    qualify(caller, hers)
    qualify(caller, his, name="Ben")

    [row] = read(caller, ada).json()["data"]
    [other] = read(caller, guest).json()["data"]

    assert (row["conversation_id"], row["first_name"]) == (hers, "Ada")
    assert row["email"] == "ada@example.test"
    assert row["output_variables"]["budget"] == 5
    assert (other["conversation_id"], other["first_name"]) == (his, "Ben")
    assert read(caller, ada, conversation_id=his).json() == {"data": [], "next": None}


def test_admin_reads_all_until_revoked(
    stack: LocalStack, caller: Caller, db: psycopg.Connection, ada: Account
) -> None:
    admin = sign_up(stack)
    make_admin(db, admin)
    conversation = new_conversation_id()
    make_conversation(db, conversation, user_id=ada.id)
    qualify(caller, conversation)

    seen = read(caller, admin, conversation_id=conversation).json()["data"]
    db.execute("update public.profiles set role = 'user' where id = %s", [admin.id])
    seen_later = read(caller, admin, conversation_id=conversation).json()["data"]

    assert len(seen) == 1
    assert seen_later == []


def test_pages_follow_each_other_without_gap_or_repeat(
    caller: Caller, db: psycopg.Connection, ada: Account
) -> None:
    conversation = new_conversation_id()
    make_conversation(db, conversation, user_id=ada.id)
    for n in range(7):
        qualify(caller, conversation, objective=f"objective {n}")
    # Rows of one transaction share their time: the cursor must not stumble over them.
    db.execute(
        "update public.qualification_data set received_at = '2026-03-01 06:45:47.123456+00'"
        " where conversation_id = %s and objective_name in ('objective 2', 'objective 3')",
        [conversation],
    )

    names, before = [], None
    while True:
        page = read(caller, ada, limit=2, **({"before": before} if before else {})).json()
        names += [row["objective_name"] for row in page["data"]]
        before = page["next"]
        if before is None:
            break

    assert sorted(names) == [f"objective {n}" for n in range(7)]
    assert names[:5] == [f"objective {n}" for n in (6, 5, 4, 1, 0)]


def test_row_from_before_this_schema_is_shown_as_it_is(
    stack: LocalStack, caller: Caller, db: psycopg.Connection
) -> None:
    admin = sign_up(stack)
    make_admin(db, admin)
    rows = db.execute(
        "insert into public.qualification_data (received_at, output_variables)"
        " values ('2999-01-01', '[1]'), ('2999-01-01', null) returning id"
    ).fetchall()

    try:
        answer = read(caller, admin, limit=2)
    finally:
        db.execute("delete from public.qualification_data where received_at = '2999-01-01'")

    assert answer.status_code == 200
    assert {row["id"] for row in answer.json()["data"]} == {str(row[0]) for row in rows}
    assert [row["conversation_id"] for row in answer.json()["data"]] == [None, None]


def test_plain_time_is_a_cursor_too(caller: Caller, db: psycopg.Connection, ada: Account) -> None:
    conversation = new_conversation_id()
    make_conversation(db, conversation, user_id=ada.id)
    qualify(caller, conversation)

    assert len(read(caller, ada, before="2099-01-01T00:00:00+00:00").json()["data"]) == 1
    assert read(caller, ada, before="2020-01-01T00:00:00Z").json()["data"] == []


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "201"},
        {"limit": "x"},
        {"limit": "1e3"},
        {"before": "yesterday"},
        {"before": "2026-03-01T00:00:00Z,x"},
        {"before": '2026-03-01T00:00:00Z,"),or(id.gt.0'},
        {"conversation_id": ""},
        {"conversation_id": "c" * 300},
        {"offset": "3"},
        {"before": "\x00"},
        {"limit": "9" * 5000},
    ],
)
def test_bad_query_is_400_and_named(caller: Caller, ada: Account, query: dict[str, str]) -> None:
    answer = read(caller, ada, **query)

    assert answer.status_code == 400
    assert next(iter(query)) in answer.json()["detail"]


@pytest.mark.parametrize("conversation_id", ["a,b", 'a"b', "a)b(", "eq.x", "*", "%", "a\x00b", "é"])
def test_odd_conversation_id_finds_nothing(
    caller: Caller, ada: Account, conversation_id: str
) -> None:
    answer = read(caller, ada, conversation_id=conversation_id)

    assert answer.status_code in (200, 400)
    assert answer.json().get("data", []) == []


def forged(claims: dict[str, Any], key: str, algorithm: str = "HS256") -> str:
    return jwt.encode(claims, key, algorithm=algorithm)


def test_hostile_tokens_are_401(stack: LocalStack, caller: Caller, ada: Account) -> None:
    claims = jwt.decode(ada.token, options={"verify_signature": False})
    secret = stack.env()["SUPABASE_JWT_SECRET"]
    now = int(time.time())
    header, payload, mark = ada.token.split(".")
    unsigned = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).decode()
    tokens = {
        "wrong key": forged(claims, "another secret of thirty-two bytes at least"),
        "expired": forged({**claims, "exp": now - 10}, secret),
        "no exp": forged({k: v for k, v in claims.items() if k != "exp"}, secret),
        "other audience": forged({**claims, "aud": "anon"}, secret),
        "no audience": forged({k: v for k, v in claims.items() if k != "aud"}, secret),
        "service role": forged({"role": "service_role", "exp": now + 60}, secret),
        "person as service role": forged({**claims, "role": "service_role"}, secret),
        "person as anon": forged({**claims, "role": "anon"}, secret),
        "not yet": forged({**claims, "nbf": now + 600, "iat": now + 600}, secret),
        "issued in the future": forged({**claims, "iat": now + 600}, secret),
        "exp as text": forged({**claims, "exp": str(now + 60)}, secret),
        "exp as list": f"{header}.{base64.urlsafe_b64encode(b'{}').decode()}.{mark}",
        "alg none": f"{unsigned.rstrip('=')}.{payload}.",
        "no subject": forged({k: v for k, v in claims.items() if k != "sub"}, secret),
        "somebody else": forged({**claims, "sub": "00000000-0000-4000-8000-000000000000"}, secret),
        "cut": ada.token[:-5],
        "tampered": f"{header}.{payload[:-4]}AAAA.{mark}",
        "publishable key": stack.publishable_key,
        "secret key": stack.secret_key,
        "garbage": "a.b.c",
        "long": "x" * 6000,
        "latin": "é.ü.ß",
    }

    for name, token in tokens.items():
        sent = {"Authorization": f"Bearer {token}".encode("latin-1")}
        answer = caller.http.get(URL, headers=sent)

        assert answer.status_code == 401, name
        assert answer.headers["Content-Type"] == "application/problem+json", name


@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic YTpi", "bearer\tx"])
def test_no_token_is_401(caller: Caller, header: str | None) -> None:
    sent = {} if header is None else {"Authorization": header}

    assert caller.http.get(URL, headers=sent).status_code == 401


def test_only_configured_origins_may_read(caller: Caller, ada: Account) -> None:
    def origin(name: str) -> str | None:
        answer = caller.http.get(URL, headers={**ada.headers, "Origin": name})
        return answer.headers.get("Access-Control-Allow-Origin")

    assert origin("https://app.example.test") == "https://app.example.test"
    assert origin("https://evil.example.test") is None

"""The local gateway's keys, CORS and sign-in behave as a hosted project's do."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

import httpx
import jwt
import pytest
from supabase import ClientOptions, create_client

from services.local.stack import LocalStack
from tests.local.conftest import Table, Visitor, visitor
from tests.local.phoenix import PATIENCE

BROWSER = "Mozilla/5.0 (X11; Linux x86_64)"
NOBODY = "00000000-0000-4000-8000-000000000000"


def get(stack: LocalStack, path: str, **headers: str) -> httpx.Response:
    return httpx.get(stack.url + path, headers=headers, timeout=PATIENCE)


def rows(stack: LocalStack, table: Table, **headers: str) -> list[dict[str, object]]:
    """Select all rows, waiting until PostgREST knows the table."""
    until = time.monotonic() + PATIENCE
    while True:
        answer = get(stack, f"/rest/v1/{table.name}?select=id,owner", **headers)
        if answer.status_code != 404 or time.monotonic() > until:
            return list(answer.raise_for_status().json())


def email() -> str:
    return f"{secrets.token_hex(6)}@example.com"


# Keys


def test_a_request_without_a_key_is_refused(stack: LocalStack) -> None:
    answer = get(stack, "/rest/v1/")

    assert answer.status_code == 401
    assert answer.json() == {"message": "No API key found in request"}


@pytest.mark.parametrize("path", ["/rest/v1/", "/auth/v1/settings", "/local/realtime"])
def test_an_unknown_key_is_refused(stack: LocalStack, path: str) -> None:
    answer = get(stack, path, apikey="sb_secret_guess")

    assert answer.status_code == 401
    assert answer.json() == {"message": "Invalid API key"}


def test_a_secret_key_in_a_browser_is_refused(stack: LocalStack) -> None:
    headers = {"apikey": stack.secret_key, "user-agent": BROWSER}

    assert get(stack, "/rest/v1/", **headers).status_code == 401


def test_an_opaque_bearer_other_than_the_key_is_refused(stack: LocalStack) -> None:
    bearer = f"Bearer {stack.secret_key}"
    answer = get(stack, "/rest/v1/", apikey=stack.publishable_key, authorization=bearer)

    assert answer.status_code == 401


def test_the_key_in_the_query_is_not_taken_for_a_filter(stack: LocalStack, table: Table) -> None:
    rows(stack, table, apikey=stack.secret_key)
    answer = get(stack, f"/rest/v1/{table.name}?select=id&apikey={stack.secret_key}")

    assert (answer.status_code, answer.json()) == (200, [])


def test_a_secret_key_with_a_persons_token_has_the_persons_rights(
    stack: LocalStack, table: Table, visit: Callable[[], Visitor]
) -> None:
    anna, ben = visit(), visit()
    table.insert(owner=anna.id)
    bens = table.insert(owner=ben.id)
    key = stack.secret_key

    assert len(rows(stack, table, apikey=key, authorization=f"Bearer {key}")) == 2
    seen = rows(stack, table, apikey=key, authorization=f"Bearer {ben.token}")
    assert seen == [{"id": bens, "owner": ben.id}]


def test_anonymous_requests_meet_missing_grants(stack: LocalStack, table: Table) -> None:
    rows(stack, table, apikey=stack.secret_key)
    answer = get(stack, f"/rest/v1/{table.name}", apikey=stack.publishable_key)

    assert answer.status_code == 401
    assert answer.json()["code"] == "42501"


# CORS


@pytest.mark.parametrize("path", ["/rest/v1/things", "/auth/v1/token", "/auth/v1/user"])
def test_every_preflight_is_answered(stack: LocalStack, path: str) -> None:
    asked = {
        "origin": "http://localhost:3000",
        "access-control-request-method": "POST",
        "access-control-request-headers": "apikey,authorization,x-client-info",
    }
    answer = httpx.options(stack.url + path, headers=asked)

    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-headers"] == "apikey,authorization,x-client-info"
    assert "POST" in answer.headers["access-control-allow-methods"]


@pytest.mark.parametrize("path", ["/rest/v1/", "/auth/v1/settings", "/auth/v1/user"])
def test_answers_carry_one_cors_origin(api: httpx.Client, path: str) -> None:
    answer = api.get(path, headers={"origin": "http://localhost:3000"})

    assert answer.headers.get_list("access-control-allow-origin") == ["*"]


# Sign-in


def test_an_anonymous_visitor_has_a_complete_token(visit: Callable[[], Visitor]) -> None:
    anna = visit()
    claims = jwt.decode(anna.token, options={"verify_signature": False})

    assert claims["sub"] == anna.id
    assert (claims["aud"], claims["role"]) == ("authenticated", "authenticated")
    assert claims["is_anonymous"] is True
    assert claims["exp"] > claims["iat"]
    assert claims["session_id"]


def test_an_anonymous_session_is_refreshed_and_ended(
    api: httpx.Client, visit: Callable[[], Visitor]
) -> None:
    anna = visit()
    path = "/auth/v1/token?grant_type=refresh_token"
    again = visitor(api.post(path, json={"refresh_token": anna.refresh_token}))
    bearer = {"authorization": f"Bearer {again.token}"}

    assert again.id == anna.id
    assert jwt.decode(again.token, options={"verify_signature": False})["is_anonymous"] is True
    assert api.get("/auth/v1/user", headers=bearer).json()["is_anonymous"] is True

    assert api.post("/auth/v1/logout", headers=bearer).status_code == 204
    ended = api.post(path, json={"refresh_token": again.refresh_token})
    assert ended.status_code == 400


def test_supabase_py_signs_up_in_and_out(stack: LocalStack) -> None:
    options = ClientOptions(auto_refresh_token=False, persist_session=False)
    options.httpx_client = httpx.Client(timeout=PATIENCE)
    client = create_client(stack.url, stack.publishable_key, options)
    who = {"email": email(), "password": secrets.token_urlsafe(12)}

    assert client.auth.sign_up(who).user.email == who["email"]
    assert client.auth.sign_in_with_password(who).session.access_token
    assert client.auth.get_user().user.is_anonymous is False
    assert client.auth.refresh_session().user.email == who["email"]
    client.auth.sign_out()
    options.httpx_client.close()


def test_a_malformed_sign_up_makes_nobody(api: httpx.Client) -> None:
    for body in (b"", b"[]", b"{", b'"x"', b"null"):
        answer = api.post("/auth/v1/signup", content=body)
        assert 400 <= answer.status_code < 500, body


def test_only_the_secret_key_makes_and_removes_users(api: httpx.Client, stack: LocalStack) -> None:
    who = {"email": email(), "password": secrets.token_urlsafe(12)}
    path, admin = "/auth/v1/admin/users", {"apikey": stack.secret_key}

    assert api.post(path, json=who).status_code == 403

    made = api.post(path, json={**who, "app_metadata": {"team": 1}}, headers=admin).json()
    assert made["app_metadata"]["team"] == 1
    assert api.get(f"{path}/{made['id']}", headers=admin).json()["email"] == who["email"]
    assert visitor(api.post("/auth/v1/token?grant_type=password", json=who)).id == made["id"]
    assert api.delete(f"{path}/{made['id']}", headers=admin).status_code == 200
    assert api.get(f"{path}/{made['id']}", headers=admin).status_code == 404


# Bad tokens


@pytest.mark.parametrize("path", ["/auth/v1/user", "/rest/v1/"])
def test_bad_tokens_are_refused(
    api: httpx.Client, visit: Callable[[], Visitor], forge: Callable[..., str], path: str
) -> None:
    good = visit().token
    claims = jwt.decode(good, options={"verify_signature": False})
    bad = {
        "another signature": good[:-6] + "AAAAAA",
        "another secret": jwt.encode(claims, "x" * 40, "HS256"),
        "no algorithm": jwt.encode(claims, None, algorithm="none"),
        "expired": forge(**{**claims, "exp": int(time.time()) - 60}),
        "garbage": "garbage",
    }

    for what, token in bad.items():
        answer = api.get(path, headers={"authorization": f"Bearer {token}"})
        assert answer.status_code in (401, 403), what


def test_a_user_who_is_gone_is_refused(api: httpx.Client, forge: Callable[..., str]) -> None:
    token = forge(sub=NOBODY, role="authenticated", aud="authenticated", exp=int(time.time()) + 60)
    answer = api.get("/auth/v1/user", headers={"authorization": f"Bearer {token}"})

    assert answer.status_code == 403


# Controls


def test_health_needs_no_key(stack: LocalStack) -> None:
    answer = get(stack, "/local/health")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_the_knobs_need_the_secret_key(api: httpx.Client) -> None:
    assert api.post("/local/realtime", json={"drop": True}).status_code == 403

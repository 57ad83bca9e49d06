"""Forged tokens of people: who shows many has Supabase Auth asked about few of them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import jwt
import pytest
from flask.testing import FlaskClient

from services.database import Database
from tests.whole_app import ID, whole_app

MOST = 3
SECRET = "the-shared-secret-of-the-project"


@dataclass
class Auth:
    """Supabase Auth: knows its own signature, and counts what it is asked."""

    asked: list[str] = field(default_factory=list)

    def account(self, token: str) -> dict[str, Any] | None:
        self.asked.append(token)
        try:
            return {"id": jwt.decode(token, SECRET, ["HS256"], audience="authenticated")["sub"]}
        except jwt.PyJWTError:
            return None


def token(secret: str = "somebody-elses-secret-of-thirty-two", number: int = 0) -> str:
    claims = {"sub": ID, "aud": "authenticated", "role": "authenticated", "n": number}
    return jwt.encode({**claims, "exp": int(time.time()) + 600}, secret, "HS256")


@pytest.fixture(name="auth")
def _auth(monkeypatch: pytest.MonkeyPatch) -> Auth:
    auth = Auth()
    monkeypatch.setattr(Database, "account", lambda _, shown: auth.account(shown))
    monkeypatch.setattr(Database, "is_admin", lambda *_: False)
    return auth


@pytest.fixture(name="client")
def _client(auth: Auth) -> FlaskClient:
    return whole_app(AUTH_FAILURES_PER_MINUTE=str(MOST)).test_client()


def ask(client: FlaskClient, shown: str, address: str = "192.0.2.1") -> int:
    headers = {"Authorization": f"Bearer {shown}"}
    answer = client.get("/api/me", headers=headers, environ_base={"REMOTE_ADDR": address})
    return answer.status_code


def test_forged_tokens_of_an_address_are_asked_about_no_more(
    client: FlaskClient, auth: Auth
) -> None:
    answers = [ask(client, token(number=number)) for number in range(20)]

    assert answers == [401] * MOST + [429] * (20 - MOST)
    assert len(auth.asked) <= MOST + 1


def test_whoever_is_known_or_elsewhere_is_let_in_meanwhile(client: FlaskClient, auth: Auth) -> None:
    known = token(SECRET)
    assert ask(client, known) == 200
    for number in range(20):
        ask(client, token(number=number))

    assert ask(client, known) == 200
    assert ask(client, token(SECRET, 1), address="192.0.2.2") == 200


def test_tokens_that_cost_nothing_are_refused_alike(client: FlaskClient, auth: Auth) -> None:
    answers = [ask(client, "no token at all") for _ in range(MOST + 2)]

    assert answers == [401] * MOST + [429] * 2
    assert auth.asked == []


def test_senders_are_not_refused_for_what_browsers_show(client: FlaskClient, auth: Auth) -> None:
    for number in range(20):
        ask(client, token(number=number))

    answer = client.post("/api/tavus/webhook", environ_base={"REMOTE_ADDR": "192.0.2.1"})

    assert answer.status_code == 401

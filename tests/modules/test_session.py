"""What people are told and what becomes of their session when the sign-in refuses or fails."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.modules.node import run


def explained(**error: Any) -> str:
    signing_in = f"""
        const auth = {{ signInWithPassword: async () => ({{ error: {json.dumps(error)} }}) }};
        return module.signIn({{ auth }}, "ada@example.test", "secret");
    """
    told: str = run("../session.js", signing_in)
    return told


def is_signed_out(refusal: dict[str, Any]) -> bool:
    """Return whether this, said of a refused token's renewal, signs a person out."""
    asking = f"""
        let isOut = false;
        const auth = {{
            getSession: async () => ({{ data: {{ session: {{ access_token: "ended" }} }} }}),
            refreshSession: async () => ({{ data: {{}}, error: {json.dumps(refusal)} }}),
            signOut: async () => (isOut = true),
        }};
        globalThis.fetch = async () => new Response("{{}}", {{ status: 401 }});
        await module.createApi({{ auth }}).get("/api/me").catch(() => {{}});
        return isOut;
    """
    found: bool = run("api.js", asking)
    return found


@pytest.mark.parametrize(
    "error",
    [
        {"status": 400, "code": "invalid_credentials", "message": "Invalid login credentials"},
        {"status": 400, "message": "Invalid login credentials"},
    ],
)
def test_who_gives_a_wrong_password_is_told_so(error: dict[str, Any]) -> None:
    assert explained(**error) == "E-mail or password is wrong."


@pytest.mark.parametrize(
    ("code", "message"),
    [("email_not_confirmed", "Email not confirmed"), ("user_banned", "User is banned")],
)
def test_who_is_refused_for_another_reason_is_told_that(code: str, message: str) -> None:
    assert explained(status=400, code=code, message=message) == message


def test_a_person_whose_session_is_over_is_signed_out() -> None:
    assert is_signed_out({"status": 400, "code": "refresh_token_not_found"})


@pytest.mark.parametrize("status", [0, 409, 429, 500, 503])
def test_a_person_stays_signed_in_while_a_token_cannot_be_renewed(status: int) -> None:
    assert not is_signed_out({"status": status})

"""People who can sign in on the page."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import httpx

from services.local.stack import LocalStack


@dataclass(frozen=True, slots=True)
class Account:
    """A person with e-mail and password."""

    id: str
    email: str
    password: str


def create_account(stack: LocalStack, name: str) -> Account:
    """Make an account as an admin does."""
    email, password = f"{name}-{secrets.token_hex(4)}@example.test", secrets.token_hex(12)
    # There is no TLS on this way, and reading the certificates for it takes longer than the call.
    answer = httpx.post(
        f"{stack.url}/auth/v1/admin/users",
        headers={"apikey": stack.secret_key, "Authorization": f"Bearer {stack.secret_key}"},
        json={"email": email, "password": password, "email_confirm": True},
        verify=False,
    )
    answer.raise_for_status()
    return Account(answer.json()["id"], email, password)

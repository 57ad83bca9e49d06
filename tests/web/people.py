"""Accounts of the local Supabase, as browsers have them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import httpx
import psycopg

from services.local.stack import LocalStack


@dataclass(frozen=True, slots=True)
class Account:
    """A signed-in person."""

    id: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


def sign_up(stack: LocalStack, *, anonymous: bool = False) -> Account:
    """Make an account the way supabase-js does, and return it signed in."""
    body = (
        {"data": {}}
        if anonymous
        else {"email": f"{secrets.token_hex(6)}@example.test", "password": secrets.token_hex(12)}
    )
    headers = {"apikey": stack.publishable_key}
    # There is no TLS on this way, and reading the certificates for it takes longer than the call.
    answer = httpx.post(f"{stack.url}/auth/v1/signup", json=body, headers=headers, verify=False)
    answer.raise_for_status()
    session = answer.json()
    return Account(session["user"]["id"], session["access_token"])


def make_admin(db: psycopg.Connection, account: Account) -> None:
    """Let an account read everything."""
    db.execute("update public.profiles set role = 'admin' where id = %s", [account.id])

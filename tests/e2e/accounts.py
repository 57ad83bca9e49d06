"""People who can sign in on the page, and conversations that are theirs."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import httpx
import psycopg

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
    answer = httpx.post(
        f"{stack.url}/auth/v1/admin/users",
        headers={"apikey": stack.secret_key, "Authorization": f"Bearer {stack.secret_key}"},
        json={"email": email, "password": password, "email_confirm": True},
    )
    answer.raise_for_status()
    return Account(answer.json()["id"], email, password)


def create_conversation(db: psycopg.Connection, user_id: str | None, name: str = "Demo") -> str:
    """Make a conversation of somebody's; return the id that its sender calls it by."""
    conversation_id = f"c{secrets.token_hex(7)}"
    db.execute(
        "insert into public.conversations (conversation_id, user_id, conversation_name)"
        " values (%s, %s, %s)",
        [conversation_id, user_id, name],
    )
    return conversation_id


def create_video(db: psycopg.Connection, title: str, url: str) -> None:
    """Make a video that every demo may show."""
    db.execute(
        "insert into public.demo_videos (title, storage_url, duration_seconds) values (%s, %s, 2)",
        [title, url],
    )

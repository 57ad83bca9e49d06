"""The demo: a person who can sign in, an admin, and a conversation to send callbacks to."""

from __future__ import annotations

import json
import shlex
from urllib.parse import urlencode

import httpx
import psycopg

from services.local import checkout
from services.local.errors import LocalStackError
from services.local.stack import LocalStack

EMAIL = "demo@example.test"
ADMIN = "admin@example.test"
CONVERSATION = "c0ffee0000000001"
SEED = checkout.ROOT / "supabase" / "seed.sql"


def seed_demo(stack: LocalStack, base_url: str) -> None:
    """Create the demo's people and run supabase/seed.sql, once per database."""
    if stack.is_seeded():
        return
    _create_user(stack, EMAIL)
    _create_admin(stack)
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute("select set_config('convohooks.base_url', %s, false)", [base_url])
        connection.execute(SEED.read_bytes())
    stack.mark_seeded()


def sample_curl(base_url: str, token: str) -> str:
    """Return a command line that sends what Tavus says when its agent has joined."""
    callback = {
        "properties": {"replica_id": "r90bbd427f71"},
        "conversation_id": CONVERSATION,
        "event_type": "system.replica_joined",
        "message_type": "system",
        "timestamp": "2026-03-01T06:45:47.472000Z",
    }
    words = ["curl", f"{base_url}/api/tavus/webhook?{urlencode({'t': token})}"]
    words += ["-H", "content-type: application/json", "-d", json.dumps(callback)]
    return shlex.join(words)


def _create_admin(stack: LocalStack) -> None:
    _create_user(stack, ADMIN)
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute(
            "update public.profiles set role = 'admin'"
            " where id = (select id from auth.users where email = %s)",
            [ADMIN],
        )


def _create_user(stack: LocalStack, email: str) -> None:
    answer = httpx.post(
        f"{stack.url}/auth/v1/admin/users",
        headers={"apikey": stack.secret_key, "authorization": f"Bearer {stack.secret_key}"},
        json={"email": email, "password": stack.secrets.demo_password, "email_confirm": True},
        timeout=10,
        trust_env=False,
    )
    # 422: a start that was interrupted after this step.
    if answer.status_code not in {200, 201, 422}:
        raise LocalStackError(f"The demo user was refused: {answer.status_code} {answer.text}")

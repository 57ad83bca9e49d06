"""The people whose rights the schema decides on, and rows of theirs."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from tests.database.events import event, make_conversation, new_conversation_id, receive, rows

# One event that leaves a row in every table of a known conversation.
EVERYTHING = {
    "conversation": {"started_at": "2026-03-01T06:45:47Z"},
    "transcript": [{"role": "user", "content": "Hello", "timestamp": None}],
    "tool_call": {"tool_call_id": "t1", "name": "fetch_video", "arguments": {}, "success": True},
    "completion": {"objective_name": "greet", "variables": {"a": "b"}, "columns": {}},
    "feedback": {"score": 7, "analysis": {}, "analyzer": "rules"},
}


@dataclass(frozen=True, slots=True)
class Persona:
    """A database role with the claims of its token."""

    role: str
    claims: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The account's id."""
        return str(self.claims["sub"])


@dataclass(frozen=True, slots=True)
class World:
    """Who there is, by name, and the conversations: of the owner, the guest, and nobody known."""

    personas: dict[str, Persona]
    owners: str
    guests: str
    unmatched: str


def make_world(db: psycopg.Connection) -> World:
    """Sign people up and let them talk."""
    people = {name: sign_up(db, is_anonymous=name == "guest") for name in SIGNED_IN}
    appoint(db, people["admin"], "admin")
    world = World(
        personas={"service": Persona("service_role"), "anon": Persona("anon"), **people},
        owners=new_conversation_id(),
        guests=new_conversation_id(),
        unmatched=new_conversation_id(),
    )
    make_conversation(db, world.owners, user_id=people["owner"].id)
    make_conversation(db, world.guests, user_id=people["guest"].id)
    _give_endpoint(db, people["owner"])
    conversations = (world.owners, world.guests, world.unmatched)
    receive(db, *(event(name, "everything", effects=EVERYTHING) for name in conversations))
    db.execute("insert into public.scenarios (title) values ('A talk')")
    db.execute("insert into public.demo_videos (title) values ('A video')")
    _give_phone(db, people["owner"], world.owners)
    _attempt_deliveries(db)
    return world


def _give_phone(db: psycopg.Connection, owner: Persona, conversation: str) -> None:
    """Let something happen to a number of the owner's, and in their conversation elsewhere."""
    [phone] = rows(
        db, "insert into public.phone_numbers (user_id) values (%s) returning id", owner.id
    )
    for table in (
        "calls",
        "call_recordings",
        "call_transcriptions",
        "sms_messages",
        "bookings",
        "notifications",
        "payments",
    ):
        made = sql.SQL("insert into public.{} (phone_id) values (%s)").format(sql.Identifier(table))
        db.execute(made, [phone["id"]])
    db.execute("insert into public.received_messages (conversation_id) values (%s)", [conversation])


def _give_endpoint(db: psycopg.Connection, owner: Persona) -> None:
    """Let the owner be told of what happens in their conversations."""
    url = Jsonb({"url": "https://example.test/hook"})
    db.execute("select public.create_endpoint(%s, %s, 'whsec_c2VjcmV0', 1)", [owner.id, url])


def _attempt_deliveries(db: psycopg.Connection) -> None:
    db.execute(
        "insert into public.delivery_attempts (delivery_id, endpoint_id, user_id, attempt)"
        " select id, endpoint_id, user_id, 1 from public.webhook_deliveries"
    )


SIGNED_IN = ("owner", "guest", "stranger", "admin")


def sign_up(db: psycopg.Connection, *, is_anonymous: bool = False) -> Persona:
    """Make an account as Supabase Auth does; return who it is."""
    account = str(uuid.uuid4())
    email = None if is_anonymous else f"{account}@example.com"
    with db.transaction():
        db.execute("set local role supabase_auth_admin")
        db.execute(
            "insert into auth.users (id, email, is_anonymous) values (%s, %s, %s)",
            [account, email, is_anonymous],
        )
    return Persona(
        "authenticated", {"sub": account, "role": "authenticated", "is_anonymous": is_anonymous}
    )


def appoint(db: psycopg.Connection, persona: Persona, role: str) -> None:
    """Give a person a role, as the service does."""
    with db.transaction():
        db.execute("set local role service_role")
        db.execute("update public.profiles set role = %s where id = %s", [role, persona.id])


@contextmanager
def acting(db: psycopg.Connection, persona: Persona) -> Iterator[None]:
    """Be somebody; what they did is undone."""
    with db.transaction(force_rollback=True):
        db.execute(sql.SQL("set local role {}").format(sql.Identifier(persona.role)))
        claims = json.dumps(persona.claims)
        db.execute("select set_config('request.jwt.claims', %s, true)", [claims])
        yield


def is_denied(db: psycopg.Connection, persona: Persona, statement: str, *values: Any) -> bool:
    """Whether Postgres refuses the statement for want of a right (42501)."""
    try:
        with acting(db, persona):
            db.execute(statement, values)
    except psycopg.errors.InsufficientPrivilege:
        return True
    return False


def visible(db: psycopg.Connection, persona: Persona, table: str) -> set[str]:
    """Return the ids of the rows of a table that somebody sees."""
    with acting(db, persona):
        return ids(db, table)


def ids(db: psycopg.Connection, table: str, where: str = "true", *values: Any) -> set[str]:
    """Return the ids of rows."""
    found = db.execute(f"select id::text from public.{table} where {where}", values)
    return {row[0] for row in found.fetchall()}

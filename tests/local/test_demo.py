"""The demo of `make dev`: who can sign in, and what they find."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import psycopg
import pytest

from services.local import demo
from services.local.errors import LocalStackError
from services.local.stack import LocalStack
from tests.local.conftest import visitor

BASE = "http://127.0.0.1:8123"
SEED = "5eed0000-0000-4000-8000-%"
TABLES = ("conversations", "demo_videos", "scenarios")


@pytest.fixture(name="unseeded")
def _unseeded(stack: LocalStack, db: psycopg.Connection, tmp_path: Path) -> Iterator[LocalStack]:
    """The stack of these tests, which has no demo, and has none afterwards."""
    yield replace(stack, cluster=replace(stack.cluster, home=tmp_path))
    for table in TABLES:
        db.execute(f"delete from public.{table} where id::text like %s", [SEED])
    db.execute("delete from auth.users where email = any(%s)", [[demo.EMAIL, demo.ADMIN]])


def roles(db: psycopg.Connection) -> dict[str, str]:
    query = "select u.email, p.role from auth.users u join public.profiles p using (id)"
    return {email: role for email, role in db.execute(query) if email in (demo.EMAIL, demo.ADMIN)}


def test_demo_is_made_once_with_a_person_and_an_admin(
    unseeded: LocalStack, api: httpx.Client, db: psycopg.Connection
) -> None:
    demo.seed_demo(unseeded, BASE)
    demo.seed_demo(unseeded, "http://elsewhere.example.test")
    word = {"email": demo.EMAIL, "password": unseeded.secrets.demo_password}
    person = visitor(api.post("/auth/v1/token?grant_type=password", json=word))

    token = {"Authorization": f"Bearer {person.token}"}
    seen = api.get("/rest/v1/conversations?select=conversation_id", headers=token).json()
    videos = db.execute("select storage_url from demo_videos where id::text like %s", [SEED])
    assert seen == [{"conversation_id": demo.CONVERSATION}]
    assert [url.rpartition("/")[0] for [url] in videos] == [f"{BASE}/static/demo"] * 2
    assert roles(db)[demo.ADMIN] == "admin"
    assert roles(db)[demo.EMAIL] != "admin"


def test_demo_that_was_broken_off_is_made_whole(
    unseeded: LocalStack, db: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its people are there already then, and refused a second time."""
    with monkeypatch.context() as broken:
        broken.setattr(demo, "SEED", Path("/nowhere/seed.sql"))
        with pytest.raises(FileNotFoundError):
            demo.seed_demo(unseeded, BASE)
    assert not unseeded.is_seeded()

    demo.seed_demo(unseeded, BASE)

    assert unseeded.is_seeded()
    assert db.execute("select from conversations where id::text like %s", [SEED]).rowcount == 1


def test_shown_callback_carries_the_token_whatever_is_in_it() -> None:
    """It is pasted into a shell, and is part of an address."""
    _, address, *_, body = shlex.split(demo.sample_curl(BASE, "a+b&c='$d"))

    assert parse_qs(urlsplit(address).query) == {"t": ["a+b&c='$d"]}
    assert address.startswith(f"{BASE}/api/tavus/webhook?")
    assert json.loads(body)["conversation_id"] == demo.CONVERSATION


def test_demo_that_is_refused_is_told_and_not_taken_for_made(unseeded: LocalStack) -> None:
    stranger = replace(unseeded, backend=replace(unseeded.backend, secret_key="sb_secret_other"))

    with pytest.raises(LocalStackError, match="The demo user was refused: 401"):
        demo.seed_demo(stranger, BASE)

    assert not unseeded.is_seeded()

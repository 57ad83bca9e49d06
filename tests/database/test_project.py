"""Whose project it is: the tests take one only when nothing of anybody else is in it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from services.local.state import State
from tests import local_only, project
from tests.database.schema import copy_of

REF = "abcdefghijklmnopqrst"
ENVIRON = {
    "CONVOHOOKS_TEST_PROJECT": REF,
    "SUPABASE_URL": f"https://{REF}.supabase.co",
    "SUPABASE_SECRET_KEY": "sb_secret_x",
    "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_x",
    "DATABASE_URL": "postgresql://127.0.0.1:9/nobody",
}
ROW = "insert into public.conversations (conversation_id) values ('c1')"
ACCOUNT = "insert into auth.users (id, email) values (gen_random_uuid(), '{}')"
SEED = "insert into public.scenarios (id) values ('5eed0000-0000-4000-8000-000000000001')"
COUNT = "select count(*) from public.conversations"


@pytest.fixture(name="ours")
def _ours(sourced: str) -> Iterator[psycopg.Connection]:
    """A project to which our schema was pushed."""
    with (
        copy_of(sourced, f"project_{secrets.token_hex(4)}") as url,
        psycopg.connect(url, autocommit=True) as db,
    ):
        yield db


def refusal(db: psycopg.Connection) -> str:
    with pytest.raises(project.Refused) as refused:
        project.claim(db)
    return str(refused.value)


def test_empty_project_is_taken_and_from_then_on_emptied(ours: psycopg.Connection) -> None:
    project.claim(ours)
    ours.execute(ROW)
    for email in ("ada@example.test", "ada@mail.example.com"):
        ours.execute(ACCOUNT.format(email))

    project.claim(ours)

    assert ours.execute(COUNT).fetchone() == (0,)
    assert ours.execute("select count(*) from auth.users").fetchone() == (0,)
    assert ours.execute("select count(*) > 0 from private.record_tables").fetchone() == (True,)


def test_project_with_rows_is_refused_and_left_alone(ours: psycopg.Connection) -> None:
    ours.execute(ROW)

    told = refusal(ours)

    assert "public.conversations" in told
    assert ours.execute(COUNT).fetchone() == (1,)


@pytest.mark.parametrize(
    "account",
    [
        ACCOUNT.format("ada@example.test.somewhere.dev"),
        ACCOUNT.format("ada@my-example.test"),
        "insert into auth.users (id, phone) values (gen_random_uuid(), '15550000001')",
    ],
)
def test_project_with_accounts_is_refused_even_when_it_was_taken_once(
    ours: psycopg.Connection, account: str
) -> None:
    project.claim(ours)
    ours.execute(account)
    ours.execute(ROW)

    told = refusal(ours)

    assert "accounts" in told
    assert ours.execute(COUNT).fetchone() == (1,)


def test_demo_is_nobodys_loss(ours: psycopg.Connection) -> None:
    ours.execute(SEED)

    project.claim(ours)

    assert ours.execute("select count(*) from public.scenarios").fetchone() == (0,)


def test_project_with_another_schema_is_refused(ours: psycopg.Connection) -> None:
    ours.execute("comment on function public.describe_schema() is 'older'")

    assert "push the migrations" in refusal(ours)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"DATABASE_URL": ""}, "DATABASE_URL must be set"),
        ({"SUPABASE_SECRET_KEY": ""}, "SUPABASE_SECRET_KEY must be set"),
        ({"CONVOHOOKS_TEST_PROJECT": "1"}, "SUPABASE_URL is"),
        ({"SUPABASE_URL": "https://another.supabase.co"}, "SUPABASE_URL is"),
    ],
)
def test_name_must_match(tmp_path: Path, change: dict[str, str], told: str) -> None:
    with (
        pytest.raises(project.Refused, match=told),
        project.project(State(tmp_path), {**ENVIRON, **change}),
    ):
        raise AssertionError("taken")


def test_keys_alone_name_no_project() -> None:
    keys = {name: value for name, value in ENVIRON.items() if name != project.NAME}

    assert not project.is_asked_for(keys)
    assert project.is_asked_for(ENVIRON)


def test_more_is_left_out_the_farther_the_project_is() -> None:
    near = {**ENVIRON, "SUPABASE_URL": "http://127.0.0.1:54321", "SUPABASE_JWT_SECRET": "x"}

    own, beside, far = (local_only.reasons(one) for one in ({}, near, ENVIRON))

    assert own == beside == local_only.ALWAYS
    assert far == {**local_only.ALWAYS, **local_only.FAR, **local_only.UNSIGNED}


def test_every_entry_names_something() -> None:
    fixtures = {
        name
        for file in Path("tests").rglob("*.py")
        for name in re.findall(r'fixture\(name="(\w+)"', file.read_text())
    }

    for key in (*local_only.ALWAYS, *local_only.FAR, *local_only.UNSIGNED):
        path, _, test = key.partition("::")
        if "/" in path:
            assert Path(path).exists(), key
            assert not test or f"def {test.partition('[')[0]}" in Path(path).read_text(), key
        else:
            assert key in fixtures, key

"""A local database follows a migration that was edited after it was pushed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from services.local import migration as migrations
from services.local import schema
from services.local.errors import LocalStackError
from services.local.stack import LocalStack
from tests.project import ProjectBackend

Follow = Callable[..., bool]


@pytest.fixture(name="migration")
def _migration(tmp_path: Path) -> Path:
    path = tmp_path / "migrations" / "1_all.sql"
    path.parent.mkdir()
    path.write_text("create table if not exists notes (id int);")
    return path


@pytest.fixture(name="url")
def _url(stack: LocalStack) -> str:
    return stack.empty_database("followed")


@pytest.fixture(name="follow")
def _follow(url: str, migration: Path, tmp_path: Path) -> Follow:
    def follow(*, is_new: bool = False) -> bool:
        return schema.follow(url, [migration], tmp_path / "marker", is_new=is_new)

    return follow


def columns(url: str) -> int:
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "select count(*) from information_schema.columns where table_name = 'notes'"
        ).fetchone()
    assert found is not None
    return int(found[0])


def test_new_database_is_left_to_the_push(follow: Follow, url: str) -> None:
    assert follow(is_new=True) is False
    assert columns(url) == 0


def test_changed_migration_is_applied_once(follow: Follow, url: str, migration: Path) -> None:
    follow(is_new=True)
    migration.write_text(
        migration.read_text() + " alter table notes add column if not exists b int;"
    )

    assert [follow(), follow()] == [True, False]
    assert columns(url) == 2


def test_start_that_was_stopped_before_the_demo_is_no_new_database(
    stack: LocalStack, url: str, migration: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has changed since then would otherwise be remembered as applied, and never be."""
    place = replace(migrations.HERE, migrations=migration.parent, released=tmp_path / "none")
    monkeypatch.setattr(migrations, "HERE", place)
    backend = ProjectBackend(
        address=stack.url,
        gateway_port=stack.backend.gateway_port,
        database_address=url,
        database=stack.backend.database,
        publishable_key=stack.publishable_key,
        secret_key=stack.secret_key,
    )
    again = replace(stack, backend=backend, cluster=replace(stack.cluster, home=tmp_path))
    first = again.follow_schema()

    migration.write_text("create table notes (id int);")
    second = again.follow_schema()

    assert (first, second) == (False, True)
    assert columns(url) == 1


def test_change_that_cannot_be_followed_says_what_to_do(follow: Follow, migration: Path) -> None:
    follow(is_new=True)
    migration.write_text("create table notes (id int); create table notes (id int);")

    with pytest.raises(LocalStackError, match="make reset"):
        follow()

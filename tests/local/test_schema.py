"""A local database follows a migration that was edited after it was pushed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from services.local import schema
from services.local.errors import LocalStackError
from services.local.stack import LocalStack

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


def test_change_that_cannot_be_followed_says_what_to_do(follow: Follow, migration: Path) -> None:
    follow(is_new=True)
    migration.write_text("create table notes (id int); create table notes (id int);")

    with pytest.raises(LocalStackError, match="make reset"):
        follow()

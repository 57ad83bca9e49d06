"""The code knows which schema it is for, and a database which one it has."""

from __future__ import annotations

from pathlib import Path

import psycopg

from services.database import Database
from services.doctor.project import PUBLISHED
from services.local.migration import SOURCES, STAMP, version
from services.local.stack import LocalStack
from services.schema_version import SCHEMA_VERSION
from services.settings import load_settings


def test_version_is_that_of_the_sources() -> None:
    assert version(SOURCES) == SCHEMA_VERSION
    assert f"is '{SCHEMA_VERSION}';" in (SOURCES / STAMP).read_text()
    assert sorted(file.name for file in SOURCES.glob("*.sql"))[-1] == STAMP


def test_version_changes_with_any_source(tmp_path: Path) -> None:
    (tmp_path / "10_one.sql").write_text("select 1;")
    (tmp_path / STAMP).write_text("-- stamp")
    before = version(tmp_path)

    (tmp_path / STAMP).write_text("-- another stamp")
    assert version(tmp_path) == before

    (tmp_path / "10_one.sql").write_text("select 2;")
    assert version(tmp_path) != before


def test_database_tells_what_it_is(stack: LocalStack, db: psycopg.Connection) -> None:
    database = Database(load_settings(stack.env()))

    told = database.describe_schema()

    database.close()
    assert told["version"] == SCHEMA_VERSION
    assert tuple(told["published"]) == PUBLISHED

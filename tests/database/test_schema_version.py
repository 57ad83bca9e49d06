"""The code knows which schema it is for, and a database which one it has."""

from __future__ import annotations

from pathlib import Path

import psycopg

from services.database import Database
from services.doctor.project import PUBLISHED
from services.local.migration import HERE, STAMP, Place, version
from services.local.stack import LocalStack
from services.schema_version import SCHEMA_VERSION
from services.settings import load_settings


def test_version_is_that_of_the_sources() -> None:
    assert version(HERE, HERE.files()[-1].name) == SCHEMA_VERSION
    assert f"is '{SCHEMA_VERSION}';" in (HERE.sources / STAMP).read_text()
    assert sorted(file.name for file in HERE.sources.glob("*.sql"))[-1] == STAMP


def test_version_changes_with_every_statement_and_migration(tmp_path: Path) -> None:
    place = Place(
        sources=tmp_path, migrations=tmp_path, released=tmp_path / "r", expected=tmp_path / "e"
    )
    (tmp_path / "10_one.sql").write_text("select 1;")
    (tmp_path / STAMP).write_text("-- stamp")
    before = version(place, "1_a.sql")

    (tmp_path / STAMP).write_text("-- another stamp")
    (tmp_path / "10_one.sql").write_text("-- a comment\nselect 1;\n")
    assert version(place, "1_a.sql") == before
    assert version(place, "2_a.sql") != before

    (tmp_path / "10_one.sql").write_text("select 2;")
    assert version(place, "1_a.sql") != before


def test_database_tells_what_it_is(stack: LocalStack, db: psycopg.Connection) -> None:
    database = Database(load_settings(stack.env()))

    told = database.describe_schema()

    database.close()
    assert told["version"] == SCHEMA_VERSION
    assert tuple(told["published"]) == PUBLISHED

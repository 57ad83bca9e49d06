"""After a release: what was released stays, and the next migration takes databases along."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from services.local import checkout, migration
from services.local.migration import FIRST, MADE, MigrationError, Place
from tests.database.catalog import catalog
from tests.database.conftest import MakeDatabase
from tests.database.schema import apply_sources, push

NEXT = "20270101120000_note_readers.sql"
AT = datetime(2027, 1, 1, 12, tzinfo=UTC)

# What a release may bring, in one file of sql/ each: (file, text there now, text of the release).
CHANGES = [
    (
        "11_scenarios.sql",
        "    add column if not exists created_at timestamptz default now();",
        "    add column if not exists created_at timestamptz default now(),\n"
        "    add column if not exists language text not null default 'en';\n"
        "comment on column public.scenarios.language is 'What is spoken; semicolons too.';\n"
        "create index if not exists scenarios_language_idx on public.scenarios (language);",
    ),
    (
        "70_monitoring.sql",
        "interval '24 hours' and i.pruned_at",
        "interval '1 day' and i.pruned_at",
    ),
    ("12_demo_videos.sql", "duration_seconds numeric", "duration_seconds integer"),
    ("70_monitoring.sql", "create or replace function public.webhook_totals() ", None),
    ("90_realtime.sql", "'delivery_attempts']", "'delivery_attempts', 'scenarios']"),
]
BY_HAND = "alter table public.demo_videos alter duration_seconds type integer;\n"
NEW_FILE = """
create table if not exists public.readers (
    id bigint generated always as identity primary key,
    scenario_id uuid not null references public.scenarios (id) on delete cascade
);
alter table public.readers enable row level security;
revoke all on public.readers from anon, authenticated;
grant select on public.readers to authenticated;
grant select, insert, update, delete on public.readers to service_role;
drop policy if exists "nobody reads readers" on public.readers;
create policy "nobody reads readers" on public.readers for select to authenticated using (false);
"""


@pytest.fixture(name="place")
def _place(tmp_path: Path) -> Place:
    """A checkout with one migration, which is released."""
    shutil.copytree(checkout.ROOT / "sql", tmp_path / "sql")
    (tmp_path / "supabase").mkdir()
    shutil.copy(checkout.ROOT / "supabase" / "config.toml", tmp_path / "supabase")
    place = Place(
        sources=tmp_path / "sql",
        migrations=tmp_path / "supabase" / "migrations",
        released=tmp_path / "supabase" / "released.sha256",
        expected=tmp_path / "schema_version.py",
    )
    migration.write(place)
    migration.release(place)
    return place


def edit(place: Place) -> None:
    """Change the schema as a release may: tables, columns, functions, policies, publication."""
    (place.sources / "95_readers.sql").write_text(NEW_FILE)
    for name, before, after in CHANGES:
        file = place.sources / name
        assert before in file.read_text(), name
        if after is not None:
            file.write_text(file.read_text().replace(before, after))


def by_hand(file: Path, text: str) -> None:
    file.write_text(file.read_text().replace(MADE, f"{text}\n{MADE}"))


def test_next_migration_takes_a_database_to_what_the_sources_say(
    place: Place, new_database: MakeDatabase
) -> None:
    old, new = new_database(), new_database()
    push(old, place.migrations.parents[1])
    with psycopg.connect(old, autocommit=True) as db:
        db.execute("insert into public.demo_videos (title, duration_seconds) values ('A', 12.4)")

    edit(place)
    written = migration.write(place, name="note_readers", at=AT)
    by_hand(written, BY_HAND)
    migration.write(place)
    printed = push(old, place.migrations.parents[1])
    apply_sources(new, place.sources)

    assert written.name == NEXT in printed
    assert catalog(new) == catalog(old)
    with psycopg.connect(old) as db:
        assert db.execute("select duration_seconds from public.demo_videos").fetchall() == [(12,)]
        told = db.execute("select obj_description('public.describe_schema()'::regprocedure)")
        assert told.fetchone() == (migration.version(place, NEXT),)


def test_what_only_a_hand_can_write_is_seen_when_it_is_missing(
    place: Place, new_database: MakeDatabase
) -> None:
    old, new = new_database(), new_database()
    edit(place)
    migration.write(place, name="note_readers", at=AT)
    apply_sources(old, place.migrations)
    apply_sources(new, place.sources)

    told, wanted = catalog(old), catalog(new)

    assert [name for name in wanted if told[name] != wanted[name]] == ["columns"]


def test_next_migration_holds_what_is_new_and_nothing_else(place: Place) -> None:
    edit(place)

    text = migration.write(place, name="note_readers", at=AT).read_text()

    assert text.count("create or replace function") == 1
    assert "function public.webhook_totals()" in text
    assert "create table if not exists public.readers" in text
    assert text.rstrip().endswith(f"is '{migration.version(place, NEXT)}';")
    assert len(text.splitlines()) < 120


def test_open_migration_keeps_its_hand_written_part(place: Place) -> None:
    edit(place)
    written = migration.write(place, name="note_readers", at=AT)
    by_hand(written, "drop function public.webhook_totals();")
    (place.sources / "95_readers.sql").write_text("create table if not exists public.notes ();")

    assert migration.write(place) == written
    assert "drop function public.webhook_totals();" in written.read_text()
    assert "public.readers" not in written.read_text()
    assert "public.notes" in written.read_text()
    assert migration.is_current(place)


def test_released_migration_is_never_written_again(place: Place) -> None:
    before = (place.migrations / FIRST).read_bytes()
    assert migration.write(place).name == FIRST
    assert migration.release(place) == []

    edit(place)
    assert not migration.is_current(place)
    with pytest.raises(MigrationError, match="name=add_notes"):
        migration.write(place)
    with pytest.raises(MigrationError, match="run `make migration` first"):
        migration.release(place)

    migration.write(place, name="note_readers", at=AT)
    assert (place.migrations / FIRST).read_bytes() == before
    assert migration.release(place) == [NEXT]
    assert migration.is_current(place)


def test_change_of_a_comment_wants_no_migration(place: Place) -> None:
    file = place.sources / "11_scenarios.sql"
    file.write_text(f"-- Said better.\n{file.read_text()}")

    assert migration.write(place).name == FIRST
    assert migration.is_current(place)


def test_what_goes_back_to_an_older_form_is_written_too(place: Place) -> None:
    file = place.sources / "70_monitoring.sql"
    first = file.read_text()
    edit(place)
    migration.write(place, name="note_readers", at=AT)
    migration.release(place)
    file.write_text(first)

    text = migration.write(place, name="back", at=AT.replace(day=2)).read_text()

    assert "interval '24 hours' and i.pruned_at" in text


def test_what_was_done_to_the_released_ones_is_named(place: Place) -> None:
    first = place.migrations / FIRST
    text = first.read_text()

    first.write_text(text + "-- better\n")
    with pytest.raises(MigrationError, match="has changed"):
        migration.write(place)
    first.unlink()
    with pytest.raises(MigrationError, match="is gone"):
        migration.write(place)
    first.write_text(text)
    (place.migrations / "20260101000000_early.sql").write_text("select 1;")
    with pytest.raises(MigrationError, match="comes before"):
        migration.write(place)
    (place.migrations / NEXT).write_text("select 1;")
    with pytest.raises(MigrationError, match="one migration at most"):
        migration.write(place)


def test_command_says_what_it_did_or_why_not(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(place)
    with pytest.raises(SystemExit, match="name=add_notes"):
        migration.main([], place)
    migration.main(["--name", "note_readers"], place)
    migration.main(["--release"], place)

    wrote, released = capsys.readouterr().out.splitlines()
    assert wrote.startswith("wrote ")
    assert released == f"released {wrote.removeprefix('wrote ')}"
    assert wrote.endswith("_note_readers.sql")


def test_marks_are_what_sha256sum_reads(place: Place) -> None:
    mark, name = place.released.read_text().split()

    assert len(mark) == 64
    assert name == f"supabase/migrations/{FIRST}"

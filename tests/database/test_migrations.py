"""supabase/migrations, pushed by the real CLI, is what sql/ says."""

from __future__ import annotations

import psycopg

from services.local import migration
from tests.database.catalog import catalog
from tests.database.conftest import MakeDatabase
from tests.database.schema import apply_sources, push

# What older projects grant on everything new in public.
OLD_DEFAULTS = """
    alter default privileges in schema public grant all on tables to anon, authenticated;
    alter default privileges in schema public grant all on sequences to anon, authenticated;
    alter default privileges in schema public grant all on functions to anon, authenticated;
"""

CHANGES = [
    ("schemas", "comment on schema private is 'x'"),
    ("tables", "alter table public.scenarios disable row level security"),
    ("tables", "comment on table public.scenarios is 'x'"),
    ("columns", "alter table public.scenarios alter column title type varchar(9)"),
    ("columns", "alter table public.scenarios alter column title set default 'x'"),
    ("columns", "alter table public.scenarios alter column title set not null"),
    ("columns", "comment on column public.scenarios.title is 'x'"),
    ("constraints", "alter table public.scenarios add check (title <> '')"),
    ("indexes", "create index on public.scenarios (title)"),
    (
        "policies",
        'alter policy "signed-in people read scenarios" on public.scenarios using (false)',
    ),
    ("functions", "alter function public.receive_events(jsonb) reset search_path"),
    ("functions", "alter function public.receive_events(jsonb) security definer"),
    ("triggers", "alter table public.conversations disable trigger conversations_bump_version"),
    ("publications", "alter publication supabase_realtime drop table public.conversations"),
    ("grants", "grant select (title) on public.scenarios to anon"),
    ("grants", "grant insert on public.scenarios to authenticated"),
    ("grants", "grant execute on function public.receive_events(jsonb) to public"),
    ("grants", "grant usage on schema private to anon"),
    ("grants", "alter default privileges in schema public grant select on tables to anon"),
]


def test_migrations_are_what_was_released_and_what_the_sources_say() -> None:
    migration.require_released()

    assert migration.is_current()


def test_push_makes_what_the_sources_make(new_database: MakeDatabase, sourced: str) -> None:
    pushed = new_database()

    push(pushed)

    assert catalog(sourced) == catalog(pushed)


def test_second_push_changes_nothing(new_database: MakeDatabase) -> None:
    url = new_database()
    push(url)
    once = catalog(url)

    printed = push(url)

    assert "up to date" in printed
    assert once == catalog(url)


def test_sources_applied_again_change_nothing(new_database: MakeDatabase) -> None:
    url = new_database()
    apply_sources(url)
    once = catalog(url)

    apply_sources(url)

    assert once == catalog(url)


def test_catalog_sees_every_kind_of_change(new_database: MakeDatabase) -> None:
    url = new_database()
    apply_sources(url)

    for section, change in CHANGES:
        before = catalog(url)
        with psycopg.connect(url, autocommit=True) as db:
            db.execute(change)
        after = catalog(url)

        assert before[section] != after[section], change


def test_old_default_privileges_open_nothing_to_browsers(
    new_database: MakeDatabase, sourced: str
) -> None:
    url = new_database()
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(OLD_DEFAULTS)

    push(url)

    assert _browsers_grants(sourced) == _browsers_grants(url)


def _browsers_grants(url: str) -> list[str]:
    return [
        line
        for line in catalog(url)["grants"]
        if not line.startswith("default")
        and {"anon", "authenticated", "PUBLIC"} & set(line.split())
    ]

"""private.create_profile: a sign-up makes a profile, and never fails for one."""

from __future__ import annotations

from typing import Any

import psycopg

from tests.database.conftest import MakeDatabase
from tests.database.events import rows
from tests.database.personas import is_denied, sign_up
from tests.database.schema import apply_sources

# As Supabase's guides make them, with a column that our trigger cannot fill.
OWN_PROFILES = """
create table public.profiles (id uuid primary key references auth.users (id), name text not null);
alter table public.profiles enable row level security;
grant all on public.profiles to anon, authenticated, service_role;
create policy "People write their profile." on public.profiles for all to authenticated
using (id = (select auth.uid())) with check (id = (select auth.uid()));
create function public.make_profile() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    insert into public.profiles (id, name) values (new.id, 'Somebody');
    return new;
end
$$;
create trigger on_auth_user_created
after insert on auth.users for each row execute function public.make_profile();
"""


def profiles(db: psycopg.Connection, account: str) -> list[dict[str, Any]]:
    return rows(db, "select role from public.profiles where id = %s", account)


def accounts(db: psycopg.Connection, account: str) -> list[dict[str, Any]]:
    return rows(db, "select id from auth.users where id = %s", account)


def test_sign_up_makes_a_profile_of_no_power(db: psycopg.Connection) -> None:
    person = sign_up(db)

    assert profiles(db, person.id) == [{"role": "user"}]


def test_anonymous_sign_up_makes_one_too(db: psycopg.Connection) -> None:
    guest = sign_up(db, is_anonymous=True)

    assert profiles(db, guest.id) == [{"role": "user"}]


def test_sign_up_succeeds_though_its_profile_cannot_be_made(new_database: MakeDatabase) -> None:
    url = new_database()
    apply_sources(url)
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("alter table public.profiles add column phone text not null")

        person = sign_up(db)

        assert len(accounts(db, person.id)) == 1
        assert profiles(db, person.id) == []


def test_account_that_goes_takes_its_profile_along(db: psycopg.Connection) -> None:
    person = sign_up(db)

    db.execute("delete from auth.users where id = %s", [person.id])

    assert profiles(db, person.id) == []


def test_accounts_from_before_the_schema_get_profiles(new_database: MakeDatabase) -> None:
    url = new_database()
    with psycopg.connect(url, autocommit=True) as db:
        person = sign_up(db)

        apply_sources(url)

        assert len(profiles(db, person.id)) == 1


def test_app_that_makes_profiles_itself_goes_on_doing_so(new_database: MakeDatabase) -> None:
    url = new_database()
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(OWN_PROFILES)
        apply_sources(url)

        person = sign_up(db)

        [profile] = rows(db, "select name, role from public.profiles where id = %s", person.id)
        assert profile == {"name": "Somebody", "role": "user"}


def test_push_succeeds_though_old_accounts_cannot_have_a_profile(
    new_database: MakeDatabase,
) -> None:
    url = new_database()
    with psycopg.connect(url, autocommit=True) as db:
        person = sign_up(db)
        db.execute(OWN_PROFILES)

        apply_sources(url)

        assert profiles(db, person.id) == []


def test_people_who_could_edit_their_profile_still_can_but_for_the_role(
    new_database: MakeDatabase,
) -> None:
    url = new_database()
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(OWN_PROFILES)
        apply_sources(url)
        apply_sources(url)
        person = sign_up(db)

        assert not is_denied(db, person, "update public.profiles set name = 'Ada'")
        assert is_denied(db, person, "update public.profiles set role = 'admin'")
        assert is_denied(
            db, person, "insert into public.profiles (id, role) values (%s, 'admin')", person.id
        )
        assert is_denied(db, person, "delete from public.profiles")

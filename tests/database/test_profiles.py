"""private.create_profile: a sign-up makes a profile, and never fails for one."""

from __future__ import annotations

import psycopg

from tests.database.conftest import MakeDatabase
from tests.database.events import rows
from tests.database.personas import sign_up
from tests.database.schema import apply_sources


def profiles(db: psycopg.Connection, account: str) -> list[dict]:
    return rows(db, "select email, role from public.profiles where id = %s", account)


def accounts(db: psycopg.Connection, account: str) -> list[dict]:
    return rows(db, "select id from auth.users where id = %s", account)


def test_sign_up_makes_a_profile_of_no_power(db: psycopg.Connection) -> None:
    person = sign_up(db)

    assert profiles(db, person.id) == [{"email": f"{person.id}@example.com", "role": "user"}]


def test_anonymous_sign_up_makes_one_too(db: psycopg.Connection) -> None:
    guest = sign_up(db, is_anonymous=True)

    assert profiles(db, guest.id) == [{"email": None, "role": "user"}]


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

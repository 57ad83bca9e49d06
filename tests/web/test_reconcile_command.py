"""`convohooks reconcile`: one conversation, or all that lack something, with a table and a code."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import psycopg
import pytest

from services.local.stack import LocalStack
from tests.command import convohooks
from tests.database.events import make_conversation, new_conversation_id, rows
from tests.tavus_fake import FakeTavus, fake_tavus

Command = Callable[..., CompletedProcess[str]]


@pytest.fixture(name="tavus")
def _tavus() -> Iterator[FakeTavus]:
    with fake_tavus() as tavus:
        yield tavus


@pytest.fixture(name="command")
def _command(stack: LocalStack, tavus: FakeTavus, tmp_path: Path) -> Command:
    env = {**os.environ, **stack.env(), **tavus.settings(), "COLUMNS": "200"}

    def run(*arguments: str, **more: str) -> CompletedProcess[str]:
        return convohooks("reconcile", *arguments, env={**env, **more}, cwd=tmp_path)

    return run


@pytest.fixture(name="lost")
def _lost(db: psycopg.Connection, tavus: FakeTavus) -> str:
    """An hour-old conversation that ended at Tavus without our hearing of it."""
    db.execute("delete from private.reconciliations")
    conversation = new_conversation_id()
    make_conversation(db, conversation)
    db.execute(
        "update public.conversations set created_at = now() - interval '1 hour'"
        " where conversation_id = %s",
        [conversation],
    )
    tavus.conversations[conversation] = {
        "conversation_id": conversation,
        "status": "active",
        "callback_url": "https://hooks.example.test/api/tavus/webhook?t=x",
        "events": [],
    }
    tavus.end(conversation)
    said = [{"role": "user", "content": "Hello."}]
    tavus.add_event(conversation, "application.transcription_ready", transcript=said)
    return conversation


def status(db: psycopg.Connection, conversation: str) -> str:
    [row] = rows(
        db, "select status from public.conversations where conversation_id = %s", conversation
    )
    return str(row["status"])


def test_all_that_lack_something_are_healed(
    db: psycopg.Connection, command: Command, lost: str
) -> None:
    run = command("--json")

    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == [
        {
            "conversation_id": lost,
            "told": "ended",
            "outcome": "complete",
            "new": 2,
            "duplicates": 0,
            "left_out": 0,
            "error": None,
        }
    ]
    assert status(db, lost) == "completed"
    assert json.loads(command("--json").stdout) == []
    assert "No conversation lacks" in command().stdout


def test_one_conversation_is_looked_up_by_either_id(
    db: psycopg.Connection, command: Command, lost: str
) -> None:
    [row] = rows(db, "select id from public.conversations where conversation_id = %s", lost)

    run = command(str(row["id"]), RECONCILE_AFTER="86400")
    again = command(lost)

    assert (run.returncode, again.returncode) == (0, 0)
    for name in (lost, "ended", "complete"):
        assert name in run.stdout
    assert status(db, lost) == "completed"


@pytest.mark.usefixtures("lost")
def test_young_conversations_are_left_out(command: Command) -> None:
    run = command("--json", RECONCILE_AFTER="86400")

    assert (run.returncode, json.loads(run.stdout)) == (0, [])


def test_trouble_ends_with_a_sentence_and_1(
    db: psycopg.Connection, command: Command, tavus: FakeTavus, lost: str
) -> None:
    tavus.fail("GET", "/conversations/.*", status=401, body={"message": "Invalid access token"})
    refused = command()
    unknown = command("no-such-conversation")
    keyless = command(TAVUS_API_KEY="")
    away = command(SUPABASE_URL="http://127.0.0.1:9")

    assert [run.returncode for run in (refused, unknown, keyless, away)] == [1, 1, 1, 1]
    assert "TAVUS_API_KEY" in refused.stdout
    assert "There is no conversation no-such-conversation." in unknown.stderr
    assert "TAVUS_API_KEY is not set" in keyless.stderr
    assert "Supabase cannot be reached" in away.stderr
    assert "Traceback" not in "".join(run.stderr for run in (refused, unknown, keyless, away))
    assert status(db, lost) == "active"

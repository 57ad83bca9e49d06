"""`convohooks spool`: what Supabase would not store is seen, sent again, dropped."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import httpx
import psycopg
import pytest

from services.local.stack import LocalStack
from services.outage.spool import Counts, Spool
from tests.command import convohooks
from tests.database.events import new_conversation_id, rows
from tests.stack import start_service
from tests.waiting import until
from tests.web.caller import SETTINGS

Command = Callable[..., CompletedProcess[str]]


@pytest.fixture(name="path")
def _path(stack: LocalStack) -> Path:
    return stack.state.folder / f"spool-{new_conversation_id()}.db"


@pytest.fixture(name="spool")
def _spool(path: Path) -> Spool:
    """A spool with two rows that were given up."""
    spool = Spool(path)
    for n in range(2):
        spool.put(row(f"{path.stem}-{n}"))
    for spooled in spool.take(2, 10**6):
        spool.set_aside(spooled.id, "42P01 [bold]no such table[/bold]")
    return spool


@pytest.fixture(name="command")
def _command(stack: LocalStack, path: Path, tmp_path: Path) -> Command:
    env = {**os.environ, **stack.env(), "SPOOL_PATH": str(path), "COLUMNS": "200"}

    def run(*arguments: str, **more: str) -> CompletedProcess[str]:
        return convohooks("spool", *arguments, env={**env, **more}, cwd=tmp_path)

    return run


def row(conversation: str) -> dict[str, Any]:
    return {
        "source": "tavus",
        "event_key": conversation,
        "event_type": "conversation.utterance",
        "conversation_id": conversation,
        "path": "/",
        "body": b64encode(b'{"speech": "Hello."}').decode(),
        "body_sha256": "x",
        "headers": {},
        "state": "ignored",
        "projections": [],
        "received_at": "2026-03-01T06:45:47+00:00",
        "duration_ms": 1,
    }


def test_list_and_show(spool: Spool, command: Command, path: Path) -> None:
    told = json.loads(command("list", "--json").stdout)
    table = command("list").stdout
    shown = command("show", str(told[0]["id"])).stdout
    as_json = json.loads(command("show", str(told[0]["id"]), "--json").stdout)

    assert [entry["conversation_id"] for entry in told] == [f"{path.stem}-0", f"{path.stem}-1"]
    assert "42P01 [bold]no such table[/bold]" in table
    assert '{"speech": "Hello."}' in shown
    assert as_json == {**told[0], "body": '{"speech": "Hello."}'}


def test_retry_reaches_the_database(
    spool: Spool, command: Command, path: Path, stack: LocalStack, db: psycopg.Connection
) -> None:
    [first, _] = json.loads(command("list", "--json").stdout)
    service = start_service(stack, **SETTINGS, SPOOL_PATH=str(path))
    try:
        one = command("retry", str(first["id"]), "--json")
        others = command("retry", "--all")
        until(lambda: spool.count() == Counts(spooled=0, unsendable=0))
        ready = httpx.get(f"{service.url}/ready").json()
    finally:
        service.kill()

    assert json.loads(one.stdout) == {"retried": 1}
    assert others.stdout == "1 retried.\n"
    assert ready["unsendable"] == 0
    query = "select state from private.webhook_inbox where conversation_id like %s || '-_'"
    assert [entry["state"] for entry in rows(db, query, path.stem)] == ["ignored", "ignored"]


def test_discard_after_asking(spool: Spool, command: Command) -> None:
    [first, _] = json.loads(command("list", "--json").stdout)

    unconfirmed = command("discard", str(first["id"]))
    kept = spool.count().unsendable
    confirmed = command("discard", str(first["id"]), "--yes", "--json")

    assert (unconfirmed.returncode, kept) == (1, 2)
    assert json.loads(confirmed.stdout) == {"discarded": 1}
    assert spool.count() == Counts(spooled=0, unsendable=1)


def test_what_is_wrong_is_said(spool: Spool, command: Command, path: Path) -> None:
    wrong = [
        (command("show", "99"), "There is no unsendable event 99."),
        (command("retry", "99"), "There is no unsendable event 99."),
        (command("discard", "99", "--yes"), "There is no unsendable event 99."),
        (command("list", SPOOL_PATH=""), "SPOOL_PATH is not set"),
        (command("list", SPOOL_PATH=f"{path}.absent"), "There is nothing at"),
    ]

    for done, sentence in wrong:
        assert done.returncode == 1
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr
    for misused in (command("retry"), command("retry", "1", "--all")):
        assert misused.returncode == 2
        assert "Name an event, or say --all." in misused.stderr
    assert not Path(f"{path}.absent").exists()
    assert spool.count() == Counts(spooled=0, unsendable=2)

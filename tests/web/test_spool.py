"""While Supabase is away, what was answered 200 is on the disk, and reaches the database once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from services.local.stack import LocalStack
from services.outage.spool import Spool
from tests.database.events import make_conversation, new_conversation_id, rows
from tests.forwarder import Forwarder, Mode
from tests.stack import start_service
from tests.waiting import until
from tests.web.caller import QUALIFICATION, SETTINGS, Caller, conversation_query, utterance

Run = Callable[..., AbstractContextManager[Caller]]


@pytest.fixture(name="supabase")
def _supabase(stack: LocalStack) -> Iterator[Forwarder]:
    """The way to Supabase, which a test can cut."""
    with Forwarder(stack.backend.gateway_port) as forwarder:
        yield forwarder


@pytest.fixture(name="path")
def _path(stack: LocalStack) -> Path:
    """Where the spool of this test lies."""
    return stack.state.folder / f"spool-{uuid4().hex[:8]}.db"


@pytest.fixture(name="run")
def _run(stack: LocalStack, supabase: Forwarder, path: Path) -> Run:
    """Runs the service with a spool and an impatient breaker."""

    @contextmanager
    def run(**env: str) -> Iterator[Caller]:
        breaker = {"BREAKER_FAILURES": "1", "BREAKER_SECONDS": "1"}
        spooling = {"SUPABASE_URL": supabase.url, "SPOOL_PATH": str(path)}
        service = start_service(stack, **{**SETTINGS, **breaker, **spooling, **env})
        try:
            with httpx.Client(base_url=service.url, timeout=30) as http:
                yield Caller(http)
        finally:
            service.stop()

    return run


def ready(caller: Caller) -> dict[str, Any]:
    answer = caller.http.get("/ready")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def until_drained(caller: Caller) -> None:
    until(lambda: ready(caller)["spooled"] == 0)


def messages(db: psycopg.Connection, conversation: str) -> list[str]:
    found = rows(
        db,
        "select content from public.conversation_messages where conversation_id = %s"
        " order by content",
        conversation,
    )
    return [row["content"] for row in found]


def stream(db: psycopg.Connection, conversation: str) -> int:
    query = "select id from public.processed_webhook_events where conversation_id = %s"
    return len(rows(db, query, conversation))


@pytest.mark.parametrize("outage", ["reset", "hang", "drop answers"])
def test_outage_costs_nobody_an_event(
    run: Run, supabase: Forwarder, db: psycopg.Connection, outage: Mode
) -> None:
    conversation = new_conversation_id()
    make_conversation(db, conversation)
    with run() as caller:
        supabase.mode = outage
        answers = [caller.send(utterance(conversation, n, f"line {n}")) for n in range(3)]
        meanwhile = ready(caller)
        supabase.mode = "pass"
        until_drained(caller)
        after = ready(caller)
        repeated = caller.send(utterance(conversation, 0, "line 0"))

    assert [answer.json() for answer in answers] == [{"received": True, "outcome": "spooled"}] * 3
    assert (meanwhile["status"], meanwhile["spooled"]) == ("ready", 3)
    assert meanwhile["circuit"] != "closed"
    assert (after["spool"], after["circuit"], after["unsendable"]) == ("ready", "closed", 0)
    assert messages(db, conversation) == ["line 0", "line 1", "line 2"]
    assert stream(db, conversation) == 3
    assert repeated.json()["outcome"] == "duplicate"


def test_look_up_that_hangs_does_not_keep_a_caller_waiting(
    run: Run, supabase: Forwarder, db: psycopg.Connection
) -> None:
    conversation = new_conversation_id()
    make_conversation(db, conversation)
    video = {"name": "fetch_video", "arguments": {"video_title": "Overview"}, "tool_call_id": "t1"}
    call = {
        "event_type": "conversation.tool_call",
        "conversation_id": conversation,
        "properties": video,
    }
    with run(BREAKER_FAILURES="100") as caller:
        supabase.mode = "hang"
        started = time.monotonic()
        answer = caller.send(call)
        waited = time.monotonic() - started
        supabase.mode = "pass"
        until_drained(caller)

    assert answer.json()["outcome"] == "spooled"
    # Two seconds for the look-up and five for the commit; httpx's own patience is eight for each.
    assert waited < 8
    [event] = rows(
        db, "select state from private.webhook_inbox where conversation_id = %s", conversation
    )
    assert event["state"] == "received"


def test_open_circuit_spares_the_wait(run: Run, supabase: Forwarder) -> None:
    with run(BREAKER_SECONDS="60") as caller:
        supabase.mode = "reset"
        caller.send(utterance(new_conversation_id(), 0))
        started = time.monotonic()
        answers = [caller.send(utterance(new_conversation_id(), n)) for n in range(20)]
        waited = time.monotonic() - started
        state = ready(caller)

    assert {answer.json()["outcome"] for answer in answers} == {"spooled"}
    assert waited < 3
    assert (state["circuit"], state["spooled"]) == ("open", 21)


def test_restart_keeps_and_drains_what_was_spooled(
    run: Run, supabase: Forwarder, db: psycopg.Connection
) -> None:
    conversation = new_conversation_id()
    with run() as caller:
        supabase.mode = "reset"
        caller.send(utterance(conversation, 1, "before"))
    supabase.mode = "pass"

    with run() as caller:
        until_drained(caller)

    assert messages(db, conversation) == ["before"]


def test_worker_drains_it_too(
    run: Run, supabase: Forwarder, stack: LocalStack, path: Path, db: psycopg.Connection
) -> None:
    conversation = new_conversation_id()
    with run() as caller:
        supabase.mode = "reset"
        caller.send(utterance(conversation, 1, "before"))
    env = {**os.environ, **stack.env(), **SETTINGS, "SPOOL_PATH": str(path)}

    with subprocess.Popen([Path(sys.executable).with_name("convohooks"), "worker"], env=env) as it:
        try:
            until(lambda: Spool(path).count().spooled == 0)
        finally:
            it.terminate()

    assert messages(db, conversation) == ["before"]


def test_what_cannot_be_told_in_an_outage_is_settled_later(
    run: Run, supabase: Forwarder, db: psycopg.Connection
) -> None:
    ours, anothers, unknown = (new_conversation_id() for _ in range(3))
    row = make_conversation(db, ours)
    with run() as caller:
        supabase.mode = "reset"
        forged = caller.send(utterance(anothers, 1), query=conversation_query(row))
        bound = caller.send(utterance(ours, 1), query=conversation_query(row))
        strict = caller.send(objective(unknown), path=QUALIFICATION)
        malformed = caller.send({"event_type": "conversation.utterance", "unknown": ours})
        transcript = caller.send(spoken(ours))
        supabase.mode = "pass"
        until_drained(caller)

    accepted = [forged, bound, strict, transcript]
    assert [answer.status_code for answer in accepted] == [200] * 4
    assert malformed.status_code == 400
    inbox = "select state from private.webhook_inbox where conversation_id = %s order by state"
    assert rows(db, inbox, anothers) == []
    assert [row["state"] for row in rows(db, inbox, unknown)] == ["unmatched"]
    # Its scenario could not be looked up: the worker handles it.
    assert [row["state"] for row in rows(db, inbox, ours)] == ["processed", "received"]
    kept = rows(
        db,
        "select id from private.rejected_events where encode(body, 'escape') like %s",
        f"%{ours}%",
    )
    assert len(kept) == 1


def test_full_spool_says_so(run: Run, supabase: Forwarder, path: Path) -> None:
    with run(SPOOL_MAX_BYTES="1000000", BREAKER_SECONDS="60") as caller:
        supabase.mode = "reset"
        speech = "x" * 10_000
        answers = [caller.send(utterance(new_conversation_id(), n, speech)) for n in range(60)]
        state = caller.http.get("/ready")

    statuses = [answer.status_code for answer in answers]
    kept = statuses.count(200)
    assert kept
    assert statuses == [200] * kept + [503] * (60 - kept)
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert "no room" in answers[-1].json()["detail"]
    assert state.status_code == 503
    assert path.stat().st_size <= 1_000_000


def test_useless_spool_is_told_of_while_commits_work(run: Run, path: Path) -> None:
    path.write_bytes(b"no database at all" * 1000)

    with run() as caller:
        state = ready(caller)
        stored = caller.send(utterance(new_conversation_id(), 1))

    assert "not a database" in state["spool"]
    assert str(path) not in state["spool"]
    assert state["spooled"] is None
    assert stored.json()["outcome"] == "new"


def objective(conversation: str) -> dict[str, Any]:
    return {
        "message_type": "conversation",
        "event_type": "conversation.objective.completed",
        "conversation_id": conversation,
        "properties": {"objective_name": "qualification", "output_variables": {"name": "Ada"}},
    }


def spoken(conversation: str) -> dict[str, Any]:
    return {
        "message_type": "application",
        "event_type": "application.transcription_ready",
        "conversation_id": conversation,
        "properties": {"transcript": [{"role": "user", "content": "Hello."}]},
    }

"""Tools with an effect outside, slow ones and broken ones: claimed in a real database, run once."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from services.database import Database
from services.effects import Json
from services.errors import Unavailable
from services.events import WebhookEventProcessingService
from services.inbound import Inbound
from services.ingestion import WebhookDataIngestionService, row_of
from services.local.stack import LocalStack
from services.lookups import CachedLookups
from services.outage.breaker import Breaker
from services.provider import Credential, Lookups
from services.providers.tavus import TAVUS
from services.settings import Settings, load_settings
from services.tools.delivery import read_envelope
from services.tools.registry import TOOLS
from services.tools.runner import Answered, Timing, ToolRunner
from services.tools.tool import Tool, ToolResult, texts
from services.writer import Writer
from tests.database.events import make_conversation, new_conversation_id, receive, rows
from tests.waiting import until

BRIEF = Timing(answer=2.5, claim=2.0, record=1.0, poll=0.02, lease=0.3, lease_outside=0.3)
SLOW = 3.5
CALL_ID = "call_1"


@dataclass(slots=True)
class Bookings:
    """A calendar outside our database: who was booked, how often."""

    booked: list[str] = field(default_factory=list)
    seconds: float = 0.0
    error: Exception | None = None

    def book(self, arguments: dict[str, Json], conversation: str, lookups: Lookups) -> ToolResult:
        time.sleep(self.seconds)
        self.booked.append(arguments["name"])
        if self.error:
            raise self.error
        return ToolResult(result={"number": len(self.booked)})

    def tool(self, *, acts_outside: bool = True) -> Tool:
        return Tool(
            description="Book a call",
            parameters=texts(name="Who wants it"),
            run=self.book,
            say=lambda result: f"Your booking has the number {result['number']}.",
            acts_outside=acts_outside,
        )


@pytest.fixture(name="bookings")
def _bookings() -> Bookings:
    return Bookings()


@pytest.fixture(name="settings")
def _settings(stack: LocalStack) -> Settings:
    return load_settings(stack.env())


@pytest.fixture(name="run")
def _run(settings: Settings, bookings: Bookings) -> Iterator[ToolRunner]:
    """Runs the bookings tool, impatiently, without a spool."""
    database = Database(settings)
    yield runner(database, {"book": bookings.tool()})
    database.close()


@pytest.fixture(name="conversation")
def _conversation(db: psycopg.Connection) -> str:
    conversation = new_conversation_id()
    make_conversation(db, conversation)
    return conversation


def runner(
    database: Database,
    tools: Mapping[str, Tool],
    timing: Timing = BRIEF,
    keep: Callable[[Any], None] | None = None,
) -> ToolRunner:
    return ToolRunner(
        database=database,
        breaker=Breaker(),
        events=WebhookEventProcessingService(lookups=CachedLookups(database)),
        ingestion=WebhookDataIngestionService(writer=Writer(database.receive_events), keep=keep),
        tools=tools,
        timing=timing,
    )


def inbound(conversation: str, **more: Any) -> Inbound:
    body = {"name": "book", "arguments": {"name": "Ada"}, "tool_call_id": CALL_ID}
    return Inbound(
        method="POST",
        path="/api/tavus/tools",
        query={},
        headers={"content-type": "application/json"},
        body=json.dumps({**body, "conversation_id": conversation, **more}).encode(),
        received_at=datetime.now(UTC),
    )


def call(run: ToolRunner, conversation: str) -> Answered:
    return run.answer(read_envelope(inbound(conversation), Credential()))


def told(answered: Answered) -> dict[str, Any]:
    return dict(json.loads(answered.body))


def outcomes(db: psycopg.Connection, conversation: str) -> list[Any]:
    found = rows(
        db, "select success, result from public.tool_calls where conversation_id = %s", conversation
    )
    return [row["result"] for row in found]


def shown(db: psycopg.Connection, conversation: str) -> list[Any]:
    found = rows(
        db,
        "select event_data from public.processed_webhook_events"
        " where conversation_id = %s and event_type = 'tool_call_result'",
        conversation,
    )
    return [row["event_data"].get("result") or row["event_data"]["error"] for row in found]


def begin(
    settings: Settings, conversation: str, *, acts_outside: bool, lease: float = 0.3
) -> dict[str, Any]:
    """Claim the call and do no more, as a process does that is killed."""
    database = Database(settings)
    claim = {
        "conversation_id": conversation,
        "tool_call_id": CALL_ID,
        "claim": str(uuid.uuid4()),
        "acts_outside": acts_outside,
        "lease_seconds": lease,
        "source": "tavus",
        "event_key": f"{conversation}:tool_call:{CALL_ID}",
    }
    try:
        return database.claim_tool_run(claim)
    finally:
        database.close()


def test_thirty_calls_at_once_act_once_and_hear_the_same(
    run: ToolRunner, db: psycopg.Connection, bookings: Bookings, conversation: str
) -> None:
    bookings.seconds = 0.2
    patient = replace(run, timing=replace(BRIEF, answer=8.0, claim=5.0, lease_outside=60.0))

    with ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(lambda _: call(patient, conversation), range(30)))

    assert bookings.booked == ["Ada"]
    assert {answered.body for answered in answers} == {answers[0].body}
    assert told(answers[0]) == {
        "success": True,
        "message": "Your booking has the number 1.",
        "result": {"number": 1},
    }
    assert outcomes(db, conversation) == shown(db, conversation) == [{"number": 1}]


def test_after_a_crash_nobody_says_that_it_was_done_or_not(
    settings: Settings,
    run: ToolRunner,
    db: psycopg.Connection,
    bookings: Bookings,
    conversation: str,
) -> None:
    assert begin(settings, conversation, acts_outside=True)["state"] == "claimed"

    answers = [call(run, conversation) for _ in range(2)]

    assert bookings.booked == []
    assert told(answers[0])["error"] == (
        "It was begun before, and it is not known whether it was done"
    )
    assert answers[0].body == answers[1].body
    assert outcomes(db, conversation) == [{"error": told(answers[0])["error"]}]


def test_after_a_crash_a_tool_without_effect_outside_is_run_again(
    settings: Settings, run: ToolRunner, bookings: Bookings, conversation: str
) -> None:
    begin(settings, conversation, acts_outside=False)
    harmless = replace(run, tools={"book": bookings.tool(acts_outside=False)})

    answers = [call(harmless, conversation) for _ in range(2)]

    assert bookings.booked == ["Ada"]
    assert {told(answered)["success"] for answered in answers} == {True}


def test_what_takes_too_long_outside_is_recorded_when_it_ends(
    run: ToolRunner, db: psycopg.Connection, bookings: Bookings, conversation: str
) -> None:
    bookings.seconds = SLOW
    started = time.monotonic()

    first = call(run, conversation)

    assert time.monotonic() - started < SLOW
    assert told(first)["error"] == "It is still being done, and how it ends is not known yet"
    until(lambda: outcomes(db, conversation) == [{"number": 1}])
    assert told(call(run, conversation))["result"] == {"number": 1}
    assert bookings.booked == ["Ada"]
    assert shown(db, conversation) == [{"number": 1}]


def test_a_late_outcome_outranks_that_nobody_knew_it(
    run: ToolRunner, db: psycopg.Connection, bookings: Bookings, conversation: str
) -> None:
    bookings.seconds = SLOW
    call(run, conversation)

    unknown = call(run, conversation)

    assert "not known" in told(unknown)["error"]
    until(lambda: outcomes(db, conversation) == [{"number": 1}])
    assert call(run, conversation).body == unknown.body
    assert bookings.booked == ["Ada"]


def test_what_takes_too_long_inside_failed_and_stays_so(
    run: ToolRunner, db: psycopg.Connection, bookings: Bookings, conversation: str
) -> None:
    bookings.seconds = SLOW
    harmless = replace(
        run,
        tools={"book": bookings.tool(acts_outside=False)},
        timing=replace(BRIEF, lease=60.0),
    )

    first = call(harmless, conversation)
    until(lambda: bookings.booked == ["Ada"])

    assert told(first)["error"] == "It takes too long at the moment"
    assert call(harmless, conversation).body == first.body
    assert outcomes(db, conversation) == [{"error": "It takes too long at the moment"}]


@pytest.mark.parametrize("error", [RuntimeError("boom"), KeyError("x"), Unavailable()])
def test_a_tool_that_fails_gives_a_sentence(
    run: ToolRunner,
    db: psycopg.Connection,
    bookings: Bookings,
    conversation: str,
    error: Exception,
) -> None:
    bookings.error = error

    answers = [call(run, conversation) for _ in range(2)]

    assert told(answers[0])["success"] is False
    assert "boom" not in answers[0].body
    assert answers[0].body == answers[1].body
    assert bookings.booked == ["Ada"]
    assert len(shown(db, conversation)) == 1


@pytest.mark.parametrize("first", ["call", "callback"])
def test_a_callback_of_it_neither_acts_nor_hides_the_outcome(
    run: ToolRunner,
    db: psycopg.Connection,
    bookings: Bookings,
    conversation: str,
    monkeypatch: pytest.MonkeyPatch,
    first: str,
) -> None:
    monkeypatch.setitem(TOOLS, "book", bookings.tool())
    callback = inbound(conversation, event_type="conversation.tool_call")

    def call_back() -> None:
        [answer] = receive(db, row_of(run.events.process(callback, TAVUS, Credential()), callback))
        assert answer["outcome"] == "new"

    ways = [lambda: call(run, conversation), call_back]
    for way in ways if first == "call" else reversed(ways):
        way()

    assert bookings.booked == ["Ada"]
    assert outcomes(db, conversation) == shown(db, conversation) == [{"number": 1}]


def test_without_a_claim_nothing_is_done_outside(
    settings: Settings, db: psycopg.Connection, bookings: Bookings, conversation: str
) -> None:
    kept: list[Any] = []
    nowhere = Database(replace(settings, supabase_url="http://127.0.0.1:1"))

    first = call(runner(nowhere, {"book": bookings.tool()}, keep=kept.append), conversation)
    receive(db, *kept)
    database = Database(settings)
    again = call(runner(database, {"book": bookings.tool()}), conversation)
    database.close()

    assert bookings.booked == []
    assert told(first)["error"] == "It cannot be done at the moment; nothing was changed"
    assert again.body == first.body


class Forgetful(Database):
    """A Supabase that is away as soon as something was done."""

    def finish_tool_run(self, run: Mapping[str, Any], event: Mapping[str, Any]) -> dict[str, Any]:
        raise Unavailable()


@pytest.mark.parametrize("acts_outside", [True, False])
@pytest.mark.parametrize("has_spool", [True, False])
def test_what_cannot_be_stored_is_spooled_or_told_as_it_is(
    settings: Settings,
    db: psycopg.Connection,
    bookings: Bookings,
    conversation: str,
    acts_outside: bool,
    has_spool: bool,
) -> None:
    kept: list[Any] = []
    tools = {"book": bookings.tool(acts_outside=acts_outside)}
    forgetful, database = Forgetful(settings), Database(settings)
    keep = kept.append if has_spool else None

    answered = call(runner(forgetful, tools, keep=keep), conversation)
    if kept:
        receive(db, *kept)
    time.sleep(BRIEF.lease_outside)
    again = call(runner(database, tools), conversation)
    forgetful.close()
    database.close()

    # What nobody will ever see was not done, unless it was done outside.
    assert told(answered)["success"] is (has_spool or acts_outside)
    assert bookings.booked == (["Ada"] if has_spool or acts_outside else ["Ada", "Ada"])
    if has_spool:
        assert again.body == answered.body
        assert outcomes(db, conversation) == shown(db, conversation) == [{"number": 1}]


def test_of_eight_claims_at_once_one_wins(settings: Settings, conversation: str) -> None:
    gate = threading.Barrier(8)

    def claim(_: int) -> str:
        gate.wait()
        return str(begin(settings, conversation, acts_outside=True, lease=60)["state"])

    with ThreadPoolExecutor(8) as pool:
        states = sorted(pool.map(claim, range(8)))

    assert states == ["claimed", *["running"] * 7]


def test_an_old_answer_is_pruned(
    settings: Settings, run: ToolRunner, db: psycopg.Connection, conversation: str
) -> None:
    first = call(run, conversation)
    db.execute(
        "update private.tool_runs set claimed_at = now() - interval '100 days'"
        " where conversation_id = %s",
        [conversation],
    )

    counts = db.execute("select public.prune(90, 365, 500)").fetchone()

    assert counts is not None
    assert counts[0]["tool_runs"] >= 1
    assert call(run, conversation).body == first.body

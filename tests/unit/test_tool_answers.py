"""Calls of tools over HTTP in this very process: what is answered, and what is told of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from flask.testing import FlaskClient
from structlog.testing import capture_logs

from services import security
from services.errors import Unavailable
from services.events import WebhookEventProcessingService
from services.inbound import Inbound
from services.ingestion import WebhookDataIngestionService
from services.outage.breaker import Breaker
from services.provider import Credential
from services.tools.deadline import Deadline, started
from services.tools.delivery import read_envelope
from services.tools.runner import Answered, Timing, ToolRunner
from services.tools.tool import Tool, ToolResult, texts
from services.web import tools
from services.wiring.web import wire
from services.writer import Writer
from tests.in_process import client, settings_of, store
from tests.providers.tavus_samples import Rows

SECRET = "tool-secret-of-the-test"
PATH = "/api/tavus/tools"
CALL = {
    "name": "display_cta",
    "arguments": {"text": "Book a call", "url": "https://example.test/book"},
    "tool_call_id": "call_1",
    "conversation_id": "c-1",
}
ANSWER = json.dumps({"success": True, "message": "Done.", "result": {}})


@dataclass
class Runs:
    """A database that answers every claim alike, and stores what is told as `outcome` says."""

    claim: dict[str, Any]
    outcome: str = "new"
    claims: int = 0
    stored: list[dict[str, Any]] = field(default_factory=list)

    def claim_tool_run(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        self.claims += 1
        return self.claim

    def finish_tool_run(self, run: Mapping[str, Any], event: Mapping[str, Any]) -> dict[str, Any]:
        self.stored.append(json.loads(run["answer"]))
        return {"outcome": self.outcome, "answer": run["answer"]}


def runner(runs: Runs, keep: Callable[[Any], None] | None = None) -> ToolRunner:
    database: Any = runs
    return ToolRunner(
        database=database,
        breaker=Breaker(),
        events=WebhookEventProcessingService(lookups=Rows()),
        ingestion=WebhookDataIngestionService(writer=Writer(store), keep=keep),
        timing=Timing(answer=1.0, record=0.9, poll=0.03),
    )


def inbound(**more: Any) -> Inbound:
    told = {name: value for name, value in {**CALL, **more}.items() if value is not None}
    return Inbound(
        method="POST",
        path=PATH,
        query={},
        headers={"content-type": "application/json"},
        body=json.dumps(told).encode(),
        received_at=datetime(2026, 3, 1, tzinfo=UTC),
    )


def call(run: ToolRunner) -> Answered:
    return run.answer(read_envelope(inbound(), Credential()))


def service(run: ToolRunner) -> FlaskClient:
    """Return a client of a service with these tools."""
    settings = settings_of(TAVUS_TOOL_SECRET=SECRET)
    caller = client(settings)
    services = replace(wire(settings), tools=run)
    caller.application.register_blueprint(tools.blueprint(services))
    return caller


def test_call_is_answered_and_told_in_one_line() -> None:
    runs = Runs({"state": "claimed", "known": True})
    body = json.dumps(CALL).encode()
    headers = {"X-Tavus-Signature": security.hmac_sha256_hex(SECRET, body)}

    with capture_logs() as lines:
        answer = service(runner(runs)).post(
            PATH, data=body, headers=headers, content_type="application/json"
        )

    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.json == runs.stored[0]
    assert answer.json["result"] == CALL["arguments"]
    [line] = [line for line in lines if line["event"] == "tool call"]
    names = ("source", "path", "status", "outcome", "state", "tool_call_id", "conversation_id")
    assert [line[name] for name in names] == [
        "tavus", PATH, 200, "new", "run", "call_1", "c-1",
    ]  # fmt: skip


def test_repeat_hears_what_was_answered_before() -> None:
    runs = Runs({"state": "answered", "answer": ANSWER})

    again = call(runner(runs))

    assert again == Answered(body=ANSWER, state="answered", outcome="duplicate")
    assert runs.stored == []


@pytest.mark.parametrize(
    "claim",
    [
        {"state": "claimed", "known": True},
        {"state": "told", "known": True, "outcome": {"success": True, "result": "It is 9"}},
    ],
)
def test_outcome_without_what_the_sentence_names_is_recorded_and_answered(
    claim: dict[str, Any],
) -> None:
    runs = Runs(claim)
    tool = Tool(
        description="Book a call",
        parameters=texts(day="Which day"),
        run=lambda arguments, conversation, lookups: ToolResult(result={}),
        say=lambda booked: f"Your booking has the number {booked['number']}.",
        acts_outside=True,
    )

    answered = call(replace(runner(runs), tools={"display_cta": tool}))

    assert json.loads(answered.body) == runs.stored[0]
    assert (runs.stored[0]["success"], runs.stored[0]["message"]) == (True, "Done.")


def test_call_that_somebody_else_still_runs_is_waited_for_and_not_recorded() -> None:
    runs = Runs({"state": "running"})

    answered = call(runner(runs))

    assert runs.claims > 1
    assert answered.state == "running"
    assert "still being done" in json.loads(answered.body)["error"]
    assert runs.stored == []


def test_call_of_an_unknown_conversation_runs_nothing_and_stays_refused() -> None:
    runs = Runs({"state": "claimed", "known": False})

    answered = call(runner(runs))

    assert answered.state == "no such conversation"
    assert json.loads(answered.body)["error"] == "This conversation is not known here"
    assert runs.stored == [json.loads(answered.body)]


@pytest.mark.parametrize("has_spool", [True, False])
def test_outcome_that_the_database_refuses_to_store_is_spooled_or_not_done(has_spool: bool) -> None:
    runs = Runs({"state": "claimed", "known": True}, outcome="unstored")
    kept: list[Any] = []

    answered = call(runner(runs, kept.append if has_spool else None))

    assert len(kept) == has_spool
    assert answered.outcome == ("spooled" if has_spool else "unstored")
    assert json.loads(answered.body)["success"] is has_spool


def test_id_of_no_conversation_is_that_of_the_same_call_alone() -> None:
    def named(**more: Any) -> str:
        return read_envelope(inbound(conversation_id=None, **more), Credential()).tool_call_id

    other = {"text": "Another", "url": "https://example.test/other"}
    assert named() == named()
    assert named().startswith("call_1:")
    assert len({named(), named(arguments=other), named(name="fetch_video")}) == 3
    assert read_envelope(inbound(), Credential()).tool_call_id == "call_1"


def test_work_that_gives_up_by_itself_is_told_from_work_that_is_late() -> None:
    def give_up() -> None:
        raise TimeoutError("its own patience")

    given_up = started(give_up)
    with pytest.raises(TimeoutError, match="its own patience"):
        Deadline(10.0).wait(given_up, 10.0)
    gate = threading.Event()
    with pytest.raises(Unavailable, match="too long"):
        Deadline(0.0).within(10.0, gate.wait)
    gate.set()


def test_work_that_ends_at_the_last_moment_counts() -> None:
    class Punctual(Future[str]):
        """Ends just as the patience does."""

        def result(self, timeout: float | None = None) -> str:
            if not self.done():
                self.set_result("in time")
                raise TimeoutError
            return super().result(timeout)

    assert Deadline(1.0).wait(Punctual(), 1.0) == "in time"

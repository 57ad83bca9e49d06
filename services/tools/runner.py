"""Answers a call of a tool over HTTP: in time, once, with what it was answered before.

The call is claimed in the database before anything is run, and its answer is stored with its event
in one transaction. Tavus waits ten seconds for it; we answer within eight whatever happens.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from services.database import Database
from services.errors import ConvohooksError, Unavailable
from services.events import Event, WebhookEventProcessingService
from services.ingestion import WebhookDataIngestionService, row_of
from services.outage.breaker import Breaker
from services.providers.tavus import TAVUS
from services.tool_calls import WebhookToolCallService
from services.tools import answers
from services.tools.answers import answer
from services.tools.deadline import Deadline, started
from services.tools.delivery import Delivery
from services.tools.record import event_key, event_of
from services.tools.registry import TOOLS
from services.tools.tool import Tool, ToolResult

log = structlog.get_logger()

Claim = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds. A tool that acts outside is not run again after its lease, any other one is."""

    answer: float = 7.0
    claim: float = 2.0
    record: float = 1.5
    poll: float = 0.15
    lease: float = 5.0
    lease_outside: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The answer to a call; for the log why it is this one, and what became of its event."""

    body: str
    state: str
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRunner:
    """Runs tools for calls over HTTP."""

    database: Database
    breaker: Breaker
    events: WebhookEventProcessingService
    ingestion: WebhookDataIngestionService
    tools: Mapping[str, Tool] = field(default_factory=lambda: TOOLS)
    timing: Timing = Timing()

    def answer(self, delivery: Delivery) -> Answered:
        """Run a call, or find out what it was answered; return what to answer now.

        Raises Malformed for a call that cannot be stored as an event.
        """
        run = _Run(
            runner=self,
            delivery=delivery,
            tool=self.tools.get(delivery.name),
            deadline=Deadline(self.timing.answer),
        )
        key = event_key(delivery, self.events)
        try:
            claim = run.claim(key)
        except ConvohooksError as error:
            log.warning("tool call not claimed", reason=error.detail)
            return run.settle(answers.AWAY, "away")
        if claim["state"] == "answered":
            return Answered(body=claim["answer"], state="answered", outcome="duplicate")
        if claim["state"] == "running":
            return run.reply(answers.STILL_RUNNING, "running")
        if claim["state"] == "unknown":
            return run.settle(answers.NOT_KNOWN, "unknown")
        if claim["state"] == "told":
            return run.settle(_told(claim["outcome"]), "told")
        if not claim["known"]:
            return run.settle(answers.NO_SUCH_CONVERSATION, "no such conversation")
        return run.do()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """One call on its way to its answer."""

    runner: ToolRunner
    delivery: Delivery
    tool: Tool | None
    deadline: Deadline
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def acts_outside(self) -> bool:
        return self.tool is not None and self.tool.acts_outside

    def claim(self, key: str) -> Claim:
        """Claim the call, waiting for the answer while somebody else runs it."""
        timing = self.runner.timing
        asked = {
            "conversation_id": self.delivery.conversation_id,
            "tool_call_id": self.delivery.tool_call_id,
            "claim": self.id,
            "acts_outside": self.acts_outside,
            "lease_seconds": timing.lease_outside if self.acts_outside else timing.lease,
            "source": TAVUS.name,
            "event_key": key,
        }
        while True:
            claim = self._ask(timing.claim, lambda: self.runner.database.claim_tool_run(asked))
            if claim["state"] != "running" or self.deadline.left < timing.record + timing.poll:
                return claim
            time.sleep(timing.poll)

    def do(self) -> Answered:
        """Run the tool; what it does outside is recorded even when it ends too late to be told."""
        working = started(self._timed_outcome)
        patience = max(self.deadline.left - self.runner.timing.record, 0.0)
        try:
            outcome, took = self.deadline.wait(working, patience)
        except Unavailable:
            if not self.acts_outside:
                return self.settle(answers.TOO_SLOW, "too slow")
            working.add_done_callback(self._settle_late)
            return self.reply(answers.STILL_RUNNING, "too slow")
        return self.settle(outcome, "run", took)

    def settle(self, outcome: ToolResult, state: str, took: float | None = None) -> Answered:
        """Record an outcome with its answer, and the milliseconds that the tool took if it ran.

        Returns the answer that counts.
        """
        runner, body = self.runner, answer(outcome, self.tool)
        row = row_of(self._event(outcome, took), self.delivery.inbound)
        run = {
            "conversation_id": self.delivery.conversation_id,
            "tool_call_id": self.delivery.tool_call_id,
            "answer": body,
        }
        try:
            receipt = self._ask(
                runner.timing.record, lambda: runner.database.finish_tool_run(run, row)
            )
            if receipt["outcome"] == "unstored":
                raise Unavailable("The call could not be stored.")
        except ConvohooksError as error:
            log.warning("tool call not recorded", reason=error.detail)
            return self._keep(row, outcome, state)
        return Answered(body=receipt["answer"], state=state, outcome=receipt["outcome"])

    def reply(self, outcome: ToolResult, state: str, stored: str = "unstored") -> Answered:
        """Answer without recording anything."""
        return Answered(body=answer(outcome, self.tool), state=state, outcome=stored)

    def _timed_outcome(self) -> tuple[ToolResult, float]:
        begun = time.monotonic()
        return self._outcome(), (time.monotonic() - begun) * 1000

    def _outcome(self) -> ToolResult:
        delivery = self.delivery
        service = WebhookToolCallService(
            lookups=self.runner.events.lookups, tools=self.runner.tools
        )
        try:
            return service.run(delivery.name, delivery.arguments, delivery.conversation_id or "")
        except Unavailable:
            return answers.AWAY
        except Exception:  # a defect of one tool must not leave the caller without a sentence
            log.exception("tool failed", tool=delivery.name)
            return answers.DEFECT

    def _settle_late(self, working: Future[tuple[ToolResult, float]]) -> None:
        late = replace(self, deadline=Deadline(self.runner.timing.answer))
        outcome, took = working.result()
        late.settle(outcome, "late", took)

    def _keep(self, row: dict[str, Any], outcome: ToolResult, state: str) -> Answered:
        """Spool what the database does not take now; kept nowhere, it is as good as not done."""
        keep = self.runner.ingestion.keep
        try:
            if keep is None:
                raise Unavailable("There is no spool.")
            keep(row)
        except ConvohooksError as error:
            log.error("tool call lost", tool=self.delivery.name, reason=error.detail)
            told = outcome if self.acts_outside or not outcome.success else answers.AWAY
            return self.reply(told, state)
        return self.reply(outcome, state, "spooled")

    def _event(self, outcome: ToolResult, took: float | None) -> Event:
        return event_of(
            self.delivery,
            self.runner.events,
            outcome,
            acts_outside=self.acts_outside,
            is_fact=self.acts_outside and took is not None,
            execution_time_ms=took,
        )

    def _ask(self, seconds: float, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        return self.deadline.within(seconds, lambda: self.runner.breaker.call(work))


def _told(outcome: Mapping[str, Any]) -> ToolResult:
    """Return the outcome that a callback of the same call had, or that the spool kept."""
    result = outcome["result"]
    if outcome["success"]:
        return ToolResult(result=result if isinstance(result, dict) else {"value": result})
    error = result.get("error") if isinstance(result, dict) else None
    return ToolResult(error=str(error or answers.DEFECT.error))

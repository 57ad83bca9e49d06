"""Tries again what failed: claims due events, runs the same handlers, finishes or fails them.

Any number of workers may run, on any hosts: a claim is a lease, and only who holds it can finish.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog
from structlog.contextvars import bound_contextvars

from services import effects as effects_as
from services.chores.chore import Chore
from services.database import Database
from services.errors import ConvohooksError, Malformed
from services.events import WebhookEventProcessingService
from services.inbox.inbox import as_received
from services.provider import Credential, Provider
from services.retry import WAITS, next_wait
from services.telemetry import reporting, tracing
from services.telemetry.worker_metrics import WorkerMetrics

BATCH = 32
LEASE = 60.0
IDLE = 1.0
"""Seconds between two looks while nothing is due."""
AWAY = 5.0
"""Seconds to wait when Supabase cannot be reached."""

log = structlog.get_logger()

Claimed = Mapping[str, Any]
Outcome = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    """What a handler made of a claimed event, and the milliseconds that it took."""

    event: Claimed
    outcome: Outcome
    ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """Works off due events until told to stop; what it has claimed by then it finishes."""

    database: Database
    events: WebhookEventProcessingService
    providers: Sequence[Provider]
    chores: Sequence[Chore] = ()
    lease: float = LEASE
    idle: float = IDLE
    wait: Callable[[int], float | None] = next_wait
    metrics: WorkerMetrics = field(default_factory=WorkerMetrics)
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Work until `stopping` is set, the chores beside it."""
        chores = [chore.start(self.stopping) for chore in self.chores]
        while not self.stopping.is_set():
            try:
                pause = 0.0 if self.work() else self.idle
            except ConvohooksError as error:
                log.warning("worker waits", reason=error.detail)
                pause = AWAY
            self.stopping.wait(pause)
        for chore in chores:
            chore.join()

    def work(self) -> int:
        """Claim one batch and finish it; return how many events it held. Raises Unavailable."""
        claim = str(uuid.uuid4())
        batch = self.database.claim_events(claim, BATCH, self.lease)
        if not batch:
            return 0
        with self._held(claim):
            attempts = {event["id"]: self._attempt(event) for event in batch}
        answers = [attempt.outcome for attempt in attempts.values()]
        with tracing.span("finish", events=len(batch)):
            finished = self.database.finish_events(claim, answers)
        for outcome in finished:
            attempt = attempts[outcome["id"]]
            self.metrics.attempted(attempt.event, outcome["outcome"])
            self._tell(attempt, outcome["outcome"])
        return len(batch)

    def _attempt(self, event: Claimed) -> _Attempt:
        started = time.monotonic()
        kept = event["headers"]
        names = {"event_id": event["id"], "request_id": kept.get("x-request-id", "")}
        facts = {"source": event["source"], "event_id": event["id"], "attempt": event["tries"]}
        trace = kept.get("traceparent")
        with (
            bound_contextvars(**names),
            tracing.span("attempt", links=[trace], kind="CONSUMER", **facts) as span,
        ):
            outcome = self._handle(event)
            span.tell(outcome="failed" if "error" in outcome else outcome["state"])
        return _Attempt(event=event, outcome=outcome, ms=1000 * (time.monotonic() - started))

    def _tell(self, attempt: _Attempt, outcome: str) -> None:
        event = attempt.event
        facts = {
            "source": event["source"],
            "event_id": event["id"],
            "request_id": event["headers"].get("x-request-id"),
            "attempt": event["tries"],
        }
        log.info(
            "attempt",
            **facts,
            event_type=event["event_type"],
            outcome=outcome,
            ms=round(attempt.ms, 1),
        )
        if outcome == "dead":
            facts["event_type"] = self._known_type(event)
            reporting.report("An event is dead.", context="dead letter", **facts)

    def _handle(self, event: Claimed) -> Outcome:
        answer = {"id": event["id"], "retry_seconds": self.wait(event["tries"])}
        if event["tries"] > len(WAITS) + 1:
            # It was claimed again and again and nobody came back to tell why.
            error = f"{event['tries']} attempts began, and the last of them never ended."
            return {"id": event["id"], "error": error}
        return answer | self._outcome(event)

    def _outcome(self, event: Claimed) -> Outcome:
        provider = self._provider(event)
        if provider is None:
            return {"error": f"No provider is named {event['source']!r}."}
        try:
            handled = self.events.process(as_received(event), provider, Credential())
        except ConvohooksError as error:
            kind = "The event cannot be read: " if isinstance(error, Malformed) else ""
            return {"error": kind + error.detail}
        if handled.defect is not None:
            facts = {"source": event["source"], "event_type": self._known_type(event)}
            reporting.report(handled.defect, context="retry", event_id=event["id"], **facts)
            return {"error": handled.error}
        if handled.event_type != event["event_type"]:
            # Its row may name no conversation: better dead and seen than done by half.
            return {"error": f"Stored as {event['event_type']}, read now as {handled.event_type}."}
        return {
            "state": handled.state,
            "effects": effects_as.to_json(handled.effects),
            "projections": effects_as.to_json(handled.projections),
        }

    def _provider(self, event: Claimed) -> Provider | None:
        return next((p for p in self.providers if p.name == event["source"]), None)

    def _known_type(self, event: Claimed) -> str | None:
        provider = self._provider(event)
        return provider.known_type(event["event_type"]) if provider else None

    @contextmanager
    def _held(self, claim: str) -> Iterator[None]:
        """Keep the lease alive while the handlers run, however long they take."""
        done = threading.Event()

        def extend() -> None:
            while not done.wait(self.lease / 3):
                try:
                    self.database.extend_claim(claim, self.lease)
                except ConvohooksError as error:
                    log.warning("lease not extended", reason=error.detail)

        heart = threading.Thread(target=extend, name="heartbeat", daemon=True)
        heart.start()
        try:
            yield
        finally:
            done.set()
            heart.join()

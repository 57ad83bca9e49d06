"""Tries again what failed: claims due events, runs the same handlers, finishes or fails them.

Any number of workers may run, on any hosts: a claim is a lease, and only who holds it can finish.
"""

from __future__ import annotations

import threading
import uuid
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog

from services import effects as effects_as
from services.chores import Chore
from services.database import Database
from services.errors import ConvohooksError, Malformed
from services.events import WebhookEventProcessingService
from services.inbound import Inbound
from services.provider import Credential, Provider
from services.retry import WAITS, next_wait

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
class Worker:
    """Works off due events until told to stop; what it has claimed by then it finishes."""

    database: Database
    events: WebhookEventProcessingService
    providers: Sequence[Provider]
    chores: Sequence[Chore] = ()
    lease: float = LEASE
    idle: float = IDLE
    wait: Callable[[int], float | None] = next_wait
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
            answers = [self._handle(event) for event in batch]
        for outcome in self.database.finish_events(claim, answers):
            log.info("attempt", event_id=outcome["id"], outcome=outcome["outcome"])
        return len(batch)

    def _handle(self, event: Claimed) -> Outcome:
        answer = {"id": event["id"], "retry_seconds": self.wait(event["tries"])}
        if event["tries"] > len(WAITS) + 1:
            # It was claimed again and again and nobody came back to tell why.
            error = f"{event['tries']} attempts began, and the last of them never ended."
            return {"id": event["id"], "error": error}
        return answer | self._outcome(event)

    def _outcome(self, event: Claimed) -> Outcome:
        provider = next((p for p in self.providers if p.name == event["source"]), None)
        if provider is None:
            return {"error": f"No provider is named {event['source']!r}."}
        try:
            handled = self.events.process(_inbound(event), provider, Credential())
        except ConvohooksError as error:
            kind = "The event cannot be read: " if isinstance(error, Malformed) else ""
            return {"error": kind + error.detail}
        if handled.error is not None:
            return {"error": handled.error}
        if handled.event_type != event["event_type"]:
            # Its row may name no conversation: better dead and seen than done by half.
            return {"error": f"Stored as {event['event_type']}, read now as {handled.event_type}."}
        return {
            "state": handled.state,
            "effects": effects_as.to_json(handled.effects),
            "projections": effects_as.to_json(handled.projections),
        }

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


def _inbound(event: Claimed) -> Inbound:
    """Return a stored event as it was when it came in; its secrets were overwritten since."""
    return Inbound(
        method="POST",
        path=event["path"] or "",
        query={},
        headers=event["headers"],
        body=b64decode(event["body"]),
        received_at=datetime.fromisoformat(event["received_at"]),
    )

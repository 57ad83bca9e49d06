"""Sends what is due: claims deliveries, makes an attempt of each, writes down how it ended.

Any number of workers may run, on any hosts: a claim is a lease, and only who holds it can finish.
What a worker cannot finish comes back when its lease ends, under the same `webhook-id`.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Protocol

import structlog
from structlog.contextvars import bound_contextvars

from services.errors import ConvohooksError
from services.outgoing.attempt import Attempt, Claimed
from services.outgoing.clock import DatabaseClock
from services.outgoing.crew import Crew
from services.outgoing.finisher import Ended, Finisher

BATCH = 64
MARGIN = 15.0
"""Seconds by which a lease outlasts an attempt."""
LATE = 10.0
"""Seconds after which an attempt is not begun any more: it might outlast its lease."""
PACE, SOON, IDLE = 0.02, 0.1, 0.25
"""Seconds between two looks: at the least, while deliveries go out, while none does."""
LATELY = 2.0
"""Seconds without a delivery that still count as if they went out."""
AWAY = 5.0
"""Seconds to wait when Supabase cannot be reached."""
TIDY_EVERY = 60.0
"""Seconds between two rounds of forgetting what has run out."""
GRACE, LAST = 10.0, 3.0
"""Seconds for the attempts in hand when the worker stops, and to write them down."""

log = structlog.get_logger()


class Store(Protocol):
    """Where deliveries wait."""

    def claim(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Return {deliveries, now, jumps, due_seconds}."""

    def finish(
        self, batch: Sequence[Mapping[str, Any]], disable_after: float, seen: dict[str, Any] | None
    ) -> list[dict[str, Any]]:
        """Return {id, outcome, disabled} of each."""


class Sends(Protocol):
    """What makes attempts."""

    @property
    def timeout(self) -> float:
        """Seconds that one takes at most."""

    def send(self, delivery: Claimed, at: datetime) -> Attempt:
        """Make one; never raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A claim, and when (monotonic) it was asked for."""

    id: str
    sent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliveries:
    """Works until told to stop. `rate` a minute and `concurrency` are of an endpoint that has no
    limits of its own; `disable_after` are the seconds of nothing but failures that disable one.
    """

    store: Store
    sender: Sends
    at_once: int
    rate: int
    concurrency: int
    disable_after: float
    clock: DatabaseClock = field(default_factory=DatabaseClock)

    def run(self, stopping: threading.Event) -> None:
        """Work until `stopping` is set; what has been begun by then is ended, if it ends soon."""
        crew = Crew(self.at_once)
        finisher = Finisher(store=self.store, disable_after=self.disable_after, clock=self.clock)
        finishing = finisher.start()
        busy_until = 0.0
        while not stopping.is_set():
            finisher.finished.clear()
            pause, claimed = self._turn_or_complain(crew, finisher, stopping)
            now = time.monotonic()
            busy_until = now + LATELY if claimed else busy_until
            if not stopping.wait(PACE):
                finisher.finished.wait(min(pause, SOON) if now < busy_until else pause)
        left = crew.join(GRACE)
        if left:
            log.warning("deliveries left", amount=left)
        finisher.stop()
        finishing.join(LAST)

    def _turn_or_complain(
        self, crew: Crew, finisher: Finisher, stopping: threading.Event
    ) -> tuple[float, int]:
        try:
            return self._turn(crew, finisher)
        except ConvohooksError as error:
            log.warning("deliveries wait", reason=error.detail)
        except Exception:  # a defect at one delivery must not end the others
            log.exception("deliveries wait")
        stopping.wait(AWAY)
        return 0.0, 0

    def _turn(self, crew: Crew, finisher: Finisher) -> tuple[float, int]:
        """Begin what may begin; return the seconds until more may, and how many began."""
        most = min(crew.free(), BATCH)
        if most <= 0:
            return SOON, 0
        sent = time.monotonic()
        wanted = self._wanted(most, crew)
        told = self.store.claim(wanted)
        self.clock.saw(told)
        for delivery in told["deliveries"]:
            claim = Claim(id=wanted["claim"], sent=sent)
            work = partial(self._attempt, delivery, claim, finisher)
            crew.do(work, is_risky=delivery["is_risky"])
        claimed = len(told["deliveries"])
        return 0.0 if claimed == most else _pause(told["due_seconds"]), claimed

    def _wanted(self, most: int, crew: Crew) -> dict[str, Any]:
        return {
            "claim": str(uuid.uuid4()),
            "most": most,
            # Half of the places are for endpoints that work.
            "most_risky": max(self.at_once // 2 - crew.risky(), 0),
            "lease_seconds": self._lease,
            "rate": self.rate,
            "concurrency": self.concurrency,
            "seen": self.clock.seen(),
        }

    def _attempt(self, delivery: Claimed, claim: Claim, finisher: Finisher) -> None:
        if time.monotonic() > claim.sent + LATE:
            log.warning("delivery comes too late", delivery_id=delivery["id"])
            return
        with bound_contextvars(delivery_id=delivery["id"], webhook_id=delivery["webhook_id"]):
            attempt = self.sender.send(delivery, self.clock.time())
        held_until = claim.sent + self._lease
        finisher.put(
            Ended(delivery=delivery, claim=claim.id, held_until=held_until, attempt=attempt)
        )

    @property
    def _lease(self) -> float:
        return self.sender.timeout + MARGIN


def _pause(due_seconds: float | None) -> float:
    """Return the seconds to wait; what is due and was not claimed is over a limit."""
    if due_seconds is None:
        return IDLE
    return min(due_seconds, IDLE) if due_seconds > 0 else SOON

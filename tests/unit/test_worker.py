"""worker.py: a batch is held for as long as its handlers take."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from structlog.testing import capture_logs

from services.effects import Effects
from services.errors import Unavailable
from services.events import WebhookEventProcessingService
from services.providers.tavus import TAVUS
from services.worker import Worker
from tests.in_process import EVENT_ID, UTTERANCE, due
from tests.providers.tavus_samples import Rows

BODY = {
    "event_type": UTTERANCE,
    "conversation_id": "c-1",
    "seq": 1,
    "properties": {"role": "user", "speech": "Good morning."},
}


@dataclass
class Leasing:
    """A database with one event that is due, and that is away when a lease is first extended."""

    extended: list[tuple[str, float]] = field(default_factory=list)
    finished: list[tuple[str, str]] = field(default_factory=list)
    is_held: threading.Event = field(default_factory=threading.Event)

    def claim_events(self, *_: object) -> list[dict[str, Any]]:
        return [due(BODY, tries=2)]

    def extend_claim(self, claim: str, seconds: float) -> None:
        self.extended.append((claim, seconds))
        if len(self.extended) == 1:
            raise Unavailable("It is away for a moment.")
        self.is_held.set()

    def finish_events(self, claim: str, batch: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        self.finished += [(claim, outcome["state"]) for outcome in batch]
        return [{"id": EVENT_ID, "outcome": "processed"}]


def test_lease_is_extended_while_a_handler_runs_whatever_a_beat_meets() -> None:
    leasing = Leasing()
    database: Any = leasing

    def handle(*_: object) -> Effects:
        assert leasing.is_held.wait(10)
        return Effects()

    slow = replace(TAVUS.events[UTTERANCE], handler=handle)
    worker = Worker(
        database=database,
        events=WebhookEventProcessingService(lookups=Rows()),
        providers=[replace(TAVUS, events={UTTERANCE: slow})],
        lease=0.03,
    )

    with capture_logs() as lines:
        worker.work()

    [(claim, state)] = leasing.finished
    assert state == "processed"
    assert set(leasing.extended) == {(claim, 0.03)}
    told = [line["reason"] for line in lines if line["event"] == "lease not extended"]
    assert told == ["It is away for a moment."]

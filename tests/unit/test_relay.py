"""relay.py: what the database does not take is told to the browser, which sends it again."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from services.conversations.relay import NOT_STORED, Relay, Relayed
from services.errors import Unavailable
from services.events import WebhookEventProcessingService
from services.inbound import Inbound
from services.limits.counters import MemoryCounters
from services.limits.limits import Limit
from services.people import Person
from services.writer import MAX_EVENTS, Row, Writer
from tests.providers.tavus_samples import Rows

TALK = "c-1"
ADA = Person(id=uuid.UUID(int=1), token="token-of-ada")
CALL = Inbound(
    method="POST",
    path=f"/api/conversations/{TALK}/app-messages",
    query={},
    headers={"content-type": "application/json"},
    body=b"{}",
    received_at=datetime(2026, 3, 1, tzinfo=UTC),
)


class OneConversation:
    """A database in which everybody has this one conversation, however they ask for it."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: self

    def execute(self) -> Any:
        return SimpleNamespace(data=[{"id": str(uuid.UUID(int=2)), "conversation_id": TALK}])


@dataclass
class Inbox:
    """Takes batches, and answers each event as `outcomes` says next, else that it is new."""

    outcomes: list[str | Exception] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)

    def receive(self, batch: Sequence[Row]) -> list[dict[str, Any]]:
        self.batches.append(len(batch))
        outcome = self.outcomes.pop(0) if self.outcomes else "new"
        if isinstance(outcome, Exception):
            raise outcome
        return [{"outcome": outcome, "known": True} for _ in batch]


def relay(inbox: Inbox, *messages: dict[str, Any]) -> Relayed:
    """Relay messages of Ada's conversation."""
    database: Any = OneConversation()
    return Relay(
        database=database,
        events=WebhookEventProcessingService(lookups=Rows()),
        writer=Writer(inbox.receive),
        limit=Limit(MemoryCounters(), 0),
    ).receive(ADA, TALK, messages, CALL)


def said(seq: int) -> dict[str, Any]:
    properties = {"role": "user", "speech": "Hello."}
    return {"event_type": "conversation.utterance", "seq": seq, "properties": properties}


def test_no_messages_are_none_to_store() -> None:
    inbox = Inbox()

    assert relay(inbox) == Relayed(accepted=0, duplicates=0)
    assert inbox.batches == []


def test_database_that_is_away_is_told() -> None:
    with pytest.raises(Unavailable, match="is away today"):
        relay(Inbox([Unavailable("It is away today.")]), said(1))


def test_message_that_was_not_stored_is_none_that_was_accepted() -> None:
    with pytest.raises(Unavailable, match=NOT_STORED):
        relay(Inbox(["unstored"]), said(1))


def test_after_a_failed_batch_a_repeat_stores_the_rest() -> None:
    messages = [said(n) for n in range(MAX_EVENTS + 6)]
    inbox = Inbox(["new", Unavailable()])

    with pytest.raises(Unavailable):
        relay(inbox, *messages)
    inbox.outcomes = ["duplicate"]
    repeated = relay(inbox, *messages)

    assert inbox.batches == [MAX_EVENTS, 6, MAX_EVENTS, 6]
    assert repeated == Relayed(accepted=6, duplicates=MAX_EVENTS)

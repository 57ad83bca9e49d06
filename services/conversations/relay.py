"""What a person's browser relays of their call, on its way into the inbox."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from services.conversations.owned import find_own
from services.database import Database
from services.effects import Json
from services.errors import Conflict, Malformed, Unavailable, Unprocessable
from services.events import WebhookEventProcessingService
from services.inbound import Inbound
from services.ingestion import row_of
from services.limits.limits import Limit
from services.people import Person
from services.provider import Credential
from services.providers.tavus.fields import text
from services.providers.tavus.keys import count
from services.providers.tavus.places import hoist
from services.providers.tavus_relay import RELAY
from services.writer import MAX_BYTES, MAX_EVENTS, Result, Row, Writer

LAST = 10**15
"""Where a message goes that does not say its place."""
NOT_STORED = "The messages could not be stored; send them again."

AppMessage = dict[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Relayed:
    """How many messages were new, and how many had been relayed before."""

    accepted: int
    duplicates: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """Receives the app-messages of a conversation from the person whose it is.

    Nothing is spooled: the browser keeps what was not stored, and a repeat changes nothing.
    """

    database: Database
    events: WebhookEventProcessingService
    writer: Writer
    limit: Limit

    def receive(
        self, person: Person, told_id: str, messages: Sequence[AppMessage], inbound: Inbound
    ) -> Relayed:
        """Store messages of a conversation; `told_id` is the sender's id for it, or our row's.

        Raises NotFound, Conflict (the sender has not named it yet), TooManyRequests, Unprocessable
        (naming the message that cannot be read; none is stored then), Unavailable.
        """
        refusal = self.limit.count(
            "You relay more messages a minute than you may; send these again later.",
            "relayed",
            str(person.id),
            cost=max(1, len(messages)),
        )
        if refusal is not None:
            raise refusal
        conversation_id = self._conversation_of(person, told_id)
        rows = [
            self._row(n, message, conversation_id, inbound) for n, message in _in_order(messages)
        ]
        results = [result for batch in _batches(rows) for result in self._commit(batch)]
        duplicates = sum(result["outcome"] == "duplicate" for result in results)
        return Relayed(accepted=len(results) - duplicates, duplicates=duplicates)

    def _conversation_of(self, person: Person, told_id: str) -> str:
        """Return the sender's id of a person's own conversation."""
        own = find_own(self.database, person, told_id)
        conversation_id: str | None = own["conversation_id"]
        if conversation_id is None:
            raise Conflict("The conversation has not begun yet; send the messages again.")
        return conversation_id

    def _row(self, n: int, message: AppMessage, conversation_id: str, inbound: Inbound) -> Row:
        body = json.dumps(_of_conversation(message, conversation_id)).encode()
        single = replace(inbound, body=body, query={})
        try:
            return row_of(self.events.process_or_defer(single, RELAY, Credential()), single)
        except Malformed as error:
            raise Unprocessable(f"messages.{n}: {error.detail}") from None

    def _commit(self, batch: Sequence[Row]) -> list[Result]:
        results = []
        for result in self.writer.commit(batch):
            if isinstance(result, Exception):
                raise result
            if result["outcome"] == "unstored":
                raise Unavailable(NOT_STORED)
            results.append(result)
        return results


def _of_conversation(message: AppMessage, conversation_id: str) -> AppMessage:
    """Return a message as one of this conversation, whichever it says it is of."""
    parts = {
        name: {key: value for key, value in part.items() if key != "conversation_id"}
        for name, part in message.items()
        if isinstance(part, dict)
    }
    return {**message, **parts, "conversation_id": conversation_id}


def _in_order(messages: Sequence[AppMessage]) -> list[tuple[int, AppMessage]]:
    """Return messages with their places in the batch, in the order in which they were sent."""
    return sorted(enumerate(messages), key=lambda numbered: _place(numbered[1]))


def _place(message: AppMessage) -> tuple[int, int]:
    flat = hoist(message)
    seq, turn = (count(text(flat.get(name))) for name in ("seq", "turn_idx"))
    return (LAST if seq is None else seq, LAST if turn is None else turn)


def _batches(rows: Sequence[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    size = 0
    for row in rows:
        weight = 2 * len(row["body"])
        if batch and (len(batch) == MAX_EVENTS or size + weight > MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += weight
    if batch:
        yield batch

"""Conversations with a webhook each, what is said in them, and what became of telling it."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psycopg

from bench.ledger import MismatchError
from bench.sink import Arrival, Kind, Sink
from tests.database.personas import sign_up

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 (of nobody)
SPEECH = "I would like to see how the dashboard shows my numbers, and then the pricing page. " * 2
PATIENCE = 60.0
"""Seconds until what was said must have arrived."""

_CONVERSATION = """
insert into public.conversations (conversation_id, user_id, status)
values (%s, %s, 'active') returning id
"""
_WEBHOOK = "select public.configure_conversation_webhook(%s, %s, %s, %s) #>> '{row,id}'"
_OPTIONS = "select public.change_endpoint(%s, %s, %s)"
_SAY = """
insert into public.conversation_messages
    (conversation_id, message_id, role, content, content_length, origin, timestamp)
select conversation_id, message_id, 'user', %(speech)s, length(%(speech)s), 'live', now()
from unnest(%(conversations)s::text[], %(names)s::text[]) as said (conversation_id, message_id)
"""
_DISABLE = "update public.webhook_endpoints set disabled = true where id = any(%s::uuid[])"
_WAITING = "select count(*) from private.delivery_queue where endpoint_id = any(%s::uuid[])"
_IN_FLIGHT = """
select count(*) from private.delivery_slots where in_flight and endpoint_id = any(%s::uuid[])
"""
_DELIVERIES = """
select m.message_id, d.webhook_id, d.state
from public.webhook_deliveries d
join private.outgoing_events o on o.id = d.event_id
join public.conversation_messages m on m.id = (o.payload #>> '{data,id}')::uuid
where d.endpoint_id = any(%s::uuid[])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """A conversation, and the endpoint that hears its messages."""

    conversation_id: str
    endpoint_id: str
    kind: Kind


Said = tuple[Customer, str]
"""A message: whose conversation it is said in, and its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What the database says of telling a message."""

    message: str
    webhook_id: str
    state: str


def create(
    db: psycopg.Connection, sink: Sink, kinds: Iterable[Kind], **options: Any
) -> list[Customer]:
    """Return new customers of one owner; endpoints have the default options but for those given."""
    owner = sign_up(db).id
    return [_customer(db, sink, owner, kind, options) for kind in kinds]


def remove(db: psycopg.Connection, gone: Sequence[Customer]) -> None:
    """Leave nothing of customers, nor of what they were told."""
    names = [customer.conversation_id for customer in gone]
    given = {"names": names}
    db.execute(
        "delete from private.outgoing_events o using public.conversations c"
        " where o.conversation_id = c.id and c.conversation_id = any(%(names)s)",
        given,
    )
    for table in ("conversation_messages", "conversations"):
        db.execute(f"delete from public.{table} where conversation_id = any(%(names)s)", given)  # noqa: S608 (one of two)


def say(db: psycopg.Connection, said: Sequence[Said]) -> float:
    """Store messages, each with its name, at once; return the moment they were committed."""
    names = {
        "conversations": [customer.conversation_id for customer, _ in said],
        "names": [name for _, name in said],
    }
    db.execute(_SAY, {"speech": SPEECH, **names})
    return time.monotonic()


def deliveries(db: psycopg.Connection, of: Sequence[Customer]) -> list[Delivery]:
    """Return what became of all that these customers were to be told."""
    found = db.execute(_DELIVERIES, [_endpoints(of)])
    return [Delivery(message=row[0], webhook_id=row[1], state=row[2]) for row in found]


def waiting(db: psycopg.Connection, of: Sequence[Customer]) -> int:
    """Return how many deliveries are still to be made, or made again."""
    return _count(db, _WAITING, of)


def in_flight(db: psycopg.Connection, of: Sequence[Customer]) -> int:
    """Return how many attempts have begun and not ended."""
    return _count(db, _IN_FLIGHT, of)


def disable(db: psycopg.Connection, refused: Sequence[Customer]) -> None:
    """Let nothing more be sent to customers."""
    db.execute(_DISABLE, [_endpoints(refused)])


def require_each_once(
    said: Sequence[str], told: Sequence[Delivery], arrived: Sequence[Arrival]
) -> None:
    """Raise MismatchError unless each message was delivered, and has arrived, exactly once."""
    named = Counter(delivery.message for delivery in told)
    came = Counter(arrival.webhook_id for arrival in arrived)
    delivered = Counter(each.webhook_id for each in told if each.state == "delivered")
    if named != Counter(said) or came != delivered or len(delivered) != len(told):
        raise MismatchError(
            f"deliveries: {len(said)} messages, {len(told)} deliveries of which"
            f" {delivered.total()} delivered, {came.total()} arrivals of {len(came)}"
        )


def wait_until(holds: Callable[[], bool], wanted: str) -> None:
    """Wait for a condition. Raises MismatchError when it does not come about."""
    until = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > until:
            raise MismatchError(f"deliveries: waited {PATIENCE:g} s for {wanted}")
        time.sleep(0.05)


def _customer(
    db: psycopg.Connection, sink: Sink, owner: str, kind: Kind, options: Mapping[str, Any]
) -> Customer:
    name = f"bench{uuid4().hex[:12]}"
    conversation = _value(db, _CONVERSATION, name, owner)
    webhook = json.dumps({"url": sink.endpoint(kind, name)})
    endpoint = _value(db, _WEBHOOK, owner, conversation, webhook, SECRET)
    if options:
        db.execute(_OPTIONS, [owner, endpoint, json.dumps(options)])
    return Customer(conversation_id=name, endpoint_id=endpoint, kind=kind)


def _endpoints(of: Sequence[Customer]) -> list[str]:
    return [customer.endpoint_id for customer in of]


def _count(db: psycopg.Connection, query: str, of: Sequence[Customer]) -> int:
    row = db.execute(query, [_endpoints(of)]).fetchone()
    return int(row[0]) if row else 0


def _value(db: psycopg.Connection, query: str, *given: str) -> str:
    row = db.execute(query, given).fetchone()
    return str(row[0]) if row else ""

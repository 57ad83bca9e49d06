"""Who wants to be told: endpoints of the conversations' owner, and the moods of who receives."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

import psutil
import psycopg
from psycopg.types.json import Jsonb

from tests.database.personas import sign_up
from tests.receivers import Call, Receiver, Reply

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EVENT_TYPES: Mapping[str, list[str] | None] = {
    "everything": None,
    "messages": ["message.created", "message.processed"],
    "processed": ["message.processed"],
    "bookings": ["booking.created"],
}
"""What each endpoint listens to."""
# The slots of workers that have died are taken until their leases end: nobody should wait for that.
OPTIONS = {"rate_per_minute": 100_000, "concurrency": 1000, "retry_schedule": [1] * 20}
FAILS = 0.1
"""The share of calls that is answered with 500."""
ANSWERS_WITHIN = 0.3


@dataclass(frozen=True, slots=True)
class Moody:
    """Answers after a while, and not always with success."""

    chance: random.Random

    def __call__(self, call: Call) -> Reply:
        """Return the answer to a call."""
        status = 500 if self.chance.random() < FAILS else 204
        return Reply(status=status, after=self.chance.uniform(0, ANSWERS_WITHIN))


def listen(database_url: str, receiver: Receiver) -> str:
    """Sign up the owner of the conversations, with all endpoints; return who it is."""
    with psycopg.connect(database_url, autocommit=True) as db:
        owner = sign_up(db).id
        for name, event_types in EVENT_TYPES.items():
            endpoint = {"url": f"{receiver.url}/{name}", "event_types": event_types, **OPTIONS}
            db.execute(
                "select public.create_endpoint(%s, %s, %s, 100)", [owner, Jsonb(endpoint), SECRET]
            )
    return owner


def listeners(event_type: str) -> set[str]:
    """Return the names of the endpoints that listen to a type."""
    return {name for name, types in EVENT_TYPES.items() if types is None or event_type in types}


def is_sending(pid: int, receiver: Receiver) -> bool:
    """Whether a process has a connection to the receiver: it is in the middle of an attempt."""
    port = int(receiver.url.rpartition(":")[2].partition("/")[0])
    connections = psutil.Process(pid).net_connections("tcp")
    return any(each.raddr and each.raddr.port == port for each in connections)

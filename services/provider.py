"""What a sender is: one record. A new sender is one file that makes one of these, plus samples."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from uuid import UUID

from pydantic import BaseModel

from services.effects import Effects, Json
from services.inbound import Inbound
from services.settings import Settings
from services.validation import parse_object


class Lookups(Protocol):
    """What a handler may ask. Answers may be some seconds old; a miss is never an old one."""

    def videos(self, conversation_id: str, *, fresh: bool = False) -> tuple[Video, ...]:
        """Return the videos that this conversation may show; `fresh` goes past the cache."""

    def scenario(self, conversation_id: str) -> Scenario | None:
        """Return the scenario that this conversation practises, if it has one."""

    def phone(self, phone_number: str) -> Phone | None:
        """Return the number of ours, if it is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """A row of `demo_videos`."""

    id: str
    title: str
    storage_url: str
    duration_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A row of `scenarios`; `metrics` is what it wants scored."""

    id: str
    title: str | None = None
    metrics: Json = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """A row of `phone_numbers`: how a number of ours answers a call."""

    id: str
    phone_number: str
    greeting: str | None = None
    greeting_language: str | None = None
    record_calls: bool = False
    transcribe_calls: bool = False
    forward_to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a sender is answered with 200, where it wants more than our JSON."""

    body: str
    content_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """Proof that a call is authentic.

    `conversation_ref` is our row's id when the proof was a token for one conversation; `secrets`
    are the tokens, the presented one among them, which nothing may store.
    """

    conversation_ref: UUID | None = None
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What of a call proves it, for readers of the API's description: where it is, its name."""

    place: Literal["query", "header", "bearer"]
    name: str
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call as a sender makes it: for tests, and for `convohooks send`."""

    url: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A body, understood as far as its envelope: the canonical type and what it speaks about."""

    event_type: str
    conversation_id: str | None
    payload: dict[str, Json]
    name: str | None = None
    """The event's own id, where the sender gives it one; it takes the place of the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType:
    """One entry of a provider's `events`: how to check, key, and handle an event.

    `key(payload, body_sha256)` names the fact within its conversation, so that a repeat is known.
    """

    model: type[BaseModel]
    handler: Callable[[Any, Lookups], Effects]
    key: Callable[[Any, str], str]
    projected: bool = True
    path: str | None = None
    """Where it is sent, if not to the provider's first path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A sender: where it calls, how it proves itself, and what its events mean."""

    name: str
    paths: tuple[str, ...]
    verify: Callable[[Inbound, Settings], Credential]
    sign: Callable[[Call, Settings], Call]
    """Make a call authentic with the first secret of the settings; without one return it as is."""
    read: Callable[[Inbound, dict[str, Json]], Reading]
    project: Callable[[Reading], dict[str, Json]]
    """What browsers see of an event: small, and without what they must not read."""
    events: Mapping[str, EventType]
    parse: Callable[[Inbound], dict[str, Json]] = lambda inbound: parse_object(inbound.body)
    """From the body to an object; raises Malformed."""
    encode: Callable[[dict[str, Json]], bytes] = lambda payload: json.dumps(payload).encode()
    """From the object of a sample to a body."""
    content_type: str = "application/json"
    samples: str | None = None
    """The folder of its samples, if it is not named like the sender."""
    identifiers: frozenset[str] = field(default=frozenset())
    """The fields, at any depth, that name what an event is about; a new sample has new ones."""
    answer: Callable[[Inbound, Lookups, Settings], Answer] | None = None
    """What it is answered once the event is kept; must not fail, nor take long."""
    retries: bool = True
    """Whether it calls again after a 429 or 5xx; who does not is never refused for its haste."""
    proofs: tuple[Proof, ...] = ()
    """What of a call `verify` looks at, each enough by itself: the API's description says so."""
    docs: str = ""
    """Where the sender describes its calls."""
    strict_paths: frozenset[str] = field(default=frozenset())
    """Paths on which an unknown conversation is answered 404, though the event is kept."""

    def known_type(self, event_type: str) -> str:
        """Return a type that the events table names, `other` for one that only a call names."""
        return event_type if any(event_type == name for name in self.events) else "other"

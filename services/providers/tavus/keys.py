"""The key of an event within its conversation: what names the fact, so that a repeat is known.

What happens once has a key without a time. What can happen again is told apart by the sender's id,
else by its place in the conversation, else by its body. When unsure, an event counts as a new one:
the rows that it writes have keys of their own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from services.effects import Json
from services.errors import Malformed
from services.providers.tavus.event import Event

LONGEST = 200
LONGEST_COUNT = 15
"""In digits."""

Key = Callable[[Any, str], str]


def fingerprint(value: Json) -> str:
    """Return a hash of a JSON value, the same for every order of its fields."""
    try:
        canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    except RecursionError:
        raise Malformed("The payload is nested too deeply.") from None
    return sha256(canonical.encode()).hexdigest()


def bounded(key: str) -> str:
    """Return a key that an index takes: a long one keeps its start and ends in its hash."""
    if len(key) <= LONGEST:
        return key
    digest = sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{key[: LONGEST - len(digest) - 1]}:{digest}"


def once(name: str) -> Key:
    """Return a key for what happens once in a conversation."""
    return lambda event, body_sha256: name


def repeatable(name: str) -> Key:
    """Return a key for what can happen again and has no id of its own."""

    def key(event: Event, body_sha256: str) -> str:
        return bounded(f"{name}:{place(event, event.payload) or f'body:{body_sha256}'}")

    return key


def count(told: str | None) -> int | None:
    """Return a place in a conversation as a number that a column takes, else None."""
    is_number = (
        told is not None and told.isascii() and told.isdigit() and len(told) <= LONGEST_COUNT
    )
    return int(told) if told and is_number else None


def place(event: Event, content: Json) -> str | None:
    """Return where an event stands in its conversation, if it says so.

    `seq` counts every event. Several can share a turn, so there `content` tells them apart.
    """
    if event.seq:
        return f"seq:{event.seq}"
    return f"turn:{event.turn_idx}:{fingerprint(content)}" if event.turn_idx else None

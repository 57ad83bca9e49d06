"""What an event does to the tables, as data: a handler returns it, `receive_events` applies it.

Every rule of merging (which end of a conversation wins, how a qualification is folded) is in SQL,
in `private.apply_effects`; this module only names the rows.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal

Json = Any
"""A value as `json.loads` gives it: sanitised, so that jsonb takes it."""

Relayed = Literal[True] | None
"""Whether a browser told it: whatever the sender itself tells of the same outranks it, in SQL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How and when a conversation ended; SQL keeps the highest status, then the earliest time."""

    status: Literal["ended", "completed", "failed"]
    reason: str | None = None
    at: datetime | None = None
    duration_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationChange:
    """What an event says about its conversation. `metadata` is kept under `metadata_key`."""

    metadata_key: str | None = None
    metadata: dict[str, Json] | None = None
    at: datetime | None = None
    started_at: datetime | None = None
    end: End | None = None
    persona_id: str | None = None
    replica_id: str | None = None
    demo_id: str | None = None
    conversation_name: str | None = None
    perception_analysis: str | None = None
    recording_url: str | None = None
    relayed: Relayed = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A line of the conversation, live or from its transcript (there `message_id` is absent)."""

    role: str
    content: str
    message_id: str | None = None
    timestamp: datetime | None = None
    sentiment: str | None = None
    intent: str | None = None
    confidence: float | None = None
    seq: int | None = None
    turn_idx: int | None = None
    inference_id: str | None = None
    relayed: Relayed = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call (`name`, `arguments`), its outcome (`success`, `result`), or both.

    `reported` says that the sender told us the outcome; it outranks the one we computed.
    """

    tool_call_id: str
    name: str | None = None
    arguments: Json = None
    called_at: datetime | None = None
    success: bool | None = None
    result: Json = None
    execution_time_ms: float | None = None
    finished_at: datetime | None = None
    reported: bool = False
    relayed: Relayed = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One completion of an objective; SQL folds all of them into `qualification_data`."""

    objective_name: str
    variables: dict[str, Json]
    columns: dict[str, str | None]
    at: datetime | None = None
    raw_payload: dict[str, Json] | None = None
    relayed: Relayed = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """Scores of a transcript; user, scenario and duration are filled in by SQL."""

    score: int
    analysis: dict[str, Json]
    analyzer: str
    completed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """A further row of `processed_webhook_events`, beside the event's own."""

    event_type: str
    event_data: dict[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What an event tells of a row that has no rules of its own; see `private.apply_record`.

    Of two events that tell the same field the one with the higher rank stays, then the one with
    the greater event key. Values are JSON as the columns take it; what is None is not told.
    """

    table: str
    key: dict[str, str]
    values: dict[str, Json]
    rank: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """All that one event does. Applying it twice, or in another order, gives the same rows."""

    conversation: ConversationChange | None = None
    messages: tuple[Message, ...] = ()
    transcript: tuple[Message, ...] = ()
    tool_call: ToolCall | None = None
    completion: Completion | None = None
    feedback: Feedback | None = None
    records: tuple[Record, ...] = ()
    projections: tuple[Projection, ...] = ()


NOTHING = Effects()


def to_json(value: object) -> Json:
    """Return effects as JSON values: no absent fields, times as ISO 8601 in UTC."""
    if isinstance(value, tuple):
        return [to_json(item) for item in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    names = _field_names(type(value))  # type: ignore[arg-type]  # mypy: a type has no hash
    if names is None:
        return value
    pairs = ((name, getattr(value, name)) for name in names)
    return {name: to_json(item) for name, item in pairs if item is not None and item != ()}


def record(table: str, rank: float = 0, /, *, key: dict[str, str], **values: object) -> Record:
    """Return what is told of a row; values that are None are left out, times become ISO 8601."""
    told = {name: to_json(value) for name, value in values.items() if value is not None}
    return Record(table=table, key=key, values=told, rank=rank)


@cache
def _field_names(kind: Any) -> tuple[str, ...] | None:
    return tuple(field.name for field in fields(kind)) if is_dataclass(kind) else None

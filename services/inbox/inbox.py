"""What may be asked of the inbox: which events, and what is told of them."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from services.inbound import Inbound
from services.validation import Moment, Sought

State = Literal["received", "processed", "ignored", "unmatched", "failed", "dead"]


MOST_IDS = 100


def _split(told: object) -> object:
    """In an address a list is one text, with commas."""
    return told.split(",") if isinstance(told, str) else told


Ids = Annotated[list[UUID], BeforeValidator(_split), Field(min_length=1, max_length=MOST_IDS)]


class EventFilter(BaseModel):
    """Which events are meant; all of them where it says nothing.

    An unknown name is refused, and so is null, which would say nothing and mean to.
    """

    model_config = ConfigDict(extra="forbid")

    id: UUID | None = None
    ids: Ids | None = None
    state: State | None = None
    source: Sought | None = None
    event_type: Sought | None = None
    conversation_id: Sought | None = None
    since: Moment | None = None
    until: Moment | None = None
    error: Sought | None = None
    text: Sought | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _is_said(cls, value: object) -> object:
        if value is None:
            raise ValueError("is null; leave out what does not matter")
        return value

    def as_json(self) -> dict[str, Any]:
        """Return the filter as the SQL functions take it."""
        return self.model_dump(mode="json", exclude_none=True)


class EventSummary(BaseModel):
    """An event in a list."""

    id: UUID
    seq: int
    source: str
    event_type: str
    conversation_id: str | None
    state: State
    attempts: int
    last_error: str | None
    next_attempt_at: datetime | None
    received_at: datetime
    finished_at: datetime | None


class Failure(BaseModel):
    """An attempt that failed, with the traceback where there was one."""

    attempt: int
    error: str
    at: datetime


class Projected(BaseModel):
    """The row of an event that browsers see."""

    id: UUID
    processed_at: datetime
    event_data: Any


class StoredEvent(EventSummary):
    """An event with what was received: `body` as text, or as base64 where it is no UTF-8."""

    event_key: str
    path: str | None
    headers: dict[str, str]
    body: str
    body_encoding: Literal["utf-8", "base64"]
    body_size: int
    pruned_at: datetime | None
    duration_ms: float | None
    projection: Projected | None
    failures: list[Failure]

    @classmethod
    def read(cls, row: dict[str, Any]) -> StoredEvent:
        """Return the event of a row that `show_event` gave."""
        try:
            body, encoding = b64decode(row["body"]).decode(), "utf-8"
        except UnicodeDecodeError:
            body, encoding = row["body"], "base64"
        return cls.model_validate({**row, "body": body, "body_encoding": encoding})


def as_received(row: Mapping[str, Any]) -> Inbound:
    """Return a stored event as it was when it came in; its secrets were overwritten since."""
    return Inbound(
        method="POST",
        path=row["path"] or "",
        query={},
        headers=row["headers"],
        body=b64decode(row["body"]),
        received_at=datetime.fromisoformat(row["received_at"]),
    )

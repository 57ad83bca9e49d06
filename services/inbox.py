"""What may be asked of the inbox: which events, and what is told of them."""

from __future__ import annotations

from base64 import b64decode
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.validation import Moment

State = Literal["received", "processed", "ignored", "unmatched", "failed", "dead"]


class EventFilter(BaseModel):
    """Which events are meant; all of them where it says nothing. An unknown name is refused."""

    model_config = ConfigDict(extra="forbid")

    id: UUID | None = None
    state: State | None = None
    source: str | None = Field(default=None, min_length=1, max_length=255)
    event_type: str | None = Field(default=None, min_length=1, max_length=255)
    conversation_id: str | None = Field(default=None, min_length=1, max_length=255)
    since: Moment | None = None
    until: Moment | None = None
    error: str | None = Field(default=None, min_length=1, max_length=255)

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


class StoredEvent(EventSummary):
    """An event with what was received: `body` as text, or as base64 where it is no UTF-8."""

    path: str | None
    headers: dict[str, str]
    body: str
    body_encoding: Literal["utf-8", "base64"]
    failures: list[Failure]

    @classmethod
    def read(cls, row: dict[str, Any]) -> StoredEvent:
        """Return the event of a row that `show_event` gave."""
        try:
            body, encoding = b64decode(row["body"]).decode(), "utf-8"
        except UnicodeDecodeError:
            body, encoding = row["body"], "base64"
        return cls.model_validate({**row, "body": body, "body_encoding": encoding})

"""What a person sees of a conversation: its row, and the rows of five tables that belong to it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from services.database import execute
from services.web.api.qualification import COLUMNS as QUALIFICATION_COLUMNS
from services.web.api.qualification import Qualification

PAGE = 1000
"""Rows that Supabase gives at once, unless its settings say otherwise."""

Row = dict[str, Any]
Reads = Any
"""What `Database.as_person` returns."""


class Conversation(BaseModel):
    """A row of `conversations`. `conversation_url` is where to join it."""

    id: UUID
    conversation_id: str | None
    conversation_url: str | None
    conversation_name: str | None
    status: str | None
    end_reason: str | None
    persona_id: str | None
    replica_id: str | None
    scenario_id: UUID | None
    demo_id: str | None
    started_at: datetime | None
    ended_at: datetime | None
    duration_seconds: int | None
    perception_analysis: str | None
    recording_url: str | None
    version: int | None
    created_at: datetime | None
    updated_at: datetime | None


class ConversationMessage(BaseModel):
    """A row of `conversation_messages`."""

    message_id: str | None
    role: str | None
    content: str | None
    origin: str | None
    position: int | None
    seq: int | None
    turn_idx: int | None
    timestamp: datetime | None
    sentiment: str | None
    intent: str | None
    confidence: float | None


class ToolCall(BaseModel):
    """A row of `tool_calls`."""

    tool_call_id: str | None
    name: str | None
    arguments: Any
    result: Any
    success: bool | None
    execution_time_ms: float | None
    called_at: datetime | None
    finished_at: datetime | None


class Feedback(BaseModel):
    """A row of `feedback_sessions`; its transcript is the conversation's messages."""

    id: UUID
    score: int | float | None
    analysis: Any
    analyzer: str | None
    duration: int | float | None
    completed_at: datetime | None
    version: int | None


class ConversationDetail(Conversation):
    """A conversation with all that belongs to it, each list in its order."""

    messages: list[ConversationMessage]
    tool_calls: list[ToolCall]
    qualification: list[Qualification]
    feedback: Feedback | None


def detail(reads: Reads, row: Row) -> ConversationDetail:
    """Return a conversation with what this reader may see of it."""
    return ConversationDetail.model_validate(
        {
            **row,
            "messages": _messages(reads, row["conversation_id"]),
            "tool_calls": _tool_calls(reads, row["conversation_id"]),
            "qualification": _qualification(reads, row["conversation_id"]),
            "feedback": _feedback(reads, row["id"]),
        }
    )


def _messages(reads: Reads, conversation_id: str | None) -> list[Row]:
    # The transcript, then what is live and not in it yet.
    order = {"position": False, "seq": False, "turn_idx": False, "timestamp": True}
    return _all(
        reads, "conversation_messages", _columns(ConversationMessage), order, conversation_id
    )


def _tool_calls(reads: Reads, conversation_id: str | None) -> list[Row]:
    order = {"called_at": False}
    return _all(reads, "tool_calls", _columns(ToolCall), order, conversation_id)


def _qualification(reads: Reads, conversation_id: str | None) -> list[Row]:
    order = {"received_at": False}
    return _all(reads, "qualification_data", QUALIFICATION_COLUMNS, order, conversation_id)


def _feedback(reads: Reads, row_id: str) -> Row | None:
    rows = reads.from_("feedback_sessions").select(_columns(Feedback)).eq("conversation_id", row_id)
    rows = rows.order("created_at", desc=True, nullsfirst=False).limit(1)
    found: list[Row] = execute(rows).data
    return found[0] if found else None


def _all(
    reads: Reads, table: str, columns: str, order: dict[str, bool], conversation_id: str | None
) -> list[Row]:
    """Return every row of a conversation, page by page, by columns whose nulls may come first."""
    found: list[Row] = []
    more = conversation_id is not None
    while more:
        rows = reads.from_(table).select(columns).eq("conversation_id", conversation_id)
        for name, nulls_first in order.items():
            rows = rows.order(name, nullsfirst=nulls_first)
        rows = rows.order("created_at").order("id")
        page = execute(rows.range(len(found), len(found) + PAGE - 1)).data
        found += page
        more = len(page) == PAGE
    return found


def _columns(model: type[BaseModel]) -> str:
    return ",".join(model.model_fields)

"""How a conversation begins and ends, in the shapes of Tavus and of the seeds."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Literal

from services.effects import ConversationChange, Effects, End
from services.provider import Lookups
from services.providers.tavus.event import ConversationEvent
from services.providers.tavus.fields import text
from services.providers.tavus.metadata import about
from services.providers.tavus.models import Ending, Shutdown, Update
from services.providers.tavus.recordings import storage_address
from services.providers.tavus.transcripts import read_transcript, score_transcript

Status = Literal["completed", "failed"]

FAILED_STATUSES = frozenset({"failed", "error"})
END_STATUSES = FAILED_STATUSES | {"ended", "completed"}

# https://docs.tavus.io/sections/webhooks-and-callbacks lists the reasons, some of them with a
# trailing " reached" that the callbacks themselves leave out, one of them with a varying step.
FAILED_REASONS = ("exception", "internal error", "bot_could_not_join")


def begin_conversation(event: ConversationEvent, lookups: Lookups) -> Effects:
    """Mark the conversation as begun when its agent joined."""
    change = about(event, "system.replica_joined")
    return Effects(conversation=replace(change, started_at=event.timestamp))


def shut_down_conversation(event: Shutdown, lookups: Lookups) -> Effects:
    """End the conversation whose room was shut down."""
    end = End(status=outcome(None, event.reason), reason=reason(event.reason), at=event.timestamp)
    return Effects(conversation=replace(about(event, "system.shutdown"), end=end))


def end_conversation(event: Ending, lookups: Lookups) -> Effects:
    """End the conversation, with whatever its end brings along: transcript, feedback, recording."""
    at = event.ended_at or event.timestamp
    messages = read_transcript(event.transcript)
    return Effects(
        conversation=_ended(event, at),
        transcript=messages,
        feedback=score_transcript(messages, event.conversation_id, at, lookups),
    )


def ending_key(event: Ending, body_sha256: str) -> str:
    """Return the key of the end; one that failed, or brings more than another, is a new one."""
    extras = {
        "failed": outcome(event.status, event.reason) == "failed",
        "transcript": read_transcript(event.transcript),
        "recording": event.recording,
    }
    return ":".join(["ended", *(name for name, extra in extras.items() if extra)])


def update_conversation(event: Update, lookups: Lookups) -> Effects:
    """Take over a told status. Whose conversation it is, no sender decides: `user_id` is ignored.

    A conversation that is told to be active started when it was created, else when that was told.
    """
    status = (event.status or "").lower()
    active = status == "active"
    change = replace(
        about(event, "conversation.updated"),
        at=event.timestamp or event.updated_at,
        started_at=(event.created_at or event.timestamp) if active else None,
        end=_updated_end(event, status),
        demo_id=event.demo_id,
        conversation_name=event.conversation_name,
    )
    return Effects(conversation=change)


def outcome(status: str | None, told_reason: str | None) -> Status:
    """Return how a conversation ended, by the status told and by the reason for its end."""
    failed = (status or "").lower() in FAILED_STATUSES
    failed = failed or (reason(told_reason) or "").lower().startswith(FAILED_REASONS)
    return "failed" if failed else "completed"


def reason(told: str | None) -> str | None:
    """Return a reason without the trailing " reached" that only some senders of it write."""
    return text(told.removesuffix(" reached")) if told else None


def _ended(event: Ending, at: datetime | None) -> ConversationChange:
    end = End(
        status=outcome(event.status, event.reason),
        reason=reason(event.reason),
        at=at,
        duration_seconds=event.duration,
    )
    return replace(
        about(event, "conversation.ended"),
        at=at,
        started_at=event.started_at,
        end=end,
        conversation_name=event.conversation_name,
        recording_url=storage_address(event.recording),
    )


def _updated_end(event: Update, status: str) -> End | None:
    if status not in END_STATUSES:
        return None
    return End(
        status="ended" if status == "ended" else outcome(status, event.reason),
        reason=reason(event.reason),
        at=event.ended_at or event.updated_at or event.timestamp,
        duration_seconds=event.duration,
    )

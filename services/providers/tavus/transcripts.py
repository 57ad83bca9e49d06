"""The transcript: the list of messages, and what it is worth as a practice."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from services.effects import Effects, Feedback, Json, Message
from services.feedback import score
from services.provider import Lookups
from services.providers.tavus.fields import moment
from services.providers.tavus.metadata import about
from services.providers.tavus.models import Transcription
from services.providers.tavus.visible import lines


def store_transcript(event: Transcription, lookups: Lookups) -> Effects:
    """Store what was said, and score it if anything was."""
    messages = read_transcript(event.transcript)
    return Effects(
        conversation=about(event, "application.transcription_ready"),
        transcript=messages,
        feedback=score_transcript(messages, event.conversation_id, event.timestamp, lookups),
    )


def transcript_key(event: Transcription, body_sha256: str) -> str:
    """Return the key of the one transcript; an empty one does not stand in a full one's way."""
    return "transcript" if lines(event.transcript) else "transcript:empty"


def read_transcript(transcript: Json) -> tuple[Message, ...]:
    """Return the lines of user and assistant, in their order."""
    return tuple(
        Message(role=line["role"], content=line["content"], timestamp=moment(line.get("timestamp")))
        for line in lines(transcript)
    )


def score_transcript(
    messages: tuple[Message, ...], conversation_id: str, at: datetime | None, lookups: Lookups
) -> Feedback | None:
    """Return the feedback of a transcript; None, without a look-up, when nothing was said."""
    if not messages:
        return None
    feedback = score(messages, lookups.scenario(conversation_id))
    return replace(feedback, completed_at=at) if feedback else None

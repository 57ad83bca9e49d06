"""What is said while the conversation runs."""

from __future__ import annotations

from services.effects import Effects, Message
from services.provider import Lookups
from services.providers.tavus.event import ConversationEvent
from services.providers.tavus.keys import bounded, count, fingerprint, place
from services.providers.tavus.models import SpokenMessage, Utterance
from services.providers.tavus.speech import speaker, spoken


def store_message(event: SpokenMessage, lookups: Lookups) -> Effects:
    """Store a message; one that is blank, or that nobody hears, leaves no row."""
    role = speaker(event.role)
    content = spoken(event.content, role) if role else ""
    if role is None or not content:
        return Effects()
    message = Message(
        role=role,
        content=content,
        message_id=_message_name(event) or _by_payload(event),
        timestamp=event.said_at,
        sentiment=event.sentiment,
        intent=event.intent,
        confidence=event.confidence,
    )
    return Effects(messages=(message,))


def store_utterance(event: Utterance, lookups: Lookups) -> Effects:
    """Store an utterance, under the same id for the twins in which an agent's utterance comes."""
    role = speaker(event.role)
    content = spoken(event.speech, role) if role else ""
    if role is None or not content:
        return Effects()
    message = Message(
        role=role,
        content=content,
        message_id=_utterance_name(event) or _by_payload(event),
        timestamp=event.timestamp,
        seq=count(event.seq),
        turn_idx=count(event.turn_idx),
        inference_id=event.inference_id and bounded(event.inference_id),
    )
    return Effects(messages=(message,))


def message_key(event: SpokenMessage, body_sha256: str) -> str:
    """Return the key of a message: its id, its place, or its body."""
    return bounded(f"message:{_message_name(event) or f'body:{body_sha256}'}")


def utterance_key(event: Utterance, body_sha256: str) -> str:
    """Return the key of an utterance: its inference and words, its place, its time, or its body."""
    return bounded(f"utterance:{_utterance_name(event) or f'body:{body_sha256}'}")


def _message_name(event: SpokenMessage) -> str | None:
    name = event.message_id or place(event, [event.role, event.content])
    return bounded(name) if name else None


def _utterance_name(event: Utterance) -> str | None:
    said = fingerprint([speaker(event.role), event.speech])
    if event.inference_id:
        return bounded(f"{event.inference_id}:{said}")
    if event.turn_idx and speaker(event.role) == "assistant":
        # The twins of an agent's utterance may be counted one by one.
        return bounded(f"turn:{event.turn_idx}:{said}")
    when = f"at:{event.timestamp.isoformat()}:{said}" if event.timestamp else None
    return place(event, said) or when


def _by_payload(event: ConversationEvent) -> str:
    return f"payload:{fingerprint(event.payload)}"

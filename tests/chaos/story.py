"""What is sent: conversations, each event with the effects that it has exactly once."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import services

SAMPLES = Path(services.__file__).parent / "samples" / "tavus"
UTTERANCES = 3
OBJECTIVES = 2

Payload = dict[str, Any]
Effect = tuple[str, ...]
"""A table, a conversation, and what else names a row, or a part of one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An event, as it is told and as it should be found."""

    name: str
    conversation: str
    payload: Payload
    effects: tuple[Effect, ...]
    effects_when_known: tuple[Effect, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The events of a conversation, and before which of them its row is made, if ever."""

    conversation: str
    events: tuple[Told, ...]
    known_before: int | None


def make_story(chance: random.Random) -> Story:
    """Return a story; its events come in any order, as they do."""
    conversation = f"c{chance.getrandbits(60):015x}"
    said = [f"Line {n} of {conversation}." for n in range(UTTERANCES)]
    payloads = [
        *(_utterance(speech, n) for n, speech in enumerate(said)),
        *_tool_call(f"call-{conversation}"),
        *(_objective(n) for n in range(OBJECTIVES)),
        *([_transcript(said)] if chance.random() < 0.5 else []),
    ]
    chance.shuffle(payloads)
    events = tuple(_told(conversation, seq, payload) for seq, payload in enumerate(payloads, 1))
    is_known = chance.random() < 0.8
    known_before = chance.randrange(len(events)) if is_known else None
    return Story(conversation=conversation, events=events, known_before=known_before)


def _told(conversation: str, seq: int, payload: Payload) -> Told:
    payload = {**payload, "conversation_id": conversation, "seq": seq}
    kind = payload["event_type"]
    feedback = (("feedback", conversation),) if kind == "application.transcription_ready" else ()
    return Told(
        name=f"{conversation}.{seq}",
        conversation=conversation,
        payload=payload,
        effects=(("stream", conversation, kind, str(seq)), *_effects(conversation, payload)),
        effects_when_known=feedback,
    )


def _effects(conversation: str, payload: Payload) -> Iterator[Effect]:
    match payload["event_type"]:
        case "conversation.utterance":
            yield ("message", conversation, payload["properties"]["speech"])
        case "conversation.tool_called":
            yield ("call", conversation, payload["tool_call"]["id"])
            yield ("stream", conversation, "tool_call_result", payload["tool_call"]["id"])
        case "conversation.tool_result":
            yield ("report", conversation, payload["tool_call_id"])
        case "conversation.objective.completed":
            for variable in payload["properties"]["output_variables"]:
                yield ("completion", conversation, variable)
                yield ("qualification", conversation, variable)
        case "application.transcription_ready":
            yield ("transcript", conversation)
            for line in payload["properties"]["transcript"]:
                yield ("message", conversation, line["content"])


def _utterance(speech: str, n: int) -> Payload:
    sample = _sample("conversation.utterance")
    said = {"role": "pal", "speech": speech}
    return {**sample, "turn_idx": n + 1, "inference_id": speech, "properties": said}


def _tool_call(call_id: str) -> tuple[Payload, Payload]:
    called = _sample("conversation.tool_called-cta")
    reported = _sample("conversation.tool_result")
    return (
        {**called, "tool_call": {**called["tool_call"], "id": call_id}},
        {**reported, "tool_call_id": call_id},
    )


def _objective(n: int) -> Payload:
    sample = _sample("conversation.objective.completed")
    found = {"output_variables": {f"answer_{n}": f"Answer {n}."}}
    return {**sample, "properties": {**sample["properties"], **found}}


def _transcript(said: list[str]) -> Payload:
    sample = _sample("application.transcription_ready")
    transcript = [{"role": "assistant", "content": speech} for speech in said]
    return {**sample, "properties": {"transcript": transcript}}


def _sample(name: str) -> Payload:
    return dict(json.loads((SAMPLES / f"{name}.json").read_text()))

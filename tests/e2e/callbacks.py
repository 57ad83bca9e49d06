"""Callbacks of a talk, as Tavus sends them."""

from __future__ import annotations

import json
import secrets
from typing import Any


def utterance(conversation_id: str, speech: str, role: str = "user") -> dict[str, Any]:
    """Return what is sent when somebody spoke."""
    return {
        "message_type": "conversation",
        "event_type": "conversation.utterance",
        "conversation_id": conversation_id,
        "inference_id": secrets.token_hex(8),
        "timestamp": "2026-03-01T06:46:05.000000Z",
        "properties": {"role": role, "speech": speech},
    }


def tool_call(conversation_id: str, name: str, **arguments: str) -> dict[str, Any]:
    """Return what is sent when the agent calls a tool."""
    return {
        "message_type": "conversation",
        "event_type": "conversation.tool_call",
        "conversation_id": conversation_id,
        "properties": {
            "name": name,
            "arguments": json.dumps(arguments),
            "tool_call_id": f"call_{secrets.token_hex(4)}",
        },
    }


def objective(conversation_id: str, **variables: str | int) -> dict[str, Any]:
    """Return what is sent when an objective is reached."""
    return {
        "message_type": "conversation",
        "event_type": "conversation.objective.completed",
        "conversation_id": conversation_id,
        "properties": {"objective_name": "qualification", "output_variables": variables},
    }


def transcript(conversation_id: str, *lines: tuple[str, str]) -> dict[str, Any]:
    """Return what is sent when the transcript of a talk is ready."""
    spoken = [{"role": role, "content": content} for role, content in lines]
    return {
        "message_type": "application",
        "event_type": "application.transcription_ready",
        "conversation_id": conversation_id,
        "properties": {"transcript": [{"role": "system", "content": "Be brief."}, *spoken]},
    }

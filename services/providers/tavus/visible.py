"""What of a payload a browser may read: in a row of Realtime, in a conversation's metadata."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from services.effects import Json
from services.provider import Reading
from services.providers.tavus.fields import moment, words
from services.providers.tavus.places import first, hoist
from services.providers.tavus.speech import speaker, spoken

PARTS = ("properties", "data")
EXCHANGES = ("request", "response")
SAID = frozenset({"conversation.message", "conversation.utterance"})
UNHEARD = ("message", "content", "speech", "text")

Part = dict[str, Json]


def visible(payload: Part) -> Part:
    """Return a payload without images, without a tool's headers, and with the heard lines only."""
    return _in_each_part(payload, _shown)


def project(reading: Reading) -> Part:
    """Return what `processed_webhook_events` shows of an event; a transcript is only counted."""
    shown = _in_each_part(visible(reading.payload), _counted)
    return shown if _heard(reading) else _in_each_part(shown, _silenced)


def lines(transcript: Json) -> list[Part]:
    """Return what user and assistant said, each line with its other fields.

    The first entry of a transcript is the whole system prompt, and the knowledge base and the tools
    have entries too: nobody but the service may see those.
    """
    entries = transcript if isinstance(transcript, list) else []
    return list(_lines(entries))


def _lines(entries: list[Json]) -> Iterator[Part]:
    for entry in entries:
        line = _line(entry) if isinstance(entry, dict) else None
        if line:
            yield line


def _line(entry: Part) -> Part | None:
    role, content = speaker(entry.get("role")), words(entry.get("content"))
    said = spoken(content, role) if role and content else None
    if not said:
        return None
    kept = {name: value for name, value in entry.items() if name != "tool_calls"}
    at = moment(entry.get("timestamp"))
    when = {"timestamp": at.isoformat()} if at else {}
    return {**kept, "role": role, "content": said, **when}


def _in_each_part(payload: Part, change: Callable[[Part], Part]) -> Part:
    parts = {name: change(payload[name]) for name in PARTS if isinstance(payload.get(name), dict)}
    return {**change(payload), **parts}


def _shown(part: Part) -> Part:
    # Frames are images of the person, and huge; the headers of a request may hold a secret.
    kept = {name: value for name, value in part.items() if name != "frames"}
    for name in EXCHANGES:
        if isinstance(kept.get(name), dict):
            kept[name] = {key: value for key, value in kept[name].items() if key != "headers"}
    return {**kept, "transcript": lines(kept["transcript"])} if "transcript" in kept else kept


def _counted(part: Part) -> Part:
    if "transcript" not in part:
        return part
    kept = {name: value for name, value in part.items() if name != "transcript"}
    return {**kept, "transcript_length": len(part["transcript"])}


def _heard(reading: Reading) -> bool:
    role = first(hoist(reading.payload), ("message.role", "role"))
    return reading.event_type not in SAID or speaker(role) is not None


def _silenced(part: Part) -> Part:
    return {name: value for name, value in part.items() if name not in UNHEARD}

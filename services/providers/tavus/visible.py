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
# Images of the person, and huge; a context is the system prompt under another name.
HIDDEN = frozenset({"frames", "conversational_context", "system_prompt"})
SAID = frozenset({"conversation.message", "conversation.utterance"})
UNHEARD_ROLES = frozenset({"system", "developer", "tool", "function"})
UNHEARD = ("message", "content", "speech", "text")

Part = dict[str, Json]


def visible(payload: Part) -> Part:
    """Return a payload without images, without a tool's headers, and with the heard lines only.

    However deep: who copies a callback may have wrapped it.
    """
    return _shown(payload)


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
    return {name: _shown_field(name, value) for name, value in part.items() if name not in HIDDEN}


def _shown_field(name: str, value: Json) -> Json:
    if name == "transcript":
        return lines(value)
    if name in EXCHANGES and isinstance(value, dict):
        # The headers of a request may hold a secret, its address too.
        value = {key: item for key, item in value.items() if key not in ("headers", "url")}
    return _shown_value(value)


def _shown_value(value: Json) -> Json:
    if isinstance(value, dict):
        return _shown(value)
    if isinstance(value, list):
        return [_shown_value(item) for item in value if not _is_unheard(item)]
    return value


def _is_unheard(entry: Json) -> bool:
    """Tell whether this is a line of a talk that nobody hears, whatever its list is called."""
    role = entry.get("role") if isinstance(entry, dict) else None
    return isinstance(role, str) and role.strip().lower() in UNHEARD_ROLES


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

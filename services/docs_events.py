"""Writes the tables of docs/events.md from the senders' events tables and samples.

Each sample is handled as a call would be, so the rows and the keys are those that come out.
`python -m services.docs_events` writes the page; a test says when it is to be written again.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.effects import Effects
from services.events import Event, WebhookEventProcessingService
from services.inbound import Inbound
from services.provider import Credential, EventType, Phone, Provider, Scenario, Video
from services.providers import PROVIDERS
from services.sending import sample, sample_names

PAGE = Path(__file__).parent.parent / "docs" / "events.md"
BEGIN = "<!-- Made by `make events`: change the senders, not this. -->"
END = "<!-- The end of what is made. -->"
HEAD = "| event | what it does | key | rows | samples |\n| --- | --- | --- | --- | --- |"
DAY = datetime(2026, 3, 1, tzinfo=UTC)
HASH = re.compile(r"\b[0-9a-f]{64}\b")
# Which table a field of Effects is of; records name theirs.
TABLES = {
    "conversation": "conversations",
    "messages": "conversation_messages",
    "transcript": "conversation_messages",
    "tool_call": "tool_calls",
    "completion": "qualification_data",
    "feedback": "feedback_sessions",
}
RETURNS = re.compile(r"^Return (?:a handler that |(?:the|a) key (?:of|for) )?")


class Examples:
    """Lookups that find what a handler asks for."""

    def videos(self, conversation_id: str, *, fresh: bool = False) -> tuple[Video, ...]:
        """Return a video."""
        return (Video(id="v1", title="Product overview", storage_url="https://example.test/v"),)

    def scenario(self, conversation_id: str) -> Scenario | None:
        """Return no scenario: a conversation is scored without one too."""
        return None

    def phone(self, phone_number: str) -> Phone | None:
        """Return a number of ours."""
        return Phone(id="6f1d2c3b-4a59-4e68-8777-869504132231", phone_number=phone_number)


def render(page: str, senders: tuple[Provider, ...] = PROVIDERS) -> str:
    """Return a page with its tables as the senders have them; its prose stays."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    sections = "\n\n".join(map(_section, senders))
    return f"{before}{BEGIN}\n\n{sections}\n\n{END}{after}"


def _section(provider: Provider) -> str:
    """Return the section of a sender: where it calls, and a line for each of its events."""
    paths = ", ".join(f"`POST {path}`" for path in provider.paths)
    lines = (_line(provider, event_type, entry) for event_type, entry in provider.events.items())
    return "\n".join([f"## {provider.name.capitalize()}", "", f"{paths}.", "", HEAD, *lines])


def _line(provider: Provider, event_type: str, entry: EventType) -> str:
    names = [name for name in sample_names(provider) if name.partition("-")[0] == event_type]
    events = [_event(provider, entry, name) for name in names]
    key = HASH.sub("<sha256>", events[0].event_key).removeprefix("-:")
    cells = (
        f"`{event_type}`",
        _sentence(entry.handler),
        f"{_sentence(entry.key)} <br>`{key}`",
        _rows(entry, events),
        ", ".join(f"`{name}`" for name in names),
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _event(provider: Provider, entry: EventType, name: str) -> Event:
    """Return what a sample is understood as."""
    inbound = Inbound(
        method="POST",
        path=entry.path or provider.paths[0],
        query={},
        headers={"content-type": provider.content_type},
        body=provider.encode(sample(provider, name)),
        received_at=DAY,
    )
    service = WebhookEventProcessingService(lookups=Examples())
    event = service.process(inbound, provider, Credential())
    if event.state != "processed":
        raise ValueError(f"The sample {provider.name}/{name} is {event.state}: {event.error}")
    return event


def _rows(entry: EventType, events: list[Event]) -> str:
    """Return what the samples write: tables, and further rows of the browsers' stream."""
    effects = [event.effects for event in events]
    tables = dict.fromkeys(table for one in effects for table in _tables(one))
    shown = dict.fromkeys(more.event_type for one in effects for more in one.projections)
    hidden = [] if entry.projected else ["not in the stream"]
    return ", ".join([*(f"`{name}`" for name in (*tables, *shown)), *hidden]) or "none"


def _tables(effects: Effects) -> Iterator[str]:
    yield from (table for name, table in TABLES.items() if getattr(effects, name))
    yield from (record.table for record in effects.records)


def _sentence(function: Callable[..., Any]) -> str:
    """Return the first line of a function's docstring, else of what has made the function."""
    text = inspect.getdoc(function) or inspect.getdoc(_maker(function)) or ""
    line = RETURNS.sub("", text.partition("\n")[0])
    return line[:1].upper() + line[1:]


def _maker(function: Callable[..., Any]) -> object:
    module = sys.modules[function.__module__]
    return getattr(module, function.__qualname__.partition(".")[0], None)


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text()))
    print(f"wrote {PAGE}")

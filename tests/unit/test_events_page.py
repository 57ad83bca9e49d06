"""docs/events.md lists every event as it is handled."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel

from services.docs_events import PAGE, render
from services.effects import NOTHING
from services.provider import EventType, Provider
from services.providers import PROVIDERS
from services.providers.twilio import TWILIO
from services.sending import sample_names

TEXT = PAGE.read_text()


def cells(provider: Provider, event_type: str) -> list[str]:
    section = TEXT.partition(f"## {provider.name.capitalize()}\n")[2].partition("\n## ")[0]
    [line] = [line for line in section.splitlines() if line.startswith(f"| `{event_type}` |")]
    return line.strip("| ").split(" | ")


ENTRIES = [
    pytest.param(provider, name, id=f"{provider.name}/{name}")
    for provider in PROVIDERS
    for name in provider.events
]


def test_the_page_is_as_the_senders_make_it() -> None:
    assert render(TEXT) == TEXT, "make events"


@pytest.mark.parametrize(("provider", "event_type"), ENTRIES)
def test_every_event_says_what_it_does_and_what_names_it(
    provider: Provider, event_type: str
) -> None:
    _, does, key, rows, samples = cells(provider, event_type)

    assert does.endswith(".")
    sentence, _, example = key.partition(" <br>")
    assert sentence.endswith(".")
    assert len(example) > len("`x:y`")
    assert rows
    assert samples


def test_every_sample_is_named() -> None:
    for provider in PROVIDERS:
        for name in sample_names(provider):
            assert f"`{name}`" in TEXT


def test_the_rows_are_those_that_come_out() -> None:
    assert "`calls`" in cells(TWILIO, "call.status")[3]
    assert "not in the stream" in cells(TWILIO, "transcription.content")[3]


def test_the_prose_around_the_tables_stays() -> None:
    changed = TEXT.replace("# Events\n", "# Events!\n", 1) + "\nMore.\n"

    assert render(changed) == changed


def test_another_handler_makes_another_page() -> None:
    changed = only("call.status", handler=do_nothing)

    assert "Do nothing at all." in render(TEXT, (changed,))


def test_a_sample_that_is_not_understood_stops_the_page() -> None:
    with pytest.raises(ValueError, match=r"twilio/call\.status is failed"):
        render(TEXT, (only("call.status", handler=stumble),))


def only(event_type: str, **changes: Any) -> Provider:
    entry = replace(TWILIO.events[event_type], **changes)
    assert isinstance(entry, EventType)
    return replace(TWILIO, events={event_type: entry})


def do_nothing(payload: BaseModel, lookups: object) -> Any:
    """Do nothing at all."""
    return NOTHING


def stumble(payload: BaseModel, lookups: object) -> Any:
    """Fail."""
    raise KeyError("x")

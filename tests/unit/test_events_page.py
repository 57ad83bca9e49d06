"""docs/events.md lists every event as it is handled."""

from __future__ import annotations

import runpy
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from services.docs_events import PAGE, render
from services.effects import NOTHING, Effects, record
from services.provider import EventType, Lookups, Provider
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


def test_a_handler_may_look_up_whatever_it_needs() -> None:
    changed = only("call.status", handler=look_everything_up)

    assert "| `calls` |" in render(TEXT, (changed,))


def test_make_events_writes_the_page(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written: dict[Path, str] = {}
    monkeypatch.setattr(Path, "write_text", lambda path, text: written.update({path: text}))
    # A second copy of a module that is there already: runpy warns of that.
    monkeypatch.delitem(sys.modules, "services.docs_events")

    runpy.run_module("services.docs_events", run_name="__main__")

    assert written == {PAGE: TEXT}
    assert capsys.readouterr().out == f"wrote {PAGE}\n"


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


def look_everything_up(payload: BaseModel, lookups: Lookups) -> Effects:
    """Write a call to a number of ours."""
    phone = lookups.phone("+15550000001")
    assert phone is not None
    assert lookups.videos("c1")
    assert lookups.scenario("c1") is None
    return Effects(records=(record("calls", key={"call_sid": "CA1"}, phone_id=phone.id),))


def stumble(payload: BaseModel, lookups: object) -> Any:
    """Fail."""
    raise KeyError("x")

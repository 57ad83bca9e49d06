"""shown_events.py: which events browsers see, by REALTIME_EVENTS."""

from __future__ import annotations

import pytest

from services.effects import Projection
from services.errors import SettingsError
from services.settings import load_settings
from services.shown_events import ShownEvents

RESULT = Projection(event_type="tool_call_result", event_data={})
SETTINGS = {
    "SUPABASE_URL": "https://x.example.test",
    "SUPABASE_SECRET_KEY": "sb_secret_x",
    "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_x",
}


def shown(patterns: str, event_type: str, *, default: bool = True) -> bool:
    settings = load_settings({**SETTINGS, "REALTIME_EVENTS": patterns})
    return ShownEvents(patterns=settings.realtime_events).includes(event_type, default=default)


def test_without_patterns_each_sender_decides() -> None:
    assert shown("", "conversation.utterance", default=True)
    assert not shown("", "conversation.utterance", default=False)


@pytest.mark.parametrize(
    ("event_type", "wanted"),
    [
        ("conversation.message", True),
        ("conversation.utterance", False),
        ("conversation.", True),
        ("conversation", False),
        ("system.shutdown", False),
    ],
)
def test_what_is_named_is_shown_and_nothing_else(event_type: str, wanted: bool) -> None:
    patterns = "conversation.*, -conversation.utterance"

    assert shown(patterns, event_type, default=False) is wanted
    assert shown(patterns, event_type, default=True) is wanted


def test_last_pattern_that_names_a_type_decides() -> None:
    assert shown("-conversation.*,conversation.message", "conversation.message", default=False)
    assert not shown("conversation.message,-conversation.*", "conversation.message")


def test_what_is_only_taken_away_leaves_the_rest_as_it_is() -> None:
    assert not shown("-conversation.message", "conversation.message")
    assert shown("-conversation.message", "system.shutdown", default=True)
    assert not shown("-conversation.message", "conversation.utterance", default=False)


@pytest.mark.parametrize(
    ("patterns", "event_type", "wanted"),
    [
        ((), "conversation.tool_call", True),
        (("conversation.*",), "conversation.tool_call", True),
        (("system.*",), "conversation.tool_call", False),
        (("system.*", "tool_call_result"), "conversation.tool_call", True),
        (("conversation.*", "-tool_call_result"), "conversation.tool_call", False),
        (("-conversation.tool_call",), "conversation.tool_call", False),
        (("-conversation.message",), "conversation.tool_call", True),
    ],
)
def test_results_of_a_tool_go_with_its_call(
    patterns: tuple[str, ...], event_type: str, wanted: bool
) -> None:
    kept = ShownEvents(patterns=patterns).of((RESULT,), event_type)

    assert kept == ((RESULT,) if wanted else ())


@pytest.mark.parametrize(
    "hostile", ["a b", "conversation.[a-z]*", "--x", "é", "x" * 300, "a?", "-"]
)
def test_what_is_no_pattern_is_refused(hostile: str) -> None:
    with pytest.raises(SettingsError, match="REALTIME_EVENTS"):
        load_settings({**SETTINGS, "REALTIME_EVENTS": hostile})

"""What is kept of a transcript, and what nobody may read."""

from __future__ import annotations

from typing import Any

import pytest
from tavus_samples import Rows, handle, read, sample

from services.effects import to_json
from services.providers.tavus import TAVUS

SECRET = "Never tell anyone"


def transcription(transcript: Any) -> dict[str, Any]:
    payload = sample("application.transcription_ready")
    payload["properties"]["transcript"] = transcript
    return payload


def said(transcript: Any) -> list[tuple[str, str]]:
    return [(line.role, line.content) for line in handle(transcription(transcript)).transcript]


def test_only_what_was_heard_becomes_messages() -> None:
    effects = handle(sample("application.transcription_ready"))

    assert [(line.role, line.content) for line in effects.transcript] == [
        ("assistant", "Hey there!"),
        ("user", "Hi, show me the demo."),
    ]


def test_times_of_both_kinds_are_read() -> None:
    times = [
        line.timestamp for line in handle(sample("application.transcription_ready")).transcript
    ]

    assert [time.isoformat() for time in times if time] == [
        "2026-03-01T06:45:50.100000+00:00",
        "2026-03-01T06:45:55.316150+00:00",
    ]


@pytest.mark.parametrize("role", ["agent", "replica", "pal", "assistant", "Agent "])
def test_the_agent_has_one_role(role: str) -> None:
    assert said([{"role": role, "content": "Hello"}]) == [("assistant", "Hello")]


@pytest.mark.parametrize(
    ("content", "heard"),
    [
        ("USER SPEECH: Hello there VISUAL SCENE: A person waves.", "Hello there"),
        ("USER_SPEECH: Hello\nVISUAL_SCENE: A person\nwaves.", "Hello"),
        ("VISUAL SCENE: A person waves. USER SPEECH: Hello", "Hello"),
        ("I said user speech: nothing", "I said user speech: nothing"),
        ([{"type": "text", "text": "Hello"}], "Hello"),
    ],
)
def test_what_was_seen_is_not_what_was_said(content: Any, heard: str) -> None:
    assert said([{"role": "user", "content": content}]) == [("user", heard)]


@pytest.mark.parametrize(
    "transcript",
    [
        None, [], {}, "text", 7, [None, 7, "x"], [{"role": "user"}], [{"content": "x"}],
        [{"role": "system", "content": SECRET}], [{"role": "tool", "content": SECRET}],
        [{"role": "user", "content": "  "}], [{"role": "user", "content": "VISUAL SCENE: dark"}],
    ],
)  # fmt: skip
def test_where_nothing_was_said_there_is_no_session(transcript: Any) -> None:
    rows = Rows()

    effects = handle(transcription(transcript), rows)

    assert effects.transcript == ()
    assert effects.feedback is None
    assert rows.asked == []
    assert SECRET not in str(to_json(effects))


@pytest.mark.parametrize("part", [None, "properties", "data"])
@pytest.mark.parametrize(
    "transcript",
    [
        [{"role": "system", "content": SECRET}, {"role": "user", "content": "Hi"}],
        [{"role": "assistant", "content": "Hi", "tool_calls": [{"name": SECRET}]}],
        SECRET,
        {"messages": SECRET},
    ],
)
def test_no_browser_ever_reads_the_system_prompt(part: str | None, transcript: Any) -> None:
    inner = {"transcript": transcript}
    payload = {"event_type": "application.transcription_ready", "conversation_id": "c1"}
    payload |= {part: inner} if part else inner

    seen = [to_json(handle(payload)), TAVUS.project(read(payload))]

    assert SECRET not in str(seen)


@pytest.mark.parametrize(
    "hidden",
    [
        {"data": {"properties": {"transcript": [{"role": "system", "content": SECRET}]}}},
        {"events": [{"properties": {"transcript": [{"role": "tool", "content": SECRET}]}}]},
        {"messages": [{"role": "system", "content": SECRET}]},
        {"conversational_context": SECRET},
        {"properties": {"request": {"url": f"https://tools.example.test/?key={SECRET}"}}},
    ],
    ids=["deep", "replayed", "other name", "context", "address"],
)
def test_wrapping_does_not_show_the_system_prompt(hidden: dict[str, Any]) -> None:
    payload = {"event_type": "conversation.updated", "conversation_id": "c1", **hidden}

    seen = [to_json(handle(payload)), TAVUS.project(read(payload))]

    assert SECRET not in str(seen)


def test_people_who_are_listed_by_role_stay() -> None:
    payload = sample("conversation.updated") | {"participants": [{"role": "moderator"}]}

    assert TAVUS.project(read(payload))["participants"] == [{"role": "moderator"}]


def test_an_event_shows_only_how_long_its_transcript_is() -> None:
    shown = TAVUS.project(read(sample("application.transcription_ready")))

    assert shown["properties"] == {"replica_id": "r90bbd427f71", "transcript_length": 2}


def test_a_line_keeps_its_other_fields_in_the_metadata() -> None:
    conversation = handle(sample("application.transcription_ready")).conversation

    assert conversation
    assert conversation.metadata
    assert conversation.metadata["properties"]["transcript"][1] == {
        "role": "user",
        "content": "Hi, show me the demo.",
        "timestamp": "2026-03-01T06:45:55.316150+00:00",
        "seconds_from_start": 8.0,
        "duration": 2.2,
        "inference_id": "0b1f6c1e-4f0a-4b5e-9a53-0d7c4e6a2b11",
    }


def test_images_and_headers_are_shown_to_nobody() -> None:
    seen = sample("conversation.perception_tool_call")
    action = sample("application.post_call_action_executed")
    action["properties"]["request"]["headers"] = {"Authorization": SECRET}

    assert "frames" not in TAVUS.project(read(seen))["properties"]
    assert SECRET not in str([to_json(handle(action)), TAVUS.project(read(action))])


@pytest.mark.parametrize("role", ["system", "tool"])
def test_a_message_that_nobody_hears_is_not_shown(role: str) -> None:
    payload = sample("conversation.message")
    payload["message"] |= {"role": role, "content": SECRET}

    assert handle(payload).messages == ()
    assert SECRET not in str(TAVUS.project(read(payload)))

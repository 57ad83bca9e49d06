"""The course of a conversation, from the rows of all tables that know of it."""

from __future__ import annotations

from typing import Any

from tests.modules.node import call

NOTHING: dict[str, Any] = {
    "conversation": None,
    "messages": [],
    "toolCalls": [],
    "qualification": [],
    "feedback": None,
    "events": [],
    "deliveries": [],
}


def at(second: int) -> str:
    return f"2026-03-01T10:00:{second:02}+00:00"


def event(
    number: int, event_type: str, second: int | None = None, wrote: int = 50, **data: Any
) -> dict[str, Any]:
    told = {"timestamp": at(second), **data} if second is not None else data
    return {
        "id": f"e{number}",
        "event_type": event_type,
        "event_data": told,
        "processed_at": at(wrote),
    }


def message(
    number: int, content: str, second: int | None = None, role: str = "user"
) -> dict[str, Any]:
    told = at(second) if second is not None else None
    return {
        "id": f"m{number}",
        "role": role,
        "content": content,
        "timestamp": told,
        "position": number,
        "created_at": at(58),
    }


def course(**records: Any) -> list[str]:
    """Return the keys of the entries in their order."""
    return [
        entry["key"]
        for entry in call("conversations/timeline.js", "timeline", {**NOTHING, **records})
    ]


def kinds(**records: Any) -> list[str]:
    return [
        entry["kind"]
        for entry in call("conversations/timeline.js", "timeline", {**NOTHING, **records})
    ]


def test_rows_of_all_tables_stand_in_one_order_of_time() -> None:
    keys = course(
        conversation={"id": "row", "created_at": at(0)},
        events=[
            event(1, "system.replica_joined", 5),
            event(2, "conversation.ended", 40),
            event(3, "application.perception_analysis", 45),
        ],
        messages=[message(0, "Hello", 10), message(1, "Bye", 35)],
        toolCalls=[{"id": "t1", "name": "fetch_video", "called_at": at(20)}],
        deliveries=[{"id": "d1", "created_at": at(42)}],
        feedback={"id": "f1", "completed_at": at(41)},
    )

    assert keys == [
        "conversation:row",
        "event:e1",
        "message:m0",
        "tool:t1",
        "message:m1",
        "event:e2",
        "feedback:f1",
        "delivery:d1",
        "event:e3",
    ]


def test_a_sender_s_word_on_the_time_goes_before_that_of_the_arrival() -> None:
    late = event(1, "system.replica_joined", 5, wrote=59)

    assert course(events=[late, event(2, "conversation.ended", wrote=30)]) == [
        "event:e1",
        "event:e2",
    ]


def test_what_an_event_says_of_a_message_or_a_tool_is_told_by_their_rows_alone() -> None:
    events = [
        event(1, "conversation.utterance", 10, properties={"role": "user", "speech": "Hello"}),
        event(2, "conversation.tool_call", 20, properties={"tool_call_id": "a", "name": "x"}),
        event(3, "tool_call_result", 21, tool_call_id="a", tool_name="x"),
        event(4, "conversation.tool_call", 22, properties={"tool_call_id": "b", "name": "y"}),
        event(5, "conversation.tool_call", 23, properties={"name": "x"}),
    ]
    tools = [{"id": "t", "tool_call_id": "a", "name": "x", "called_at": at(20)}]

    assert course(events=events[:1]) == ["event:e1"]
    assert course(events=events, messages=[message(0, "Hello", 10)], toolCalls=tools) == [
        "message:m0",
        "tool:t",
        "event:e4",
    ]


def test_lines_without_a_time_take_that_of_the_live_line_with_the_same_words() -> None:
    heard = [
        event(1, "conversation.utterance", 10, properties={"role": "user", "speech": "Yes"}),
        event(2, "conversation.utterance", 20, properties={"role": "replica", "speech": "Sure?"}),
        event(3, "conversation.utterance", 30, properties={"role": "user", "speech": "Yes"}),
    ]
    lines = [message(0, "Yes"), message(1, "Sure?", role="assistant"), message(2, "Yes")]

    entries = call(
        "conversations/timeline.js", "timeline", {**NOTHING, "events": heard, "messages": lines}
    )

    seconds = [entry["at"] / 1000 % 60 for entry in entries]
    assert ([entry["key"] for entry in entries], seconds) == (
        ["message:m0", "message:m1", "message:m2"],
        [10, 20, 30],
    )


def test_lines_that_nobody_dated_stand_between_their_neighbours_and_say_no_time() -> None:
    row = {"id": "row", "started_at": at(0), "ended_at": at(40)}
    lines = [message(n, f"line {n}", second=20 if n == 1 else None) for n in range(4)]
    tool = {"id": "t", "name": "x", "called_at": at(22)}

    entries = call(
        "conversations/timeline.js",
        "timeline",
        {**NOTHING, "conversation": row, "messages": lines, "toolCalls": [tool]},
    )

    assert [entry["key"] for entry in entries] == [
        "message:m0",
        "message:m1",
        "tool:t",
        "message:m2",
        "message:m3",
    ]
    assert [entry["at"] is None for entry in entries] == [True, False, False, True, True]


def test_a_line_never_stands_before_the_line_ahead_of_it() -> None:
    lines = [message(0, "First", 30), message(1, "Second", 10), message(2, "Third", 31)]

    assert course(messages=lines) == ["message:m0", "message:m1", "message:m2"]


def test_each_entry_has_the_kind_of_what_happened() -> None:
    types = [
        "conversation.objective.completed",
        "feedback.updated",
        "application.perception_analysis",
        "canvas.interaction",
        "application.recording_ready",
        "system.shutdown",
        "conversation.guardrail.triggered",
        "conversation.tool_call",
    ]

    assert kinds(events=[event(n, name, n) for n, name in enumerate(types)]) == [
        "objective",
        "feedback",
        "seen",
        "shown",
        "status",
        "status",
        "other",
        "tool",
    ]
    shown = [
        {"id": n, "name": n, "called_at": at(1)} for n in ("fetch_video", "display_cta", "book")
    ]
    assert kinds(toolCalls=shown) == ["shown", "shown", "tool"]


def test_an_objective_whose_event_is_gone_is_told_by_its_row() -> None:
    rows = [
        {"id": "q1", "objective_name": "kept", "received_at": at(1)},
        {"id": "q2", "objective_name": "gone", "received_at": at(2)},
    ]
    told = event(1, "conversation.objective.completed", 3, properties={"objective_name": "kept"})

    assert course(qualification=rows, events=[told]) == ["qualification:q2", "event:e1"]


def test_rows_that_hold_anything_are_entries_too() -> None:
    strange: list[dict[str, Any]] = [
        {"id": "e1", "event_type": None, "event_data": None, "processed_at": None},
        {"id": "e2", "event_type": "x", "event_data": ["list"], "processed_at": "never"},
        {"id": "e3", "event_type": "conversation.tool_call", "event_data": {"properties": 5}},
    ]

    assert len(course(events=strange, messages=[{"id": "m", "role": None, "content": None}])) == 4


def test_three_thousand_lines_are_merged_in_no_time() -> None:
    lines = [message(n, f"line {n % 7}") for n in range(3000)]
    heard = [
        event(n, "conversation.utterance", n % 60, properties={"role": "user", "speech": "line 1"})
        for n in range(3000)
    ]

    assert len(course(messages=lines, events=heard)) == 3000

"""What happens in the call, as Tavus tells it to us and to the browser."""

from __future__ import annotations

from typing import Any

VIDEO = "Whole call overview"
GREETING = "Hello, what brings you here today?"
WISH = "I am Ada, an engineer. Please show me the overview."
SHOWING = "Great, Ada! Here it is. Does it help you?"
THANKS = "Yes, thank you, that is wonderful."
PROMPT = "The secret prompt."
BUTTON = '{"text": "Try it", "url": "https://shop.example.test/try"}'
NAME = {"first_name": "Ada", "last_name": "Example"}
FULL = {**NAME, "email": "ada at example dot test", "position": "engineer"}

Json = dict[str, Any]
Told = tuple[str, float, Json]
"""A callback: its type, the second in which it happens, its properties."""
Heard = tuple[str, float, Json, Json]
"""An app-message: its type, the second in which it comes, its place, its properties."""


def at(second: float) -> str:
    """Return a moment of the call as Tavus writes it."""
    return f"2026-03-01T06:{45 + int(second) // 60:02}:{second % 60:09.6f}Z"


def _found(second: float, variables: Json) -> Told:
    told = {"objective_name": "greeting_and_qualification", "output_variables": variables}
    return ("conversation.objective.completed", second, told)


def _line(role: str, content: str, timestamp: str | float, name: str) -> Json:
    return {"role": role, "content": content, "timestamp": timestamp, "inference_id": name}


def _said(seq: int, second: float, role: str, speech: str, name: str) -> Heard:
    place = {"seq": seq, "turn_idx": seq // 3, "inference_id": name}
    return ("conversation.utterance", second, place, {"role": role, "speech": speech})


TRANSCRIPT: list[Json] = [
    {"role": "system", "content": PROMPT},
    _line("assistant", GREETING, at(20), "i1"),
    _line("user", WISH, 1772347555.3161497, "i2"),
    {"role": "assistant", "content": None, "tool_calls": [{"id": "call_video", "name": "x"}]},
    {"role": "tool", "tool_call_id": "call_video", "content": "ok"},
    _line("assistant", SHOWING, at(70), "i3"),
    _line("user", THANKS, at(90), "i4"),
]
STORY: dict[str, list[Told]] = {
    "joined": [
        ("system.replica_joined", 17.472, {"replica_id": "r90bbd427f71"}),
        ("system.pal_joined", 17.472, {"face_id": "r90bbd427f71"}),
    ],
    "first objective": [_found(60, {**NAME, "email": None, "position": ""})],
    "fuller objective": [_found(95, FULL)],
    "shutdown": [("system.shutdown", 187.564, {"shutdown_reason": "participant_left_timeout"})],
    "transcript": [("application.transcription_ready", 187.566, {"transcript": TRANSCRIPT})],
    "perception": [("application.perception_analysis", 371.591, {"analysis": "They smiled."})],
    "recording": [
        ("application.recording_ready", 598.137, {"bucket_name": "calls", "s3_key": "1.mp4"})
    ],
}
HEARD: dict[str, list[Heard]] = {
    # The agent's words come twice, under both of its names.
    "talk": [
        _said(1, 20, "pal", GREETING, "i1"),
        _said(2, 20, "replica", GREETING, "i1"),
        _said(3, 55, "user", WISH, "i2"),
        _said(6, 70, "pal", SHOWING, "i3"),
        _said(7, 70, "replica", SHOWING, "i3"),
        _said(9, 90, "user", THANKS, "i4"),
    ],
    "button": [
        (
            "conversation.tool_call",
            92,
            {"seq": 12, "turn_idx": 4},
            {"name": "display_cta", "arguments": BUTTON, "tool_call_id": "call_button"},
        )
    ],
}
CALLBACKS = tuple(STORY)
MOVES = ("joined", "talk", "video", "button", *CALLBACKS[1:])
"""Every move, in the order in which they happen; `video` is a tool called over HTTP."""

"""One conversation as Tavus and the seeds' senders would tell it, every kind of event in it."""

from __future__ import annotations

from typing import Any


def said(role: str, content: str, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def message(n: int, role: str, content: str, **metadata: Any) -> dict[str, Any]:
    return {
        "event_type": "conversation.message",
        "message": {
            "id": f"msg_{n}",
            "role": role,
            "content": content,
            "timestamp": f"2026-03-01T06:46:{n:02}Z",
        },
        "metadata": metadata,
    }


def objective(at: str | None, **variables: Any) -> dict[str, Any]:
    return {
        "event_type": "conversation.objective.completed",
        "properties": {"objective_name": "greeting", "output_variables": variables},
        **({"timestamp": at} if at else {}),
    }


def system(event_type: str, at: str, **properties: Any) -> dict[str, Any]:
    return {"event_type": event_type, "timestamp": f"2026-03-01T{at}Z", "properties": properties}


TOOL = {"name": "fetch_video", "arguments": '{"video_title": "product demo"}'}
STORY: list[dict[str, Any]] = [
    system("system.replica_joined", "06:45:47", replica_id="r1"),
    system("system.pal_joined", "06:45:47", face_id="r1"),
    {
        "event_type": "conversation.updated",
        "status": "active",
        "created_at": "2026-03-01T06:45:40Z",
        "updated_at": "2026-03-01T06:45:50Z",
        "persona_id": "p1",
        "metadata": {"demo_id": "d1"},
    },
    {
        "event_type": "conversation.updated",
        "status": "active",
        "created_at": "2026-03-01T06:45:40Z",
        "updated_at": "2026-03-01T06:47:50Z",
        "pal_id": "p2",
        "metadata": {"demo_id": "d2"},
    },
    message(1, "user", "Yes.", sentiment="neutral"),
    message(2, "user", "Yes.", sentiment="joy", intent="buy", confidence=0.9),
    message(3, "assistant", "Never in the transcript."),
    {
        "event_type": "conversation.utterance",
        "seq": 7,
        "turn_idx": 2,
        "inference_id": "i1",
        "properties": {"role": "pal", "speech": "Hello!"},
    },
    {
        "event_type": "conversation.utterance",
        "seq": 7,
        "turn_idx": 2,
        "inference_id": "i1",
        "properties": {"role": "replica", "speech": "Hello!"},
    },
    {
        "event_type": "conversation.tool_called",
        "timestamp": "2026-03-01T06:46:30Z",
        "tool_call": {"id": "call_1", "type": "function", "function": TOOL},
    },
    {
        "event_type": "conversation.tool_result",
        "tool_call_id": "call_1",
        "execution_time_ms": 250,
        "result": {"success": True, "video_id": "other"},
    },
    objective(None, first_name="Ada", email="", pain_points=["speed"]),
    objective(
        "2026-03-01T06:46:40Z", first_name="Ada", last_name=None, email="ada at example dot test"
    ),
    objective("2026-03-01T06:46:50Z", first_name="", last_name="Example", pain_points=[]),
    {
        "event_type": "canvas.interaction",
        "seq": 11,
        "timestamp": "2026-03-01T06:46:55Z",
        "properties": {"a": 1},
    },
    {
        "event_type": "canvas.interaction",
        "seq": 12,
        "timestamp": "2026-03-01T06:46:56Z",
        "properties": {"a": 2},
    },
    {
        "event_type": "conversation.guardrail.triggered",
        "seq": 13,
        "properties": {"guardrail_name": "g"},
    },
    system("system.shutdown", "06:48:37", shutdown_reason="participant_left_timeout"),
    {
        "event_type": "conversation.ended",
        "ended_at": "2026-03-01T06:48:36Z",
        "duration_seconds": 165,
        "end_reason": "user_left",
        "metadata": {"x": 1},
    },
    system(
        "application.transcription_ready",
        "06:48:38",
        transcript=[
            said("system", "You are secret."),
            said("assistant", "Hello!"),
            said("user", "Yes.", timestamp=1772347555.3),
            said("user", "Yes.", timestamp="2026-03-01T06:46:02Z"),
            said("tool", "ok"),
        ],
    ),
    {
        "status": "ended",
        "end_reason": "exception_encountered_during_conversation_startup",
        "ended_at": "2026-03-01T06:49:00Z",
        "duration": 190,
        "recording_url": "https://r.example.test/1.mp4",
        "transcript": [said("agent", "Hello!"), said("user", "Yes.")],
    },
    system(
        "application.recording_ready", "06:55:18", bucket_name="b", s3_key="k/1.mp4", duration=14
    ),
    system("application.perception_analysis", "06:51:37", analysis="They smiled."),
    system("application.perception_unavailable", "06:51:38", reason="no_vision_history"),
    system(
        "application.post_call_action_executed",
        "06:50:00",
        tool_id="t1",
        tool_name="x",
        status="success",
    ),
]

"""Which events are the same fact, and which are two."""

from __future__ import annotations

from typing import Any

import pytest
from tavus_samples import key, sample


def changed(name: str, **fields: Any) -> dict[str, Any]:
    payload = sample(name)
    inner = payload.get("properties", {})
    for field, value in fields.items():
        target = inner if field in inner else payload
        target[field] = value
    return payload


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("system.replica_joined", "joined"),
        ("system.replica_joined-pal", "joined"),
        ("system.shutdown", "shutdown"),
        ("conversation.ended", "ended"),
        ("conversation.ended-flat", "ended:transcript:recording"),
        ("application.transcription_ready", "transcript"),
        ("application.perception_analysis", "perception"),
        ("application.perception_unavailable", "perception_unavailable"),
        ("application.recording_copy_failed", "recording_copy_failed"),
        (
            "application.recording_ready",
            "recording:s3://my-bucket/c0a1b2c3d4e5f607/1772347555.mp4",
        ),
        ("conversation.message", "message:msg_123456789"),
        ("conversation.tool_called", "tool_call:call_123456789"),
        ("conversation.tool_result", "tool_result:call_123456789"),
        ("conversation.guardrail.triggered", "guardrail:body:" + "b" * 64),
        ("replica.ready", "replica:r783537ef5:ready:no time"),
        ("video.ready", "video:1e30440cf9:ready:2026-03-01T15:29:19.802670+00:00"),
    ],
)
def test_a_fact_has_a_name(name: str, expected: str) -> None:
    assert key(sample(name)) == expected


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("system.replica_joined", "system.replica_joined-pal"),
        ("conversation.utterance", "conversation.utterance-replica"),
        ("replica.ready", "replica.ready-face"),
    ],
)
def test_twins_are_one_fact(first: str, second: str) -> None:
    assert key(sample(first), "one body") == key(sample(second), "another body")


@pytest.mark.parametrize(
    "name",
    [
        "system.replica_joined",
        "system.shutdown",
        "application.transcription_ready",
        "application.recording_ready",
        "conversation.objective.completed",
        "conversation.tool_call",
    ],
)
def test_a_repeat_with_another_time_is_the_same_fact(name: str) -> None:
    again = changed(name, timestamp="2026-03-02T00:00:00Z")

    assert key(sample(name), "one body") == key(again, "another body")


def test_a_tool_called_and_a_tool_call_with_one_id_are_one_fact() -> None:
    call = changed("conversation.tool_call", tool_call_id="call_123456789")

    assert key(call) == key(sample("conversation.tool_called"))


def test_an_objective_with_other_variables_is_another_fact() -> None:
    again = changed("conversation.objective.completed", output_variables={"email": "b@c.test"})

    assert key(again) != key(sample("conversation.objective.completed"))


def test_a_full_transcript_is_not_hidden_by_an_empty_one() -> None:
    empty = changed("application.transcription_ready", transcript=[])

    assert key(empty) != key(sample("application.transcription_ready"))


def test_an_end_with_a_transcript_is_not_hidden_by_one_without() -> None:
    bare = {"conversation_id": "conv_xxx", "status": "ended"}

    assert key(bare) != key(sample("conversation.ended-flat"))


@pytest.mark.parametrize("name", ["canvas.interaction", "conversation.guardrail.triggered"])
def test_what_repeats_is_told_apart_by_seq_then_turn_then_body(name: str) -> None:
    by_seq = key(changed(name, seq=7, turn_idx=1), "one body")
    by_turn = key(changed(name, turn_idx=1), "one body")

    assert by_seq.endswith(":seq:7")
    assert ":turn:1:" in by_turn
    assert key(sample(name), "one body") != key(sample(name), "another body")


def test_two_lines_of_one_turn_are_two_utterances() -> None:
    one = changed("conversation.utterance", inference_id=None, seq=None, speech="Yes.")
    other = changed("conversation.utterance", inference_id=None, seq=None, speech="No.")

    assert key(one) != key(other)


def test_twins_that_tell_no_place_are_one_utterance_by_their_time() -> None:
    nowhere: dict[str, Any] = {"inference_id": None, "seq": None, "turn_idx": None}
    pal = changed("conversation.utterance", role="pal", **nowhere)
    replica = changed("conversation.utterance", role="replica", **nowhere)
    later = changed("conversation.utterance", timestamp="2026-03-02T00:00:00Z", **nowhere)

    assert key(pal, "one body") == key(replica, "another body")
    assert key(pal) != key(later)


def test_two_calls_without_ids_in_one_turn_are_two_calls() -> None:
    one = changed("conversation.tool_call", tool_call_id=None, seq=None)
    other = changed("conversation.tool_call", tool_call_id=None, seq=None, arguments="{}")

    assert key(one) != key(other)


@pytest.mark.parametrize(
    "payload",
    [
        changed("conversation.tool_call", tool_call_id="x" * 500),
        changed("conversation.objective.completed", objective_name="x" * 255),
        changed("application.recording_ready", s3_key="x" * 5000),
        changed("application.post_call_action_executed", tool_id="x" * 5000),
        changed("conversation.utterance", inference_id="x" * 5000),
        changed("conversation.guardrail.triggered", seq="x" * 5000),
        {"video_id": "x" * 255, "status": "ready"},
    ],
)
def test_no_key_is_too_long_for_an_index(payload: dict[str, Any]) -> None:
    assert len(key(payload)) <= 200


def test_long_ids_that_differ_at_their_end_stay_apart() -> None:
    one = changed("conversation.tool_call", tool_call_id="x" * 254 + "1")
    other = changed("conversation.tool_call", tool_call_id="x" * 254 + "2")

    assert key(one) != key(other)


def test_an_end_that_failed_is_no_repeat_of_one_that_did_not() -> None:
    bare = {"conversation_id": "conv_xxx", "status": "ended"}

    assert key(bare) != key(bare | {"status": "failed"})

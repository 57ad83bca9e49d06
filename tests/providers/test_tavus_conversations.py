"""How conversations begin and end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from tavus_samples import handle, sample

from services.effects import ConversationChange, End
from services.errors import Malformed


def change(payload: dict[str, Any]) -> ConversationChange:
    found = handle(payload).conversation
    assert found
    return found


def shutdown(reason: Any, field: str = "shutdown_reason") -> End:
    payload = sample("system.shutdown")
    payload["properties"] = {field: reason}
    end = change(payload).end
    assert end
    return end


@pytest.mark.parametrize("name", ["system.replica_joined", "system.replica_joined-pal"])
def test_a_conversation_starts_when_its_agent_joined(name: str) -> None:
    joined = change(sample(name))

    assert joined.started_at == datetime(2026, 3, 1, 6, 45, 47, 472000, tzinfo=UTC)
    assert joined.replica_id == "r90bbd427f71"
    assert joined.metadata_key == "system.replica_joined"


@pytest.mark.parametrize(
    ("told", "status", "kept"),
    [
        ("participant_left_timeout", "completed", "participant_left_timeout"),
        ("participant_left_timeout reached", "completed", "participant_left_timeout"),
        ("max_call_duration reached", "completed", "max_call_duration"),
        ("participant_absent_timeout", "completed", "participant_absent_timeout"),
        (
            "exception_encountered_during_conversation_startup",
            "failed",
            "exception_encountered_during_conversation_startup",
        ),
        ("Internal error occurred at step 7", "failed", "Internal error occurred at step 7"),
        (
            "bot_could_not_join_meeting_it_was_probably_ended",
            "failed",
            "bot_could_not_join_meeting_it_was_probably_ended",
        ),
        (None, "completed", None),
        ([], "completed", None),
    ],
)
def test_the_reason_of_a_shutdown_decides_how_it_ended(
    told: Any, status: str, kept: str | None
) -> None:
    end = shutdown(told)

    assert (end.status, end.reason) == (status, kept)
    assert end.at == datetime(2026, 3, 1, 6, 48, 37, 564961, tzinfo=UTC)


def test_the_reason_is_found_under_its_short_name() -> None:
    assert shutdown("exception", "reason").status == "failed"


def test_the_seeds_end_tells_its_duration() -> None:
    ended = change(sample("conversation.ended"))

    assert ended.end == End(
        status="completed",
        reason="user_left",
        at=datetime(2024, 1, 15, 10, 35, tzinfo=UTC),
        duration_seconds=300,
    )
    assert ended.persona_id == "persona_123456789"


@pytest.mark.parametrize(
    ("status", "expected"),
    [("ended", "completed"), ("completed", "completed"), ("failed", "failed"), ("ERROR", "failed")],
)
def test_the_status_of_a_flat_end_counts(status: str, expected: str) -> None:
    end = change({"conversation_id": "c1", "status": status}).end

    assert end
    assert end.status == expected


def test_a_flat_end_brings_everything_at_once() -> None:
    effects = handle(sample("conversation.ended-flat"))

    assert effects.conversation
    assert effects.conversation.started_at == datetime(2025, 12, 6, 10, 23, tzinfo=UTC)
    assert effects.conversation.recording_url == "https://tavus.io/recordings/xxx"
    assert effects.conversation.metadata
    assert effects.conversation.metadata["participant_name"] == "John Doe"
    assert [line.role for line in effects.transcript] == ["assistant", "user"]
    assert effects.feedback
    assert effects.feedback.completed_at == datetime(2025, 12, 6, 10, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "told", ["javascript:alert(1)", "data:text/html,x", "/recordings/1", "https://a b", 7]
)
def test_a_recording_that_is_no_address_is_not_shown(told: Any) -> None:
    assert change(sample("conversation.ended-flat") | {"recording_url": told}).recording_url is None


def test_an_update_to_active_starts_the_conversation() -> None:
    updated = change(sample("conversation.updated"))

    assert updated.started_at == datetime(2024, 1, 15, 10, 30, tzinfo=UTC)
    assert updated.demo_id == "demo_123456789"
    assert updated.end is None


@pytest.mark.parametrize(
    ("status", "expected"),
    [("ended", "ended"), ("completed", "completed"), ("failed", "failed")],
)
def test_an_update_can_end_a_conversation(status: str, expected: str) -> None:
    updated = change(sample("conversation.updated") | {"status": status})

    assert updated.started_at is None
    assert updated.end == End(
        status=expected,  # type: ignore[arg-type]
        at=datetime(2024, 1, 15, 10, 35, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("application.recording_ready", "s3://my-bucket/c0a1b2c3d4e5f607/1772347555.mp4"),
        ("application.recording_ready-uri", "gs://my-bucket/c0a1b2c3d4e5f607/1772347555.mp4"),
    ],
)
def test_a_recording_is_kept_by_its_address(name: str, url: str) -> None:
    assert change(sample(name)).recording_url == url


def test_what_was_seen_is_kept_as_text() -> None:
    payload = sample("application.perception_analysis")
    wrapped = payload | {"properties": {"analysis": {"mood": "calm"}}}

    assert str(change(payload).perception_analysis).startswith("The user sat")
    assert change(wrapped).perception_analysis == '{"mood": "calm"}'


@pytest.mark.parametrize(
    "name",
    [
        "application.recording_copy_failed",
        "application.perception_unavailable",
        "application.post_call_action_executed",
        "canvas.interaction",
    ],
)
def test_other_events_are_kept_as_metadata(name: str) -> None:
    kept = change(sample(name))

    assert kept.metadata_key == name
    assert kept.metadata == sample(name)


@pytest.mark.parametrize(
    "name",
    ["conversation.guardrail.triggered", "replica.ready", "video.error", "document.ready"],
)
def test_some_events_are_only_seen(name: str) -> None:
    effects = handle(sample(name))

    assert effects.conversation is None
    assert effects.projections == ()


@pytest.mark.parametrize("name", ["system.shutdown", "conversation.updated", "canvas.interaction"])
def test_an_event_of_no_conversation_is_refused(name: str) -> None:
    payload = sample(name)
    del payload["conversation_id"]

    with pytest.raises(Malformed, match=r"'conversation_id'.*found nothing.*id of the conv"):
        handle(payload)

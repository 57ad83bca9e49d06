"""One conversation's events, in any order and with any repeats, leave the same rows."""

from __future__ import annotations

import json
import random
import re
from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.events import WebhookEventProcessingService
from services.inbound import Inbound
from services.ingestion import row_of
from services.provider import Credential, Video
from services.providers.tavus import TAVUS
from tests.database.events import make_conversation, new_conversation_id, receive, rows
from tests.database.story import STORY, system
from tests.providers.tavus_samples import Rows

VIDEO = Video(
    id="v1", title="Product Demo Overview", storage_url="https://videos.example.test/1.mp4"
)
SERVICE = WebhookEventProcessingService(lookups=Rows(cached=(VIDEO,), stored=(VIDEO,)))


def row(conversation_id: str, payload: dict[str, Any]) -> dict[str, Any]:
    body = json.dumps({**payload, "conversation_id": conversation_id}).encode()
    inbound = Inbound(
        method="POST",
        path="/api/tavus/webhook",
        query={},
        headers={},
        body=body,
        received_at=datetime.now(UTC),
    )
    return row_of(SERVICE.process(inbound, TAVUS, Credential()), inbound)


COLUMNS = {
    "public.conversations": "status, end_reason, started_at, ended_at, duration_seconds,"
    " persona_id, replica_id, demo_id, tavus_metadata, perception_analysis, recording_url",
    "public.conversation_messages": "message_id, role, content, content_length, origin,"
    " position, timestamp, sentiment, intent, confidence",
    "public.tool_calls": "tool_call_id, name, arguments, result, success, reported,"
    " execution_time_ms, called_at",
    "public.qualification_data": "objective_name, event_type, first_name, last_name, email,"
    " position, output_variables, raw_payload",
    "public.processed_webhook_events": "event_type, event_data, event_hash",
    "private.webhook_inbox": "event_key, event_type, state",
}


def final_rows(db: psycopg.Connection, conversation_id: str) -> dict[str, Any]:
    """Return all that can be read about a conversation, with its own id taken out."""
    found: dict[str, Any] = {
        table: rows(
            db,
            f"select {columns} from {table} t where conversation_id = %s order by t.*::text",
            conversation_id,
        )
        for table, columns in COLUMNS.items()
    }
    found["public.feedback_sessions"] = rows(
        db,
        "select f.score, f.completed_at, f.duration, f.transcript, f.analysis, f.analyzer from"
        " public.feedback_sessions f join public.conversations c on c.id = f.conversation_id"
        " where c.conversation_id = %s",
        conversation_id,
    )
    text = json.dumps(found, default=str, sort_keys=True).replace(conversation_id, "<id>")
    text = re.sub(r"body:[0-9a-f]{64}", "body:<hash>", text)  # a body holds the id too
    told: dict[str, Any] = json.loads(text)
    for table in told:
        for line in told[table]:
            line.pop("event_hash", None)
        told[table].sort(key=lambda line: json.dumps(line, sort_keys=True))
    return told


def play(
    db: psycopg.Connection, order: list[int], known_at: int, batch_size: int
) -> dict[str, Any]:
    """Send the story's events in an order; the conversation's row is made at some point of it."""
    conversation_id = new_conversation_id()
    for start in range(0, len(order), batch_size):
        if start <= known_at < start + batch_size:
            make_conversation(db, conversation_id)
        batch = order[start : start + batch_size]
        results = receive(db, *(row(conversation_id, STORY[n]) for n in batch))
        assert {result["outcome"] for result in results} <= {"new", "duplicate"}
    return final_rows(db, conversation_id)


def test_the_story_as_it_happened_is_what_it_should_be(db: psycopg.Connection) -> None:
    told = play(db, list(range(len(STORY))), known_at=0, batch_size=1)

    [conversation] = told["public.conversations"]
    assert conversation["status"] == "failed"
    assert conversation["started_at"].startswith("2026-03-01 06:45:40")
    assert conversation["ended_at"].startswith("2026-03-01 06:49:00")
    assert conversation["duration_seconds"] == 190
    assert conversation["demo_id"] == "d2"
    assert conversation["perception_analysis"] == "They smiled."
    assert conversation["recording_url"] == "s3://b/k/1.mp4"
    assert "secret" not in json.dumps({**told, "private.webhook_inbox": []})
    said = [
        (m["role"], m["content"], m["sentiment"])
        for m in sorted(told["public.conversation_messages"], key=lambda m: m["position"])
    ]
    assert said == [
        ("assistant", "Hello!", None),
        ("user", "Yes.", "neutral"),
        ("user", "Yes.", "joy"),
    ]
    [qualification] = told["public.qualification_data"]
    assert qualification["first_name"] == "Ada"
    assert qualification["last_name"] == "Example"
    assert qualification["email"] == "ada@example.test"
    assert qualification["output_variables"]["pain_points"] == ["speed"]
    [call] = told["public.tool_calls"]
    assert (call["name"], call["reported"], call["execution_time_ms"]) == ("fetch_video", True, 250)
    types = [row["event_type"] for row in told["public.processed_webhook_events"]]
    assert types.count("system.replica_joined") == 1
    assert types.count("tool_call_result") == 1
    assert types.count("conversation.utterance") == 1
    assert len(told["public.feedback_sessions"]) == 1
    assert {row["state"] for row in told["private.webhook_inbox"]} == {"processed"}


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 2**32),
    repeats=st.integers(0, 30),
    known=st.floats(0, 0.999),
    batch_size=st.sampled_from([1, 2, 7, 64]),
)
def test_any_order_and_any_repeats_leave_the_same_rows(
    db: psycopg.Connection, seed: int, repeats: int, known: float, batch_size: int
) -> None:
    chance = random.Random(seed)
    order = [*range(len(STORY)), *chance.choices(range(len(STORY)), k=repeats)]
    chance.shuffle(order)
    expected = play(db, list(range(len(STORY))), known_at=0, batch_size=64)

    assert play(db, order, int(known * len(order)), batch_size) == expected


def test_ends_that_tell_less_hide_in_no_order_what_another_told(db: psycopg.Connection) -> None:
    ends = [
        system("system.shutdown", "06:49:00", shutdown_reason="participant_left_timeout"),
        {"event_type": "conversation.ended", "ended_at": "2026-03-01T06:48:59Z"},
        {"event_type": "conversation.ended", "status": "failed"},
    ]

    told = set()
    for order in permutations(ends):
        conversation_id = new_conversation_id()
        make_conversation(db, conversation_id)
        for end in order:
            receive(db, row(conversation_id, end))
        [conversation] = final_rows(db, conversation_id)["public.conversations"]
        told.add((conversation["status"], conversation["end_reason"], conversation["ended_at"]))

    assert told == {("failed", "participant_left_timeout", "2026-03-01 06:48:59+00:00")}

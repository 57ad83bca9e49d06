"""What a browser relays and what Tavus calls back of the same talk, in any order: the same rows."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.inbound import Inbound
from services.ingestion import row_of
from services.provider import Credential, Provider
from services.providers.tavus import TAVUS
from services.providers.tavus_relay import RELAY
from tests.database.events import make_conversation, new_conversation_id, receive, rows
from tests.database.story import STORY, objective, said, system
from tests.database.test_any_order import SERVICE, final_rows

Told = tuple[Provider, dict[str, Any]]


def utterance(n: int, role: str, speech: str, **more: Any) -> dict[str, Any]:
    return {
        "event_type": "conversation.utterance",
        "seq": n,
        "turn_idx": n // 2,
        "inference_id": f"i{n}",
        "timestamp": f"2026-03-01T06:46:{n:02}Z",
        "properties": {"role": role, "speech": speech},
        **more,
    }


def tool_call(call_id: str, text: str, at: str) -> dict[str, Any]:
    arguments = json.dumps({"text": text, "url": "https://a.example.test"})
    return {
        "event_type": "conversation.tool_call",
        "timestamp": at,
        "properties": {"name": "display_cta", "arguments": arguments, "tool_call_id": call_id},
    }


def result(call_id: str, text: str) -> dict[str, Any]:
    return {
        "event_type": "conversation.tool_result",
        "tool_call_id": call_id,
        "name": "display_cta",
        "result": {"text": text},
    }


CALLBACKS = [
    utterance(1, "user", "My name is Ada.", inference_id="i1"),
    utterance(2, "replica", "Hello, Ada."),
    utterance(3, "user", "Without an inference.", inference_id=None),
    tool_call("call_1", "Sender", "2026-03-01T06:46:30Z"),
    tool_call("call_2", "Sender", "2026-03-01T06:46:31Z"),
    result("call_2", "Reported"),
    objective("2026-03-01T06:46:40Z", first_name="Ada", last_name="Example"),
    system("application.perception_analysis", "06:51:37", analysis="They smiled."),
    system("system.shutdown", "06:48:37", shutdown_reason="end_conversation_endpoint_hit"),
]
RELAYED = [
    utterance(1, "user", "My name is Eve.", timestamp="2020-01-01T00:00:00Z"),
    utterance(1, "user", "My name is Ada.", timestamp="2020-01-01T00:00:00Z"),
    utterance(2, "pal", "Hello, Ada."),
    utterance(2, "replica", "Hello, Ada.", seq=20),
    utterance(3, "user", "With another word.", inference_id=None),
    tool_call("call_1", "Browser", "2020-01-01T00:00:00Z"),
    tool_call("call_2", "Browser", "2020-01-01T00:00:00Z"),
    objective("2099-01-01T00:00:00Z", first_name="Eve", last_name="Evil"),
    objective("2099-01-01T00:00:00Z", first_name="Ada", last_name="Example"),
    {
        "event_type": "conversation.perception-analysis",
        "timestamp": "2099-01-01T00:00:00Z",
        "properties": {"analysis": "The browser's view."},
    },
]
ALONE = [
    utterance(5, "pal", "Only the browser heard this."),
    utterance(5, "replica", "Only the browser heard this.", seq=6),
    tool_call("call_3", "Only the browser saw this", "2026-03-01T06:46:32Z"),
    result("call_4", "Only the outcome came"),
]
TRANSCRIPT = system(
    "application.transcription_ready",
    "06:48:38",
    transcript=[
        said("system", "You are secret."),
        said("user", "My name is Ada.", inference_id="i1"),
        said("assistant", "Hello, Ada.", inference_id="i2"),
    ],
)
TALK: list[Told] = [(TAVUS, event) for event in CALLBACKS] + [(RELAY, event) for event in RELAYED]

HEARD = [event for event in STORY if event.get("event_type") == "conversation.utterance"]
BROWSER: list[Told] = [(RELAY, event) for event in [*RELAYED, *ALONE[:3], *HEARD]]
OUTCOME: list[Told] = [(TAVUS, ALONE[3])]
STORIES: dict[str, list[Told]] = {
    "live": [*TALK, *BROWSER, *OUTCOME],
    "transcribed": [*TALK, *BROWSER, *OUTCOME, (TAVUS, TRANSCRIPT)],
    "whole": [*((TAVUS, event) for event in STORY), *BROWSER, *OUTCOME],
}


def row(conversation_id: str, provider: Provider, payload: dict[str, Any]) -> dict[str, Any]:
    body = json.dumps({**payload, "conversation_id": conversation_id}).encode()
    inbound = Inbound(
        method="POST",
        path="/api/tavus/webhook",
        query={},
        headers={},
        body=body,
        received_at=datetime.now(UTC),
    )
    return row_of(SERVICE.process(inbound, provider, Credential()), inbound)


def play(
    db: psycopg.Connection, told: list[Told], known_at: int = 0, batch_size: int = 1
) -> dict[str, Any]:
    """Send events in an order; the conversation's row is made at some point of it."""
    conversation_id = new_conversation_id()
    for start in range(0, len(told), batch_size):
        if start <= known_at < start + batch_size:
            make_conversation(db, conversation_id)
        batch = told[start : start + batch_size]
        results = receive(db, *(row(conversation_id, *item) for item in batch))
        assert {result["outcome"] for result in results} <= {"new", "duplicate"}
    found = final_rows(db, conversation_id)
    sources = rows(
        db,
        "select source, event_type, event_data from public.processed_webhook_events"
        " where conversation_id = %s",
        conversation_id,
    )
    for line in [*sources, *found["public.processed_webhook_events"]]:
        line["event_data"].pop("seq", None)  # of twins, the first one's
    text = json.dumps(sorted(json.dumps(row, sort_keys=True) for row in sources))
    found["sources"] = text.replace(conversation_id, "<id>")
    return found


READ = (
    "public.conversations",
    "public.conversation_messages",
    "public.tool_calls",
    "public.qualification_data",
    "public.feedback_sessions",
)


@pytest.mark.parametrize("transcribed", [False, True])
@pytest.mark.parametrize("relay_first", [False, True])
def test_what_the_sender_tells_too_is_as_if_nothing_had_been_relayed(
    db: psycopg.Connection, transcribed: bool, relay_first: bool
) -> None:
    own: list[Told] = [(TAVUS, event) for event in CALLBACKS + [TRANSCRIPT] * transcribed]
    relayed: list[Told] = [(RELAY, event) for event in RELAYED]

    alone = play(db, own)
    both = play(db, relayed + own if relay_first else own + relayed)

    assert {table: both[table] for table in READ} == {table: alone[table] for table in READ}
    told = {row["event_type"]: 0 for row in alone["public.processed_webhook_events"]}
    assert {"conversation.tool_call", "tool_call_result"} <= set(told)


def test_the_stream_shows_one_row_of_a_fact_with_the_senders_words(db: psycopg.Connection) -> None:
    both = play(db, TALK[::-1])

    shown = [json.loads(row) for row in json.loads(both["sources"])]
    calls = [row for row in shown if row["event_type"] == "tool_call_result"]
    seen = [row for row in shown if row["event_type"] == "application.perception_analysis"]
    assert [row["event_data"]["result"]["text"] for row in calls] == ["Sender", "Sender"]
    assert {row["source"] for row in calls + seen} == {"tavus"}
    assert [row["event_data"]["properties"]["analysis"] for row in seen] == ["They smiled."]


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 2**32),
    repeats=st.integers(0, 30),
    known=st.floats(0, 0.999),
    batch_size=st.sampled_from([1, 2, 7, 64]),
    story=st.sampled_from(list(STORIES)),
)
def test_any_order_and_any_repeats_leave_the_same_rows(
    db: psycopg.Connection, seed: int, repeats: int, known: float, batch_size: int, story: str
) -> None:
    chance = random.Random(seed)
    told = STORIES[story]
    expected = play(db, told, batch_size=64)
    order = [*told, *chance.choices(told, k=repeats)]
    chance.shuffle(order)

    assert play(db, order, int(known * len(order)), batch_size) == expected

"""Whatever stands in whichever field: an event is understood, refused, or ignored; nothing else."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tavus_samples import NAMES, Rows, read, sample

from services.effects import to_json
from services.errors import Malformed
from services.provider import Video
from services.providers.tavus import TAVUS
from services.providers.tavus.events import EVENTS
from services.validation import parse_object

ODD_TEXTS = st.sampled_from(
    ["", " ", "null", "nan", "inf", "1e308", "-1", "0001-01-01T00:00:00+14:00", "9999-12-31",
     "9999-12-31T23:59:59-14:00", "{}", "[[]]", '{"video_title": ""}', '{"a": 1e999}',
     '{"url": "a\\u0000\\ud800"}',
     "[" * 500, "a" * 5000, "\u2028", "ada at at dot", "javascript:alert(1)", "http://[", "active",
     "ended", "٣", "user", "system"]
)  # fmt: skip
NUMBERS = st.one_of(
    st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.just(10**400), st.just(-1)
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, ODD_TEXTS, st.text(max_size=12))
FIELD_NAMES = st.sampled_from(
    ["name", "value", "id", "function", "arguments", "args", "role", "content", "text", "timestamp",
     "success", "error", "transcript", "output_variables", "email", "First Name", "video_title",
     "url", "message", "metadata", "frames", "headers", "tool_call", "status"]
)  # fmt: skip
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(FIELD_NAMES, inner, max_size=4),
    max_leaves=8,
)
FIELDS = [
    "properties", "data", "timestamp", "seq", "turn_idx", "persona_id", "pal_id", "replica_id",
    "face_id", "transcript", "message", "metadata", "tool_call", "function", "arguments", "args",
    "name", "status", "reason", "role", "speech", "content", "output_variables", "objective_name",
    "result", "error", "success", "duration", "recording_url", "updated_at", "request", "analysis",
    "inference_id", "conversation_id", "bucket_name", "s3_key", "storage_uri", "shutdown_reason",
    "created_at", "started_at", "ended_at", "message_id", "execution_time_ms", "tool_call_id",
    "video_id", "document_id",
]  # fmt: skip
SEEN = (Video(id="1", title="Intro", storage_url="https://example.test/1"),)


@settings(max_examples=400, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    outer=st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4),
    inner=st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4),
)
def test_no_field_of_any_event_can_break_it(
    name: str, outer: dict[str, Any], inner: dict[str, Any]
) -> None:
    payload = sample(name) | outer
    if isinstance(payload.get("properties"), dict):
        payload["properties"] = payload["properties"] | inner

    run(payload)


@settings(max_examples=300, deadline=None)
@given(payload=st.dictionaries(st.sampled_from([*FIELDS, "event", "type"]), JSON, max_size=6))
def test_no_body_can_break_the_reading(payload: dict[str, Any]) -> None:
    for path in TAVUS.paths:
        with suppress(Malformed):
            assert read(dict(payload), path).event_type


def run(payload: dict[str, Any]) -> None:
    """Walk an event to its rows; the rows must be JSON for jsonb."""
    try:
        reading = read(parse_object(json.dumps(payload).encode()))
        json.dumps(TAVUS.project(reading), allow_nan=False)
        entry = EVENTS.get(reading.event_type)
        if entry is None:
            return
        event = entry.model.model_validate(reading.payload)
        key = entry.key(event, "b" * 64)
        effects = entry.handler(event, Rows(cached=SEEN, stored=SEEN))
    except Malformed:
        return
    assert 0 < len(key) <= 200
    rows = json.dumps(to_json(effects), allow_nan=False)
    assert parse_object(rows.encode()) == json.loads(rows)

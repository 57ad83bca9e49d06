"""A hostile value at any place of a real body: one answer, however often; nothing is changed."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tavus_samples import FOLDER, NAMES, WEBHOOK_PATH, Rows, read, sample

from services.effects import to_json
from services.embedded import parse_embedded
from services.errors import Malformed
from services.events import Event, WebhookEventProcessingService
from services.inbound import Inbound
from services.provider import Credential, Scenario, Video
from services.providers.tavus import TAVUS
from services.providers.tavus.fields import moment, seconds, share, text
from services.spoken import said_nothing, spoken_email
from services.tool_calls import WebhookToolCallService
from services.tools.display_cta import is_web_address
from services.tools.titles import best_match
from services.validation import parse_object, storable

VIDEOS = (Video(id="1", title="Intro", storage_url="https://example.test/1"),)
PAIR = r"\\\\|\\ud[89ab]..\\ud[c-f].."
"""What only looks like an escape, and the two escapes of one character."""
DEEP: Any = json.loads("[" * 60 + "]" * 60)
ANY_TEXT = st.text(st.characters(min_codepoint=0, max_codepoint=0x10FFFF))
SCALARS = st.one_of(
    st.sampled_from([None, True, False, "", "\x00", "\ud800", "NaN", 10**400, -(2**63) - 1, 1e308]),
    st.floats(),
    st.integers(),
    ANY_TEXT,
)
HOSTILE = st.one_of(
    SCALARS,
    st.sampled_from([[], {}, [None], [[]], {"": None}, {"a": {"a": []}}, DEEP]),
    st.lists(SCALARS, max_size=3),
    st.dictionaries(ANY_TEXT, SCALARS, max_size=3),
)
# What a column of jsonb can hold.
STORED_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
METRICS = st.recursive(
    st.none() | st.booleans() | st.integers() | STORED_TEXT,
    lambda inner: st.dictionaries(STORED_TEXT, inner) | st.lists(inner),
)


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every place of a value, its own first."""
    yield way
    inside = value if isinstance(value, dict) else {}
    inside = dict(enumerate(value)) if isinstance(value, list) else inside
    for step, inner in inside.items():
        yield from places(inner, (*way, step))


PLACES = [(name, way) for name in NAMES for way in places(sample(name)) if way]


def with_value(name: str, way: tuple[Any, ...], value: Any) -> dict[str, Any]:
    payload = sample(name)
    part: Any = payload
    for step in way[:-1]:
        part = part[step]
    part[way[-1]] = value
    return payload


def process(body: bytes, path: str = WEBHOOK_PATH, metrics: Any = None) -> Event | str:
    """Return the event that a body is, or the sentence that says why it is none."""
    rows = Rows(cached=VIDEOS, stored=VIDEOS, practised=Scenario(id="1", metrics=metrics))
    inbound = Inbound(
        method="POST",
        path=path,
        query={},
        headers={},
        body=body,
        received_at=datetime(2026, 3, 1, tzinfo=UTC),
    )
    try:
        return WebhookEventProcessingService(lookups=rows).process(inbound, TAVUS, Credential())
    except Malformed as refused:
        return str(refused)


def check(body: bytes, path: str = WEBHOOK_PATH, metrics: Any = None) -> None:
    event = process(body, path, metrics)

    assert process(body, path, metrics) == event
    if isinstance(event, str):
        return
    assert event.error is None
    written = json.dumps([to_json(event.effects), to_json(event.projections)], allow_nan=False)
    assert not re.search(r"\\u0000|\\ud[89a-f]", re.sub(PAIR, "", written))


@settings(max_examples=500, deadline=None)
@given(place=st.sampled_from(PLACES), value=HOSTILE, path=st.sampled_from(TAVUS.paths))
def test_hostile_value_at_any_place_of_a_real_body(
    place: tuple[str, tuple[Any, ...]], value: Any, path: str
) -> None:
    check(json.dumps(with_value(*place, value)).encode(), path)


@settings(max_examples=300, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    at=st.floats(0, 1),
    length=st.integers(0, 40),
    inserted=st.binary(max_size=8)
    | st.sampled_from(
        [b"\x00", b"NaN", b"-Infinity", b"1e999", b"\xed\xa0\x80", b'"', b"[" * 2000]
    ),
)
def test_bytes_of_a_real_body_overwritten(
    name: str, at: float, length: int, inserted: bytes
) -> None:
    body = (FOLDER / f"{name}.json").read_bytes()
    start = int(at * len(body))

    check(body[:start] + inserted + body[start + length :])


@settings(max_examples=60, deadline=None)
@given(metrics=METRICS)
def test_scenario_may_hold_anything_as_its_metrics(metrics: Any) -> None:
    body = json.dumps(sample("application.transcription_ready")).encode()
    before = copy.deepcopy(metrics)

    check(body, metrics=metrics)

    assert repr(metrics) == repr(before)


@settings(max_examples=300, deadline=None)
@given(place=st.sampled_from(PLACES), value=HOSTILE)
def test_readers_leave_what_they_read_alone(place: tuple[str, tuple[Any, ...]], value: Any) -> None:
    try:
        payload = parse_object(json.dumps(with_value(*place, value)).encode())
        before = copy.deepcopy(payload)
        reading = read(payload)
    except Malformed:
        return
    projected = TAVUS.project(reading)
    entry = TAVUS.events.get(reading.event_type)
    if entry is not None:
        try:
            event = entry.model.model_validate(copy.deepcopy(reading.payload))
        except Malformed:
            event = None
        if event is not None:
            told = event.model_dump()
            entry.key(event, "b" * 64)
            entry.handler(event, Rows(cached=VIDEOS, stored=VIDEOS))
            assert event.model_dump() == told

    assert payload == before
    assert TAVUS.project(read(payload)) == projected


@given(HOSTILE)
@example(DEEP)
@example(float("nan"))
def test_fields_are_read_or_absent(value: Any) -> None:
    for reader in (moment, seconds, share, text):
        assert repr(reader(value)) == repr(reader(value))


@settings(deadline=None)
@given(ANY_TEXT, ANY_TEXT)
def test_no_words_break_what_reads_them(one: str, other: str) -> None:
    videos = (Video(id="1", title=other, storage_url=""),)

    for reader in (spoken_email, said_nothing, is_web_address, storable):
        assert reader(one) == reader(one)
    assert best_match(one, videos) == best_match(one, videos)


@given(ANY_TEXT | HOSTILE.map(json.dumps) | st.sampled_from(["}", '1}, "value": {', "[" * 5000]))
def test_embedded_text_is_storable_json_or_nothing(told: str) -> None:
    value = parse_embedded(told)

    assert parse_embedded(told) == value
    assert "\\u0000" not in json.dumps(value, allow_nan=False)


@settings(deadline=None)
@pytest.mark.parametrize("tool", ["fetch_video", "display_cta", "\x00"])
@given(arguments=HOSTILE | st.fixed_dictionaries({"video_title": HOSTILE, "text": HOSTILE}))
def test_tool_answers_any_arguments(tool: str, arguments: Any) -> None:
    service = WebhookToolCallService(lookups=Rows(cached=VIDEOS, stored=VIDEOS))
    before = repr(arguments)

    answered = service.run(tool, arguments, "c1")

    assert answered == service.run(tool, arguments, "c1")
    assert answered.success is (answered.result is not None)
    assert repr(arguments) == before

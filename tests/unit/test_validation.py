"""validation.py: any bytes give an object that jsonb takes, or a sentence."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta, timezone
from typing import Self

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError, model_validator

from services.errors import Malformed, NotJson
from services.validation import (
    MAX_DEPTH,
    Moment,
    Sought,
    check_content_type,
    explain,
    in_utc,
    parse_object,
    sought,
    storable,
)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not UTF-8 at byte 0"),
        (b"[1]", "a JSON array"),
        (b'"text"', "a JSON string"),
        (b"null", "a JSON null"),
        (b"12", "a JSON number"),
        (b"true", "a JSON boolean"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "Infinity"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not JSON"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "deeper"),
        (b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1), "deeper"),
    ],
)
def test_unreadable_body_is_refused_with_a_sentence(body: bytes, sentence: str) -> None:
    with pytest.raises(Malformed, match=sentence):
        parse_object(body)


def test_what_jsonb_cannot_hold_is_replaced() -> None:
    body = b'{"nul": "a\\u0000b", "lone": "\\ud800x", "pair": "\\ud83d\\ude00", "k\\u0000": 1e999}'

    parsed = parse_object(body)

    assert parsed == {"nul": "a\ufffdb", "lone": "\ufffdx", "pair": "\U0001f600", "k\ufffd": None}


def test_byte_order_mark_is_no_reason_to_refuse() -> None:
    assert parse_object(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


@given(st.binary() | st.text().map(lambda text: json.dumps({"a": text}).encode()))
def test_any_bytes_give_an_object_or_a_sentence(body: bytes) -> None:
    try:
        told = json.dumps(parse_object(body))
    except Malformed as error:
        told = error.detail

    assert told
    assert "\\u0000" not in told


def nested(depth: int, inner: bytes = b'"\\u0041"') -> bytes:
    """Return an object of so many levels; the escape has it looked through."""
    return b'{"a":' * depth + inner + b"}" * depth


@pytest.mark.parametrize("depth", [1, MAX_DEPTH])
def test_body_may_be_as_deep_as_allowed(depth: int) -> None:
    value = parse_object(nested(depth))

    for _ in range(depth):
        value = value["a"]
    assert value == "A"


@pytest.mark.parametrize("inner", [b"[1]", b"{}"])
def test_lists_and_objects_count_as_levels_alike(inner: bytes) -> None:
    assert parse_object(nested(MAX_DEPTH - 1, inner))
    with pytest.raises(Malformed) as refused:
        parse_object(nested(MAX_DEPTH, inner))
    assert refused.value.detail == "The body is nested deeper than 64 levels."


def test_lists_in_lists_are_counted_to_the_last() -> None:
    allowed = MAX_DEPTH - 1

    assert parse_object(nested(1, b"[" * allowed + b'"\\u0041"' + b"]" * allowed))
    with pytest.raises(Malformed, match="deeper than 64"):
        parse_object(nested(1, b"[" * MAX_DEPTH + b'"\\u0041"' + b"]" * MAX_DEPTH))


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"\xff", "The body is not UTF-8 at byte 0."),
        (b'{"a": "\xc3"}', "The body is not UTF-8 at byte 7."),
        (b"[" * 100_000, "The body is nested deeper than 64 levels."),
        (b"{}x", "The body is not JSON: Extra data: line 1 column 3 (char 2)."),
        (b'{"a": NaN}', "The body is not JSON: NaN is no JSON number."),
        (b"[]", "The body is a JSON array; an object was wanted."),
        (b'""', "The body is a JSON string; an object was wanted."),
        (b"true", "The body is a JSON boolean; an object was wanted."),
        (b"null", "The body is a JSON null; an object was wanted."),
        (b"1.5", "The body is a JSON number; an object was wanted."),
    ],
)
def test_the_sentence_says_what_was_found(body: bytes, sentence: str) -> None:
    with pytest.raises(Malformed) as refused:
        parse_object(body)

    assert refused.value.detail == sentence


def test_what_jsonb_cannot_hold_is_replaced_wherever_it_stands() -> None:
    body = b'{"a": [["\\u0000"], {"\\ud800": ["\\udfff", 1, true, null, 1.5]}], "b": -1e999}'

    parsed = parse_object(body)

    assert parsed == {"a": [["\ufffd"], {"\ufffd": ["\ufffd", 1, True, None, 1.5]}], "b": None}


def test_numbers_stay_as_they_are() -> None:
    body = b'{"whole": 12345678901234567890, "part": 0.25, "zero": 0, "least": -0.5}'

    assert parse_object(body) == {
        "whole": 12345678901234567890, "part": 0.25, "zero": 0, "least": -0.5
    }  # fmt: skip


@pytest.mark.parametrize(
    "told",
    ["multipart/form-data; boundary=x", "Multipart/Mixed", " MULTIPART/form-data ", "multipart/"],
)
def test_body_of_parts_is_refused_by_its_own_word(told: str) -> None:
    with pytest.raises(NotJson) as refused:
        check_content_type(told)

    kind = told.partition(";")[0].strip()
    assert refused.value.detail == f"The body is {kind}; application/json was wanted."


def test_a_long_word_is_told_in_short() -> None:
    with pytest.raises(NotJson) as refused:
        check_content_type("multipart/" + "x" * 1000)

    assert refused.value.detail == f"The body is multipart/{'x' * 90}; application/json was wanted."


@pytest.mark.parametrize(
    "told",
    ["", "application/json", "text/plain; a=multipart/x", "application/x-www-form-urlencoded", ";"],
)
def test_any_other_word_passes(told: str) -> None:
    check_content_type(told)


@pytest.mark.parametrize("text", ["a\x00", "\ud800", "b\udfffc"])
def test_what_no_row_holds_is_not_looked_for(text: str) -> None:
    with pytest.raises(ValueError, match=r"^holds NUL or a lone surrogate, which no stored text"):
        sought(text)
    assert storable(text) == text.translate({0: "\ufffd", 0xD800: "\ufffd", 0xDFFF: "\ufffd"})


def test_any_other_text_is_looked_for_as_it_is() -> None:
    assert sought("Zoë 👋") == storable("Zoë 👋") == "Zoë 👋"


def test_a_time_is_one_of_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        bare = in_utc(datetime(2026, 3, 1, 10))
        zoned = in_utc(datetime(2026, 3, 1, 10, tzinfo=timezone(timedelta(hours=2))))
    finally:
        monkeypatch.undo()
        time.tzset()

    assert bare.isoformat() == "2026-03-01T10:00:00+00:00"
    assert zoned.isoformat() == "2026-03-01T08:00:00+00:00"


@pytest.mark.parametrize(
    "moment",
    [
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
        datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-2))),
    ],
)
def test_a_time_that_no_calendar_has_in_utc_is_refused(moment: datetime) -> None:
    with pytest.raises(ValueError, match=r"^is before the year 1 or after the year 9999 in UTC$"):
        in_utc(moment)


class Asked(BaseModel):
    """What somebody asks for."""

    when: Moment
    names: list[Sought] = []

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.names) > 1:
            raise ValueError("wants one name at most")
        return self


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({}, "when: Field required."),
        (
            {"when": "2026-03-01T10:00:00Z", "names": ["a\x00"]},
            "names.0: holds NUL or a lone surrogate, which no stored text does.",
        ),
        ({"names": 7}, "when: Field required. names: Input should be a valid list."),
        (
            {"when": "2026-03-01T10:00:00Z", "names": ["a", "b"]},
            "The payload: wants one name at most.",
        ),
    ],
)
def test_what_is_wrong_is_told_by_field_and_without_its_value(
    told: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ValidationError) as wrong:
        Asked.model_validate(told)

    assert explain(wrong.value) == sentence

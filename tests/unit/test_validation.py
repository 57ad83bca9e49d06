"""validation.py: any bytes give an object that jsonb takes, or a sentence."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import Malformed
from services.validation import MAX_DEPTH, parse_object


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

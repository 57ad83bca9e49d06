"""redaction.py: secrets are gone, lengths are kept, everything else is untouched."""

from __future__ import annotations

import json
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.redaction import is_clean, mask_body, mask_log, mask_payload

TOKEN = "tok-4f1d/9+a=b"
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def callback(url: str) -> dict[str, Any]:
    return {"event_type": "system.shutdown", "webhook_url": url, "properties": {"said": "hello?"}}


def test_query_of_the_echoed_url_is_overwritten_in_place() -> None:
    body = json.dumps(callback(f"https://hooks.example.test/api?t={TOKEN}")).encode()

    masked = mask_body(body, json.loads(body), (TOKEN,))

    assert len(masked) == len(body)
    assert json.loads(masked)["webhook_url"] == "https://hooks.example.test/api?" + "*" * 16
    assert masked.replace(b"*" * 16, b"t=" + TOKEN.encode()) == body


@pytest.mark.parametrize(
    "escape",
    [
        lambda text: text.replace("/", "\\/"),
        lambda text: "".join(f"\\u{ord(character):04x}" for character in text),
        lambda text: text.replace("?", "\\u003F"),
        lambda text: text,
    ],
    ids=["slashes", "everything", "question mark", "only its name"],
)
def test_escapes_do_not_hide_the_query(escape: Any) -> None:
    url = f"https://hooks.example.test/api?t={TOKEN}&next=/?a"
    body = f'{{"webhook\\u005furl": "{escape(url)}", "a": "b?c"}}'.encode()

    masked = mask_body(body, json.loads(body), ())

    assert len(masked) == len(body)
    assert json.loads(masked)["webhook_url"].strip("*") == "https://hooks.example.test/api?"
    assert json.loads(masked)["a"] == "b?c"


def test_query_is_overwritten_however_deep_its_url_stands() -> None:
    urls = b'[{"a": {"webhook\\u005furl": "https://hooks.example.test/?t=1\\u0032"}}]'

    assert mask_body(urls, json.loads(urls), ()) == urls.replace(b"t=1\\u0032", b"*" * 9)


def test_presented_token_is_overwritten_wherever_it_stands() -> None:
    body = json.dumps({"a": TOKEN, "b": [f"x{TOKEN}x"], "c": TOKEN.replace("/", "%2F")}).encode()
    escaped = b'{"d": "tok\\u002d4f1d\\/9+a=b", "e": "kept"}'

    assert mask_body(body, json.loads(body), (TOKEN,)).count(TOKEN.encode()) == 0
    masked = json.loads(mask_body(escaped, json.loads(escaped), (TOKEN,)))
    assert masked["d"].strip("*") == ""
    assert masked["e"] == "kept"


def test_escaped_token_is_overwritten_as_often_as_it_stands_there() -> None:
    body = b'{"a": "tok\\u002d4f1d\\/9+a=b, tok\\u002d4f1d\\/9+a=b"}'

    masked = mask_body(body, json.loads(body), (TOKEN,))

    assert masked == b'{"a": "' + b"*" * 20 + b", " + b"*" * 20 + b'"}'


def test_escaped_token_that_no_url_would_write_otherwise_is_overwritten() -> None:
    body = b'{"a": "\\u0061bc", "b": "kept\\u002e"}'

    masked = mask_body(body, json.loads(body), ("abc",))

    assert masked == b'{"a": "********", "b": "kept\\u002e"}'


def test_unreadable_body_is_masked_too() -> None:
    masked = mask_body(b"\xff{" + TOKEN.encode() + b'"', None, (TOKEN,))

    assert masked == b"\xff{" + b"*" * len(TOKEN) + b'"'


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_other_encodings_hide_no_token(encoding: str) -> None:
    body = f'{{"a": "{TOKEN}"}}'.encode(encoding)

    assert TOKEN.encode(encoding) not in mask_body(body, None, (TOKEN,))


def test_short_query_masks_only_the_url() -> None:
    body = json.dumps(callback("https://hooks.example.test/?e")).encode()

    masked = json.loads(mask_body(body, json.loads(body), ()))

    assert masked == callback("https://hooks.example.test/?*")


@given(JSON_VALUES)
def test_body_without_secrets_is_left_alone(value: Any) -> None:
    body = json.dumps({"a": value}).encode()

    assert mask_body(body, json.loads(body), ("never in there",)) == body


@given(JSON_VALUES)
def test_parsed_copy_holds_neither_the_url_nor_the_token(value: Any) -> None:
    payload = {"webhook_url": "x", "deep": [{"webhook_url": "y", "kept": value}], "t": f"a{TOKEN}"}

    masked = mask_payload(payload, (TOKEN,))

    assert "webhook_url" not in masked
    assert "webhook_url" not in masked["deep"][0]
    assert masked["t"] == "a" + "*" * len(TOKEN)


def test_log_lines_show_no_token() -> None:
    line = "Error handling request /api/tavus/webhook?c=1&t=secret HTTP/1.1"

    assert mask_log(line) == "Error handling request /api/tavus/webhook?c=***&t=*** HTTP/1.1"
    assert mask_log("POST /api/tavus/webhook 200") == "POST /api/tavus/webhook 200"


@pytest.mark.parametrize(
    "body",
    [
        b'{"webhook_url": "https://hooks.example.test/?t=hidden',
        b'{"webhook_url": "https://hooks.example.test/?t=hidden", "a": NaN}',
        b'{"webhook_url": "https://hooks.example.test/?t=hidden", "webhook_url": "second"}',
        b'{"webhook_url" : "https://hooks.example.test/?t=hidden\\u0000"}',
    ],
    ids=["cut", "no JSON", "twice", "NUL"],
)
def test_query_is_overwritten_in_a_body_that_is_read_otherwise(body: bytes) -> None:
    masked = mask_body(body, None, ())

    assert b"hidden" not in masked
    assert len(masked) == len(body)


@pytest.mark.parametrize("escape", ["\\q", "\\u12", "\\\xff", "\\u00zz", "\\'", "\\\n"])
def test_escape_that_json_does_not_know_hides_no_token(escape: str) -> None:
    said = f"{escape} tok\\u002d4f1d\\/9+a=b"
    body = f'{{"a": "{escape}", "said": "{said}"}}'.encode("latin-1")

    masked = mask_body(body, None, (TOKEN,))

    assert masked.endswith(b" " + b"*" * 20 + b'"}')
    assert len(masked) == len(body)
    assert masked.startswith(f'{{"a": "{escape}", "said": "{escape} '.encode("latin-1"))


def test_string_that_is_cut_off_is_masked_in_no_time() -> None:
    quoted = b'\\"' * 500_000
    body = b'{"said": "' + quoted + b"tok\\u002d4f1d\\/9+a=b"

    started = time.process_time()
    masked = mask_body(body, None, (TOKEN,))

    assert time.process_time() - started < 3
    assert masked == b'{"said": "' + quoted + b"*" * 20


@pytest.mark.parametrize("before", [b'{"said": "', b'{"webhook_url": "https://h.test/?'])
@pytest.mark.parametrize("piece", [b"said ", b"\\n"])
def test_long_text_is_masked_in_little_memory(before: bytes, piece: bytes) -> None:
    body = before + piece * 200_000 + b"\\n"

    tracemalloc.start()
    mask_body(body, None, (TOKEN,))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 20 * len(body)


def test_body_of_nothing_but_escapes_is_masked_in_no_time() -> None:
    body = b'{"webhook_url": "https://h.test/?t=x", "said": "' + b"\\u0041" * 1_000_000 + b'"}'

    started = time.process_time()
    mask_body(body, json.loads(body), (TOKEN,))

    assert time.process_time() - started < 3


@pytest.mark.parametrize(
    "body",
    [
        b'{"webhook_url": "https://example.test/?t=abc"}',
        b'{"webhook\\u005furl": "https://example.test/?t=abc"}',
        b"webhook%5Furl=https://example.test/?t=abc",
        '{"webhook_url": "https://example.test/?t=abc"}'.encode("utf-16-le"),
    ],
)
def test_what_may_echo_a_url_is_never_taken_for_clean(body: bytes) -> None:
    assert not is_clean(body, ())


def test_what_holds_nothing_is_clean_only_for_who_presents_nothing() -> None:
    assert is_clean(b'{"id": "evt_1"}', ())
    assert not is_clean(b'{"id": "evt_1"}', ("secret",))

"""Overwrite secrets with asterisks of the same length: in stored bytes, parsed copies, log lines.

Tavus echoes the callback URL, our token in its query, as `webhook_url` in every callback.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus

ECHOED_URL = "webhook_url"
# JSON is UTF-8; what comes in another encoding is refused, and kept all the same.
ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be")
CONVERSATIONS = 1024
"""Whose tokens are remembered in every way they may be written."""

# One that is cut off ends with the body: to look for its end from every quote in it costs minutes.
# Possessive, here and below: to remember every character for a way back costs 130 bytes for each.
_STRING_LITERAL = re.compile(rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)"?', re.DOTALL)
# The query as it stands in the bytes, also where the rest of the body is no JSON.
_PLAIN_QUERY = re.compile(rb'"webhook_url"\s*:\s*"[^"?]*\?([^"\\]*+(?:\\.[^"\\]*+)*+)', re.DOTALL)
_CHARACTER = re.compile(r"\\u[0-9a-fA-F]{4}|\\.|[^\\]", re.DOTALL)
_ESCAPE = re.compile(r'(\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})|\\(.)', re.DOTALL)
_QUERY_TOKEN = re.compile(r"([?&](?:t|c|token|secret|apikey)=)[^&\s\"'<>]+", re.IGNORECASE)


def is_clean(body: bytes, secrets: Sequence[str]) -> bool:
    """Return whether there is plainly nothing to overwrite, neither in a body nor in what it says.

    Who signs presents no secret, and the large bodies of Stripe need not be looked through.
    """
    is_plain = b"\\" not in body and b"%" not in body and b"\x00" not in body
    return not secrets and is_plain and ECHOED_URL.encode() not in body


def mask_body(body: bytes, payload: Any, secrets: Sequence[str]) -> bytes:
    """Return a JSON body with every presented secret and the query of `webhook_url` overwritten.

    `payload` is the same body, parsed. Everything else stays as it is, byte for byte.
    """
    if is_clean(body, secrets):
        return body
    urls = frozenset(url for url in _echoed_urls(payload) if "?" in url)
    plain = body
    for encoded in _encoded(tuple(secrets)):
        plain = plain.replace(encoded, b"*" * len(encoded))
    masked = bytearray(plain)
    for query in _PLAIN_QUERY.finditer(body):
        _overwrite(masked, [query.span(1)])
    if urls or (secrets and b"\\" in body):
        for literal in _STRING_LITERAL.finditer(body):
            _mask_literal(masked, literal, urls, _written(tuple(secrets)))
    return bytes(masked)


def mask_payload(value: Any, secrets: Sequence[str]) -> Any:
    """Return a parsed copy without `webhook_url`, with every secret in its strings overwritten."""
    return _masked(value, _written(tuple(secrets)))


def mask_sentence(text: str, secrets: Sequence[str]) -> str:
    """Return what a vendor says of a call without the secrets that the call has carried."""
    # A sentence that was cut may end within a token of a query.
    return str(mask_payload(mask_log(text), secrets))


def mask_log(text: str) -> str:
    """Return a log line in which no token of a URL's query can be read."""
    return _QUERY_TOKEN.sub(r"\1***", text)


def _echoed_urls(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key == ECHOED_URL and isinstance(item, str):
                yield item
            else:
                yield from _echoed_urls(item)
    elif isinstance(value, list):
        for item in value:
            yield from _echoed_urls(item)


@lru_cache(CONVERSATIONS)
def _written(secrets: tuple[str, ...]) -> frozenset[str]:
    """Return each secret as it may be written: plainly, or percent-encoded."""
    return frozenset(
        form
        for secret in filter(None, secrets)
        for form in (secret, quote(secret, safe=""), quote_plus(secret))
    )


@lru_cache(CONVERSATIONS)
def _encoded(secrets: tuple[str, ...]) -> frozenset[bytes]:
    written = _written(secrets)
    return frozenset(s.encode(name, "surrogatepass") for s in written for name in ENCODINGS)


def _masked(value: Any, written: Iterable[str]) -> Any:
    if isinstance(value, dict):
        return {key: _masked(item, written) for key, item in value.items() if key != ECHOED_URL}
    if isinstance(value, list):
        return [_masked(item, written) for item in value]
    return _mask_text(value, written) if isinstance(value, str) else value


def _mask_text(text: str, written: Iterable[str]) -> str:
    for secret in written:
        text = text.replace(secret, "*" * len(secret))
    return text


def _mask_literal(
    masked: bytearray, literal: re.Match[bytes], urls: frozenset[str], written: Iterable[str]
) -> None:
    """Mask in one string literal what is not written plainly: a URL's query, escaped secrets."""
    raw = literal.group(1)
    if b"\\" not in raw and not (b"?" in raw and urls):
        return
    if not _is_secret(raw, urls, written):
        return
    text, spans = _characters(raw, literal.start(1))
    if text in urls:
        _overwrite(masked, spans[text.index("?") + 1 :])
    for secret in written:
        for found in re.finditer(re.escape(secret), text):
            _overwrite(masked, spans[found.start() : found.end()])


def _is_secret(raw: bytes, urls: frozenset[str], written: Iterable[str]) -> bool:
    # Character by character costs seconds where a body is all escapes; most literals hold nothing.
    text = _said(raw.decode("utf-8", "surrogateescape"))
    return text in urls or any(secret in text for secret in written)


def _said(inside: str) -> str:
    """Return what stands between quotes; of an escape that JSON does not know its character."""
    try:
        return str(json.loads(f'"{inside}"'))
    except ValueError:
        known = _ESCAPE.sub(lambda found: found[1] or found[2], inside)
        return str(json.loads(f'"{known}"', strict=False))


def _characters(raw: bytes, offset: int) -> tuple[str, list[tuple[int, int]]]:
    """Return the text of a string literal and where in the body each of its characters stands."""
    text, spans = [], []
    for unit in _CHARACTER.findall(raw.decode("utf-8", "surrogateescape")):
        length = len(unit.encode("utf-8", "surrogateescape"))
        text.append(_said(unit) if unit[0] == "\\" else unit)
        spans.append((offset, offset + length))
        offset += length
    return "".join(text), spans


def _overwrite(masked: bytearray, spans: list[tuple[int, int]]) -> None:
    for start, end in spans:
        masked[start:end] = b"*" * (end - start)

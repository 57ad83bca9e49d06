"""From bytes to JSON that Postgres takes: the seeds' WebhookValidationService; it holds nothing."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Never

from pydantic import AfterValidator, Field, ValidationError

from services.errors import Malformed, NotJson

MAX_DEPTH = 64
"""Levels of nesting that a body may have; real ones have fewer than ten."""

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def parse_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object that a body holds, changed so that jsonb takes it.

    NUL and lone surrogates become U+FFFD, a number too large for a double becomes null.
    Raises Malformed, saying what was found.
    """
    try:
        value = _decoder.decode(body.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise Malformed(f"The body is not UTF-8 at byte {error.start}.") from None
    except RecursionError:
        raise Malformed(f"The body is nested deeper than {MAX_DEPTH} levels.") from None
    except ValueError as error:
        raise Malformed(f"The body is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise Malformed(f"The body is a JSON {_kind(value)}; an object was wanted.")
    cleaned: dict[str, Any] = _storable(value, MAX_DEPTH) if _is_suspect(body) else value
    return cleaned


def check_content_type(content_type: str) -> None:
    """Raise NotJson for a body that cannot be JSON, by what it says of itself.

    Other wrong types pass, none too: `curl -d` calls all that it sends a form.
    """
    kind = content_type.partition(";")[0].strip()
    if kind.lower().startswith("multipart/"):
        raise NotJson(f"The body is {kind[:100]}; application/json was wanted.")


def storable(text: str) -> str:
    """Return a text that jsonb takes: NUL and lone surrogates become U+FFFD."""
    return _UNSTORABLE.sub(_REPLACEMENT, text)


def in_utc(moment: datetime) -> datetime:
    """Return a time in UTC; without a zone it is one of UTC.

    Raises ValueError for one that no calendar has there. Python takes offsets of a day; Postgres
    takes some of 15 hours.
    """
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise ValueError("is before the year 1 or after the year 9999 in UTC") from None


Moment = Annotated[datetime, AfterValidator(in_utc)]
"""A time that a caller names."""


def sought(text: str) -> str:
    """Return a text that rows are looked for by. Raises ValueError for what no row can hold."""
    if _UNSTORABLE.search(text):
        raise ValueError("holds NUL or a lone surrogate, which no stored text does")
    return text


Sought = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(sought)]
"""A text that a caller looks for."""


def explain(error: ValidationError) -> str:
    """Return one sentence per field that is wrong, without the values that were sent."""
    return " ".join(
        f"{'.'.join(map(str, problem['loc'])) or 'The payload'}:"
        f" {problem['msg'].removeprefix('Value error, ')}."
        for problem in error.errors()
    )


def _refuse_constant(name: str) -> Never:
    raise ValueError(f"{name} is no JSON number")


def _finite(number: str) -> float | None:
    value = float(number)
    return value if math.isfinite(value) else None


_decoder = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)


def _is_suspect(body: bytes) -> bool:
    """Tell whether a JSON text may hold what jsonb refuses, or nest too deeply.

    NUL and lone surrogates can only be written as escapes there (RFC 8259, section 7).
    """
    return b"\\u" in body or body.count(b"{") + body.count(b"[") > MAX_DEPTH


def _storable(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return storable(value)
    if not isinstance(value, dict | list):
        return value
    if depth == 0:
        raise Malformed(f"The body is nested deeper than {MAX_DEPTH} levels.")
    if isinstance(value, list):
        return [_storable(item, depth - 1) for item in value]
    return {_storable(key, 0): _storable(item, depth - 1) for key, item in value.items()}


def _kind(value: object) -> str:
    names: dict[type, str] = {list: "array", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")

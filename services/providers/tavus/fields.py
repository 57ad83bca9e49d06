"""What a field may look like when it arrives, and the one form in which it is used.

Optional fields never fail: what cannot be understood is absent. Only a required one is an error.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

MILLISECONDS_FROM = 1e11
MICROSECONDS_FROM = 1e14
LARGEST_NUMBER = 10**9
LONGEST_NAME = 255
LONGEST_INTEGER = 800
"""In bits; some 240 digits. Python refuses to print a really long one."""


def text(value: Any) -> str | None:
    """Return a trimmed text, a whole number as text, or None for anything else or for a blank."""
    if (
        isinstance(value, int)
        and not isinstance(value, bool)
        and value.bit_length() < LONGEST_INTEGER
    ):
        return str(value)
    return (value.strip() or None) if isinstance(value, str) else None


def number(value: Any) -> float | None:
    """Return a finite number, told as a number or as a text, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and len(value) > LONGEST_NAME:
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def measure(value: Any) -> float | None:
    """Return a number from 0 to a milliard, else None."""
    found = number(value)
    return found if found is not None and 0 <= found <= LARGEST_NUMBER else None


def seconds(value: Any) -> int | None:
    """Return whole seconds, as the integer column takes them, else None."""
    found = measure(value)
    return None if found is None else round(found)


def share(value: Any) -> float | None:
    """Return a number from 0 to 1, else None."""
    found = number(value)
    return found if found is not None and 0 <= found <= 1 else None


def moment(value: Any) -> datetime | None:
    """Return a time in UTC from ISO 8601 (no zone means UTC) or from an epoch, else None.

    Tavus sends both, even within one field. An epoch may count seconds, milli- or microseconds.
    """
    if isinstance(value, str) and len(value) <= LONGEST_NAME:
        found = _from_iso(value.strip())
        return found or _from_epoch(number(value))
    return _from_epoch(number(value)) if isinstance(value, int | float) else None


def _from_iso(value: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(value)
        found = found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return found if _plausible(found) else None


def _from_epoch(value: float | None) -> datetime | None:
    if value is None:
        return None
    scale = 1e6 if value >= MICROSECONDS_FROM else 1e3 if value >= MILLISECONDS_FROM else 1
    try:
        found = datetime.fromtimestamp(value / scale, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return found if _plausible(found) else None


def _plausible(found: datetime) -> bool:
    # A conversation starts at the least time told, so one zero time ("0001-01-01", epoch 3.1)
    # would move it for good.
    return 1990 <= found.year < 2200


def words(value: Any) -> str | None:
    """Return what was said: a text as it is, or the text parts of a list of parts."""
    if isinstance(value, list):
        parts = (part.get("text") for part in value if isinstance(part, dict))
        return " ".join(part for part in parts if isinstance(part, str)) or None
    return value if isinstance(value, str) else None


def prose(value: Any) -> str | None:
    """Return a text; an object or a list becomes its JSON."""
    if isinstance(value, dict | list) and value:
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text(value)


Text = Annotated[str | None, BeforeValidator(text)]
Prose = Annotated[str | None, BeforeValidator(prose)]
Moment = Annotated[datetime | None, BeforeValidator(moment)]
Seconds = Annotated[int | None, BeforeValidator(seconds)]
Measure = Annotated[float | None, BeforeValidator(measure)]
Share = Annotated[float | None, BeforeValidator(share)]
Name = Annotated[str, BeforeValidator(text), Field(min_length=1, max_length=LONGEST_NAME)]
Words = Annotated[str, BeforeValidator(words)]

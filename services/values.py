"""What a field of a sender may hold, and the one form in which it is used.

None of these fails: what cannot be understood is absent.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

LONGEST_TEXT = 500
LARGEST_BIGINT = 2**63 - 1


def at(value: Any, path: str) -> Any:
    """Return what is at a dotted path of nested objects (a number is a place in a list)."""
    for name in path.split("."):
        if isinstance(value, list) and name.isdecimal():
            value = value[int(name)] if int(name) < len(value) else None
        else:
            value = value.get(name) if isinstance(value, dict) else None
    return value


def text(value: Any, longest: int = LONGEST_TEXT) -> str | None:
    """Return a trimmed text, cut where it is too long; None for a blank or anything else."""
    return (value.strip()[:longest] or None) if isinstance(value, str) else None


def flag(value: Any) -> bool | None:
    """Return a boolean, else None."""
    return value if isinstance(value, bool) else None


def whole(value: Any) -> int | None:
    """Return an integer that a bigint column takes, else None."""
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    return value if is_integer and abs(value) <= LARGEST_BIGINT else None


def uuid(value: Any) -> str | None:
    """Return a UUID as Postgres writes it, else None."""
    try:
        return str(UUID(value.strip())) if isinstance(value, str) else None
    except ValueError:
        return None


def epoch(value: Any) -> datetime | None:
    """Return the time of whole seconds since 1970, else None."""
    seconds = whole(value)
    try:
        found = None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return found if found and _is_plausible(found) else None


def iso(value: Any) -> datetime | None:
    """Return a time in UTC from ISO 8601 (no zone means UTC), else None."""
    try:
        found = datetime.fromisoformat(value.strip()) if isinstance(value, str) else None
        found = found and found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return found if found and _is_plausible(found) else None


def _is_plausible(found: datetime) -> bool:
    return 1990 <= found.year < 2200

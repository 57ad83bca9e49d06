"""When an attempt that failed is made again: the endpoint's schedule, and what its answer asks."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

WAITS = (4.0, 8.0, 10.0)
"""Seconds after each failed try, where the endpoint has no schedule of its own."""
JITTER = 0.1
LONGEST_ASKED = 86400.0

# RFC 9110 knows whole seconds only; some servers answer with a fraction.
_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")


def next_wait(
    failed: int,
    waits: Sequence[float] | None = None,
    asked: float = 0.0,
    chance: Callable[[], float] = random.random,
) -> float | None:
    """Return how many seconds to wait after so many failed tries, None when that was the last.

    It is never less than `asked` for or scheduled; the schedule's is up to a tenth more, so that
    what failed together does not come back together.
    """
    waits = WAITS if waits is None else waits
    if not 1 <= failed <= len(waits):
        return None
    return max(waits[failed - 1] * (1 + JITTER * chance()), asked)


def asked_wait(headers: Mapping[str, str], now: datetime) -> float:
    """Return the seconds that an answer asks for by Retry-After, a day at most; 0 for none.

    A date there is read by the answer's own clock, where it tells its time, else by `now`.
    https://www.rfc-editor.org/rfc/rfc9110#name-retry-after
    """
    told = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(told):
        return min(float(told), LONGEST_ASKED)
    until = _date(told)
    if until is None:
        return 0.0
    seconds = (until - (_date(headers.get("date", "")) or now)).total_seconds()
    return min(max(seconds, 0.0), LONGEST_ASKED)


def _date(told: str) -> datetime | None:
    """Return the time that a header tells, None for any other text."""
    try:
        date = parsedate_to_datetime(told)
        return date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None

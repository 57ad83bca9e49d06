"""What a field may look like when it arrives, and the one form in which it is used.

Optional fields never fail: what cannot be understood is absent. Only an id is an error.
"""

from __future__ import annotations

import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from services.values import iso, text

LONGEST_PROSE = 100_000
LONGEST_SID = 100
LONGEST_DATE = 100
LARGEST_NUMBER = 10**9

_WHOLE = re.compile(r"[0-9]{1,10}")


def prose(value: Any) -> str | None:
    """Return a text as it is, cut after `LONGEST_PROSE` characters, else None."""
    return (value[:LONGEST_PROSE] or None) if isinstance(value, str) else None


def word(value: Any) -> str | None:
    """Return a name of a status in lower case, else None."""
    found = text(value)
    return found.lower() if found else None


def whole(value: Any) -> int | None:
    """Return a number from 0 to a milliard, told as digits, else None."""
    if not isinstance(value, str) or not _WHOLE.fullmatch(value.strip()):
        return None
    found = int(value)
    return found if found <= LARGEST_NUMBER else None


def moment(value: Any) -> datetime | None:
    """Return a time in UTC from RFC 2822 (calls, recordings) or ISO 8601 (live speech)."""
    return iso(value) or iso(_iso_of(value))


def _iso_of(value: Any) -> str | None:
    if not isinstance(value, str) or len(value) > LONGEST_DATE:
        return None
    try:
        return parsedate_to_datetime(value).isoformat()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _sid(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


Text = Annotated[str | None, BeforeValidator(text)]
Prose = Annotated[str | None, BeforeValidator(prose)]
Word = Annotated[str | None, BeforeValidator(word)]
Whole = Annotated[int | None, BeforeValidator(whole)]
Moment = Annotated[datetime | None, BeforeValidator(moment)]
Sid = Annotated[str, BeforeValidator(_sid), Field(min_length=1, max_length=LONGEST_SID)]


class Payload(BaseModel):
    """What Twilio posts, by its own names of the fields; new ones may appear at any time."""

    model_config = ConfigDict(frozen=True, extra="ignore")

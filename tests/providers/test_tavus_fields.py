"""Times and numbers, in every form in which they have been met."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.providers.tavus.fields import moment, seconds, share, text

SEEN = datetime(2026, 3, 1, 6, 45, 55, tzinfo=UTC)


@pytest.mark.parametrize(
    "told",
    [
        "2026-03-01T06:45:55Z",
        "2026-03-01T06:45:55",
        "2026-03-01 06:45:55.000000",
        "2026-03-01T08:45:55+02:00",
        1772347555,
        1772347555.0,
        "1772347555",
        1772347555000,
        1772347555000000,
    ],
)
def test_a_time_is_read_in_every_form(told: Any) -> None:
    assert moment(told) == SEEN


@pytest.mark.parametrize(
    "told",
    [None, "", "soon", True, [], {}, 0, -1, 3.1, 1e308, 10**400, float("nan"), float("inf"),
     "nan", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
     "0000-00-00", "2" * 5000],
)  # fmt: skip
def test_what_is_no_time_of_a_conversation_is_none(told: Any) -> None:
    assert moment(told) is None


@given(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.booleans()))
def test_a_time_is_always_in_utc_or_absent(told: Any) -> None:
    found = moment(told)

    assert found is None or found.astimezone(UTC).utcoffset() == UTC.utcoffset(None)


@pytest.mark.parametrize(
    ("told", "expected"),
    [(420, 420), ("420", 420), (14.6, 15), (0, 0), (-1, None), (10**9 + 1, None), (1e308, None),
     (10**400, None), (True, None), ("0" * 254 + "7", 7), ("0" * 255 + "7", None),
     ("7 min", None), ([], None), (float("nan"), None)],
)  # fmt: skip
def test_a_duration_fits_its_column_or_is_absent(told: Any, expected: int | None) -> None:
    assert seconds(told) == expected


@pytest.mark.parametrize(("told", "expected"), [(0.85, 0.85), ("0.5", 0.5), (1, 1), (85, None)])
def test_a_confidence_is_a_share(told: Any, expected: float | None) -> None:
    assert share(told) == expected


@pytest.mark.parametrize(("told", "expected"), [(" a ", "a"), (7, "7"), ("", None), (1.5, None)])
def test_a_text_is_trimmed(told: Any, expected: str | None) -> None:
    assert text(told) == expected

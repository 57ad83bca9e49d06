"""schedule.py: the endpoint's waits, a little more, and what its answer asks for."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.outgoing.schedule import asked_wait, next_wait

NOW = datetime(2026, 3, 1, 10, 0, 0, tzinfo=UTC)
DAY = 86400.0


def test_default_is_three_retries_after_four_eight_and_ten_seconds() -> None:
    waits = [next_wait(failed, chance=lambda: 0.0) for failed in range(1, 6)]

    assert waits == [4, 8, 10, None, None]


def test_endpoint_has_a_schedule_of_its_own() -> None:
    waits = [next_wait(failed, [1, 604800], chance=lambda: 0.0) for failed in range(1, 4)]

    assert waits == [1, 604800, None]
    assert next_wait(1, []) is None


def test_nothing_failed_is_nothing_to_wait_for() -> None:
    assert next_wait(0) is None


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 3))
def test_wait_is_up_to_a_tenth_longer_and_never_shorter(chance: float, failed: int) -> None:
    wait, scheduled = next_wait(failed, chance=lambda: chance), (4, 8, 10)[failed - 1]

    assert wait is not None
    assert scheduled <= wait < 1.1 * scheduled + 1e-9


def test_waits_differ() -> None:
    assert len({next_wait(1) for _ in range(20)}) > 10


def test_longer_of_schedule_and_what_is_asked_for_counts() -> None:
    assert next_wait(1, asked=60.0, chance=lambda: 0.0) == 60
    assert next_wait(1, asked=1.0, chance=lambda: 0.0) == 4
    assert next_wait(4, asked=60.0) is None


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 120 ", 120),
        ("1.5", 1.5),
        ("86400", DAY),
        ("86401", DAY),
        ("9" * 400, DAY),
        ("Sun, 01 Mar 2026 10:02:00 GMT", 120),
        ("Sunday, 01-Mar-26 10:02:00 GMT", 120),
        ("Sun Mar  1 10:02:00 2026", 120),
        ("Sun, 01 Mar 2026 09:58:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", DAY),
    ],
)
def test_answer_asks_for_seconds_or_for_a_time(told: str, seconds: float) -> None:
    assert asked_wait({"retry-after": told}, NOW) == seconds


@pytest.mark.parametrize(
    "told",
    [
        "", " ", "-5", "+5", "1e3", "5,", "5, 10", "0x10", "nan", "inf", "\u0665", "soon", "1:00",
        "Sun, 99 Mar 2026 10:02:00 GMT", "Sun, 01 Mar 2026 25:02:00 GMT", "01 Mar 99999",
        "Sun, 01 Mar 2026 10:02:00 +9999999999", "\0", ",", "(", "1 Jan 1 00:00:00 +2359",
    ],
)  # fmt: skip
def test_nonsense_asks_for_nothing(told: str) -> None:
    assert asked_wait({"retry-after": told}, NOW) == 0
    assert asked_wait({}, NOW) == 0


def test_time_is_by_the_clock_of_who_answers() -> None:
    """Its clock is an hour fast; so is the time that it names."""
    headers = {
        "date": "Sun, 01 Mar 2026 11:00:00 GMT",
        "retry-after": "Sun, 01 Mar 2026 11:00:30 GMT",
    }

    assert asked_wait(headers, NOW) == 30
    assert asked_wait({**headers, "date": "noon"}, NOW) == 3630


dates = st.datetimes(timezones=st.just(UTC)).map(
    lambda at: at.strftime("%a, %d %b %Y %H:%M:%S GMT")
)


@given(st.text() | dates, st.text() | dates, st.datetimes(timezones=st.just(UTC)))
def test_any_header_gives_an_answer(told: str, date: str, now: datetime) -> None:
    assert 0 <= asked_wait({"retry-after": told, "date": date}, now) <= DAY


def test_now_counts_where_the_answer_tells_no_time() -> None:
    told = {"retry-after": "Sun, 01 Mar 2026 10:02:00 GMT"}

    assert asked_wait(told, NOW + timedelta(seconds=60)) == 60


def test_a_schedule_may_be_of_parts_of_a_second() -> None:
    assert next_wait(1, [0.5], chance=lambda: 0.0) == 0.5


def test_a_time_is_taken_with_its_zone_and_for_utc_without_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        for told in ("Sun, 01 Mar 2026 11:02:00 +0100", "Sun Mar  1 10:02:00 2026"):
            assert asked_wait({"retry-after": told}, NOW) == 120
    finally:
        monkeypatch.undo()
        time.tzset()

"""rules.py over time: what goes on is told within minutes, and what is over is not told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from services.notifier.rules import RULES, judge
from services.notifier.senders import quantile
from services.notifier.thresholds import NAMES, Thresholds
from services.telemetry.tally import SECONDS

EVERY = 15
LAG = 10
"""Seconds until what a process has counted is reported."""
BEGIN = 1800
END = 3600

Counts = dict[str, float]
Happens = Callable[[int], Counts]
"""What happens in a second."""

FAILING: dict[str, Counts] = {
    "error_rate": {"received": 2, "failed": 2},
    "slow_answers": {"received": 2, "slow": 2},
    "signature_failures": {"unauthentic": 2},
    "retries": {"retried": 2},
    "deliveries_failing": {"attempts": 2, "undelivered": 2},
}
WELL: Counts = {"received": 3, "attempts": 1}


def told_after(rule: str, happens: Happens) -> int | None:
    """Return how many seconds after the beginning an incident is opened, if one is."""
    hold = next(one.hold_seconds for one in RULES if one.name == rule)
    wrong_since = None
    seconds = [happens(second) for second in range(END)]
    for now in range(BEGIN - 600 + 7, END, EVERY):
        state = state_at(rule, seconds, now)
        wrong_since = (wrong_since or now) if state == "wrong" else None
        if wrong_since is not None and now - wrong_since >= hold:
            return now - BEGIN
    return None


def state_at(rule: str, seconds: list[Counts], now: int) -> str | None:
    thresholds = Thresholds(**{name: 0.0 for name in NAMES if name not in (rule, "least_calls")})
    [verdict] = judge(reading_at(seconds, now), thresholds, 30.0)
    return verdict.state


def reading_at(seconds: list[Counts], now: int) -> dict[str, Any]:
    """Return what the database would tell: of minutes, but of deliveries by the second."""
    heard = seconds[: now - LAG]
    minute = now // 60 * 60
    return {
        "read_at": "2026-03-01T12:00:00+00:00",
        "calls": [calls(heard[minute - 600 :])],
        "calls_now": [calls(heard[minute - 60 :])],
        "unauthentic_before": {},
        "retried": total(heard[now - 900 :], "retried"),
        "retried_now": total(heard[minute - 60 :], "retried"),
        "retried_before": 0,
        "deliveries": {
            "attempts": total(seconds[now - 900 : now], "attempts"),
            "failed": total(seconds[now - 900 : now], "undelivered"),
            "attempts_now": total(seconds[now - 180 : now], "attempts"),
            "failed_now": total(seconds[now - 180 : now], "undelivered"),
        },
        "hours": [],
        "silent": [],
        "operations": {"processes": []},
    }


def calls(seconds: list[Counts]) -> dict[str, Any]:
    buckets = [0.0] * (len(SECONDS) + 1)
    buckets[0] = total(seconds, "received") - total(seconds, "slow")
    buckets[9] = total(seconds, "slow")
    kinds = ("received", "failed", "rejected", "unavailable", "unauthentic")
    counts: dict[str, Any] = {kind: total(seconds, kind) for kind in kinds}
    return {"source": "tavus", "buckets": buckets, **counts}


def total(seconds: list[Counts], kind: str) -> float:
    return sum(second.get(kind, 0) for second in seconds)


def bursts(rule: str, before: Counts, after: Counts) -> Iterator[int | None]:
    """Yield when bursts of 36 seconds are told that begin anywhere in a minute."""
    for begin in range(BEGIN, BEGIN + 60, 4):

        def happens(second: int, begin: int = begin) -> Counts:
            if second < begin:
                return before
            return FAILING[rule] if second < begin + 36 else after

        yield told_after(rule, happens)


@pytest.mark.parametrize("rule", FAILING)
@pytest.mark.parametrize("before", [WELL, {}], ids=["busy", "quiet"])
@pytest.mark.parametrize("after", [WELL, {}], ids=["well", "silent"])
def test_a_burst_that_is_over_is_never_told(rule: str, before: Counts, after: Counts) -> None:
    assert set(bursts(rule, before, after)) == {None}


@pytest.mark.parametrize("rule", FAILING)
@pytest.mark.parametrize("before", [WELL, {}], ids=["busy", "quiet"])
def test_what_goes_on_is_told_within_minutes(rule: str, before: Counts) -> None:
    seconds = told_after(rule, lambda second: before if second < BEGIN else FAILING[rule])

    assert seconds is not None
    # Half of the deliveries of a quarter of an hour take longer than one call in twenty.
    assert 60 < seconds < (600 if rule == "deliveries_failing" else 300)


def test_one_in_ten_that_fails_for_long_is_told_too() -> None:
    def happens(second: int) -> Counts:
        return {"received": 1, "failed": float(second >= BEGIN and second % 10 == 0)}

    seconds = told_after("error_rate", happens)

    assert seconds is not None
    assert seconds < 600


@pytest.mark.parametrize("rule", ["error_rate", "slow_answers", "deliveries_failing"])
def test_it_is_over_minutes_after_the_last_failure(rule: str) -> None:
    seconds = [FAILING[rule] if second < BEGIN else WELL for second in range(END)]
    right = [now for now in range(BEGIN, END, EVERY) if state_at(rule, seconds, now) == "right"]

    assert right[0] - BEGIN <= 210
    assert right == list(range(right[0], END, EVERY))


@pytest.mark.parametrize(
    ("counts", "share", "seconds"),
    [
        ({}, 0.95, 0.0),
        ({0: 10}, 0.5, SECONDS[0] / 2),
        ({0: 5, 2: 5}, 0.75, (SECONDS[1] + SECONDS[2]) / 2),
        ({0: 95, len(SECONDS): 5}, 0.95, SECONDS[0]),
        # Longer than the last bound: nobody knows by how much.
        ({0: 90, len(SECONDS): 10}, 0.95, SECONDS[-1]),
        ({len(SECONDS): 1}, 0.5, SECONDS[-1]),
    ],
    ids=str,
)
def test_a_share_of_the_answers_came_within(
    counts: dict[int, int], share: float, seconds: float
) -> None:
    buckets = [counts.get(n, 0) for n in range(len(SECONDS) + 1)]

    assert quantile(buckets, share) == pytest.approx(seconds)


def test_sender_none_of_whose_calls_was_let_through_is_not_silent() -> None:
    """Where all of them were throttled, no minute knows of a last one."""
    reading = reading_at([WELL] * END, END)
    process = {"kind": "web", "alive": True}
    thresholds = Thresholds(**{name: 0.0 for name in NAMES} | {"silence": 3.0})

    def told(last_at: str | None) -> list[str]:
        hours = {"source": "tavus", "week_ago": 9, "day_ago": 9, "last_at": last_at}
        heard = {**reading, "hours": [hours], "operations": {"processes": [process]}}
        return [verdict.state for verdict in judge(heard, thresholds, 30.0)]

    assert told(None) == ["right"]
    assert told("2026-03-01T10:59:00+00:00") == ["wrong"]

"""breaker.py: after a few failures in a row nobody waits, until one call has come through."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from structlog.testing import capture_logs

from services.database import DatabaseRefused
from services.errors import Unavailable
from services.outage.breaker import Breaker


class Clock:
    """Time that passes when told to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Calls:
    """Work that ends as it is told to, and counts."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.count = 0

    def __call__(self) -> str:
        self.count += 1
        if self.error is not None:
            raise self.error
        return "answer"


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock()


@pytest.fixture(name="breaker")
def _breaker(clock: Clock) -> Breaker:
    return Breaker(failures=3, seconds=60, clock=clock)


def miss(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(Unavailable, match="gone"):
            breaker.call(Calls(Unavailable("gone")))


def test_failures_in_a_row_open_it(breaker: Breaker) -> None:
    miss(breaker, 3)

    calls = Calls()
    with pytest.raises(Unavailable, match="tried again soon"):
        breaker.call(calls)
    assert breaker.state == "open"
    assert calls.count == 0


def test_an_answer_between_failures_keeps_it_closed(breaker: Breaker) -> None:
    miss(breaker, 2)
    breaker.call(Calls())
    miss(breaker, 2)

    assert breaker.state == "closed"


def test_a_refusal_is_an_answer(breaker: Breaker) -> None:
    miss(breaker, 2)
    with pytest.raises(DatabaseRefused):
        breaker.call(Calls(DatabaseRefused("no")))
    miss(breaker, 2)

    assert breaker.state == "closed"


def test_a_defect_is_no_answer(breaker: Breaker) -> None:
    miss(breaker, 2)
    with pytest.raises(ZeroDivisionError):
        breaker.call(Calls(ZeroDivisionError()))

    assert breaker.state == "open"


def test_one_call_tries_again_when_the_wait_is_over(breaker: Breaker, clock: Clock) -> None:
    miss(breaker, 3)
    clock.now += 59.9
    assert breaker.state == "open"
    clock.now += 0.1

    assert breaker.state == "half-open"
    assert breaker.call(Calls()) == "answer"
    assert breaker.state == "closed"


def test_a_failed_trial_opens_it_for_as_long_again(breaker: Breaker, clock: Clock) -> None:
    miss(breaker, 3)
    clock.now += 60
    miss(breaker)
    clock.now += 59
    assert breaker.state == "open"
    clock.now += 1

    assert breaker.call(Calls()) == "answer"


def test_nobody_else_goes_through_during_the_trial(breaker: Breaker, clock: Clock) -> None:
    miss(breaker, 3)
    clock.now += 60
    began, may_end = threading.Event(), threading.Event()

    def trial() -> str:
        began.set()
        may_end.wait(10)
        return "back"

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(breaker.call, trial)
        assert began.wait(5)
        with pytest.raises(Unavailable):
            breaker.call(Calls())
        with pytest.raises(Unavailable):
            breaker.check_turn()
        may_end.set()
        assert first.result() == "back"

    breaker.check_turn()


def test_a_call_from_before_it_opened_prolongs_nothing(breaker: Breaker, clock: Clock) -> None:
    miss(breaker, 2)
    began, may_end = threading.Event(), threading.Event()

    def late() -> None:
        began.set()
        may_end.wait(10)
        raise Unavailable("late")

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(breaker.call, late)
        assert began.wait(5)
        miss(breaker)
        clock.now += 59
        may_end.set()
        assert isinstance(slow.exception(), Unavailable)
    clock.now += 1

    assert breaker.state == "half-open"


def test_lookups_wait_until_it_is_closed(breaker: Breaker, clock: Clock) -> None:
    breaker.check()
    miss(breaker, 3)
    clock.now += 60

    breaker.check_turn()
    with pytest.raises(Unavailable):
        breaker.check()


def test_whoever_wants_to_know_is_told_when_it_opens_and_closes(clock: Clock) -> None:
    told: list[str] = []
    breaker = Breaker(failures=2, seconds=7, clock=clock, name="Tavus", changed=told.append)

    with capture_logs() as logs:
        breaker.call(Calls())
        miss(breaker, 2)
        clock.now += 7
        breaker.call(Calls())
        breaker.call(Calls())

    assert told == ["open", "closed"]
    assert logs == [
        {"event": "circuit open", "to": "Tavus", "seconds": 7, "log_level": "warning"},
        {"event": "circuit closed", "to": "Tavus", "log_level": "info"},
    ]


def test_the_refusal_names_who_does_not_answer(clock: Clock) -> None:
    named = Breaker(failures=1, clock=clock, name="Tavus")
    unnamed = Breaker(failures=1, clock=clock)
    miss(named)
    miss(unnamed)

    for breaker, name in ((named, "Tavus"), (unnamed, "Supabase")):
        with pytest.raises(Unavailable) as refused:
            breaker.check_turn()
        sentence = f"{name} has not answered for a while; it is tried again soon."
        assert refused.value.detail == sentence


def test_work_aside_opens_no_closed_circuit_and_counts_in_an_open_one(
    breaker: Breaker, clock: Clock
) -> None:
    for _ in range(5):
        with pytest.raises(Unavailable, match="gone"):
            breaker.call_aside(Calls(Unavailable("gone")))
    assert breaker.call_aside(Calls()) == "answer"
    assert breaker.state == "closed"

    miss(breaker, 3)
    with pytest.raises(Unavailable, match="tried again soon"):
        breaker.call_aside(Calls())
    clock.now += 60
    assert breaker.call_aside(Calls()) == "answer"
    assert breaker.state == "closed"

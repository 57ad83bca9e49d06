"""Chores: done again while more is left, each on its own, whatever one of them raises."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from services.chores import chore
from services.chores.chore import Chore
from services.errors import Unavailable


@pytest.fixture(autouse=True)
def _no_long_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chore, "AWAY", 0.0)


def done_by(work: Callable[[threading.Event], Iterator[bool]]) -> None:
    """Run a chore in its thread until its work stops it; fail when it never does."""
    stopping = threading.Event()
    steps = work(stopping)
    thread = Chore(name="test", every=0.001, work=lambda: next(steps)).start(stopping)
    thread.join(timeout=10)
    assert not thread.is_alive()


def test_it_is_done_again_until_stopped() -> None:
    turns = []

    def work(stopping: threading.Event) -> Iterator[bool]:
        for turn in range(5):
            turns.append(turn)
            yield turn % 2 == 0
        stopping.set()
        yield False

    done_by(work)
    assert turns == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("error", [Unavailable(), ValueError("a defect"), KeyError()])
def test_an_error_costs_one_turn(error: Exception) -> None:
    turns: list[int] = []
    stopping = threading.Event()

    def work() -> bool:
        turns.append(1)
        if len(turns) < 3:
            raise error
        stopping.set()
        return False

    thread = Chore(name="test", every=0.001, work=work).start(stopping)
    thread.join(timeout=10)
    assert len(turns) == 3


def test_it_waits_when_nothing_is_left_and_stops_while_it_waits() -> None:
    stopping = threading.Event()
    worked = threading.Event()
    turns = []

    def work() -> bool:
        turns.append(1)
        worked.set()
        return False

    thread = Chore(name="test", every=3600.0, work=work).start(stopping)
    assert worked.wait(10)
    stopping.set()
    thread.join(timeout=10)
    assert not thread.is_alive()
    assert len(turns) == 1

"""Look-ups: for somebody who waits on the line an answer, the failure, or no more waiting; of what
was looked up lately no second question.
"""

from __future__ import annotations

from threading import Event
from typing import Any

import pytest

from services.database import Conversation
from services.errors import Unavailable
from services.lookups import CachedLookups, HurriedLookups
from services.provider import Phone, Scenario

PHONE = Phone(id="5e2f8a52-6a3c-4b1e-9c55-0c4f8a0b1d11", phone_number="+15550000001")


class Desk:
    """Answers once it may; remembers what it was asked."""

    def __init__(self, error: Exception | None = None) -> None:
        self.may_answer = Event()
        self.answered = Event()
        self.error = error

    def phone(self, phone_number: str) -> Phone | None:
        assert self.may_answer.wait(10)
        self.answered.set()
        if self.error:
            raise self.error
        return PHONE if phone_number == PHONE.phone_number else None

    def videos(self, conversation_id: str, *, fresh: bool = False) -> tuple[Any, ...]:
        return (conversation_id, fresh)

    def scenario(self, conversation_id: str) -> None:
        return None


def test_answer_in_time_is_the_answer() -> None:
    desk = Desk()
    desk.may_answer.set()
    hurried = HurriedLookups(desk)

    assert hurried.phone(PHONE.phone_number) == PHONE
    assert hurried.phone("+1") is None
    assert hurried.videos("c1", fresh=True) == ("c1", True)
    assert hurried.scenario("c1") is None


def test_late_answer_is_not_waited_for_but_still_given() -> None:
    desk = Desk()

    with pytest.raises(Unavailable):
        HurriedLookups(desk, seconds=0.01).phone(PHONE.phone_number)
    desk.may_answer.set()

    assert desk.answered.wait(10)


def test_failure_is_the_failure() -> None:
    desk = Desk(ValueError("no such thing"))
    desk.may_answer.set()

    with pytest.raises(ValueError, match="no such thing"):
        HurriedLookups(desk).phone(PHONE.phone_number)


SALES = Scenario(id="s1", title="Sales", metrics=None)


class Rows:
    """A database of two conversations, one of which practises; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.scenarios: dict[str, Scenario] = {}

    def conversation(self, conversation_id: str) -> Conversation | None:
        self.asked.append(conversation_id)
        scenario = {"c1": "s1", "c2": None}
        if conversation_id not in scenario:
            return None
        return Conversation(demo_id=None, scenario_id=scenario[conversation_id])

    def scenario(self, scenario_id: str) -> Scenario | None:
        self.asked.append(scenario_id)
        return self.scenarios.get(scenario_id)


def test_scenario_is_looked_up_once_and_one_that_is_missing_again() -> None:
    rows = Rows()
    lookups = CachedLookups(rows)  # type: ignore[arg-type]

    missing = lookups.scenario("c1")
    rows.scenarios["s1"] = SALES
    found = [lookups.scenario("c1") for _ in range(3)]

    assert (missing, found) == (None, [SALES] * 3)
    assert rows.asked == ["c1", "s1", "s1"]


def test_conversation_that_practises_nothing_or_is_unknown_has_no_scenario() -> None:
    rows = Rows()
    lookups = CachedLookups(rows)  # type: ignore[arg-type]

    assert [lookups.scenario(name) for name in ("c2", "c2", "c9", "c9")] == [None] * 4
    assert rows.asked == ["c2", "c9", "c9"]

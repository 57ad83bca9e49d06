"""once.py: threads that come together are given the same."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from services.once import once

MANY = 8


class Client:
    def __init__(self) -> None:
        self.all_are_here = threading.Barrier(MANY)
        self.made = 0

    @once
    def connection(self) -> object:
        """What all share."""
        self.made += 1
        # Whoever else may come in here comes now.
        threading.Event().wait(0.05)
        return object()

    def ask(self, _: int) -> object:
        self.all_are_here.wait(timeout=20)
        return self.connection


def test_threads_that_come_together_share_what_one_makes() -> None:
    client = Client()

    with ThreadPoolExecutor(MANY) as pool:
        given = set(pool.map(client.ask, range(MANY)))

    assert (len(given), client.made) == (1, 1)


def test_each_object_has_its_own() -> None:
    assert Client().connection is not Client().connection


def test_what_could_not_be_made_is_made_the_next_time() -> None:
    tries = iter([ZeroDivisionError(), 7])

    class Shaky:
        @once
        def value(self) -> int:
            told = next(tries)
            if isinstance(told, Exception):
                raise told
            return told

    shaky = Shaky()
    with pytest.raises(ZeroDivisionError):
        _ = shaky.value

    assert (shaky.value, shaky.value) == (7, 7)

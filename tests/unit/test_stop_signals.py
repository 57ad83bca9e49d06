"""What asks `make dev` to stop: a signal, or its terminal's end."""

from __future__ import annotations

import os
import pty
import signal
import sys
import time
from collections.abc import Iterator
from typing import TextIO

import pytest

from services.local.signals import STOP_SIGNALS, StopSignals


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """Who was asked to stop hears no more signals; this process goes on, and has to."""
    handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture(name="terminal")
def _terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, TextIO]]:
    """A terminal: the end that a person looks at, and our standard input."""
    person, ours = pty.openpty()
    with os.fdopen(ours) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield person, stdin


def test_terminal_that_closes_asks_to_stop(terminal: tuple[int, TextIO]) -> None:
    person, _ = terminal
    with StopSignals() as signals:
        before = signals.pause(0)
        os.close(person)
        after = signals.pause(10)

    assert (before, after) == (False, True)


def test_input_that_is_closed_asks_nothing_and_hurries_nobody(
    terminal: tuple[int, TextIO],
) -> None:
    person, stdin = terminal
    with StopSignals() as signals:
        stdin.close()
        signals.pause(0)
        begun = time.monotonic()
        asked = signals.pause(0.1)
    os.close(person)

    assert not asked
    assert time.monotonic() - begun >= 0.1


def test_signal_asks_once_and_no_more_are_heard_while_ending() -> None:
    with StopSignals() as signals:
        signal.raise_signal(signal.SIGTERM)
        asked = signals.pause(10)
    signal.raise_signal(signal.SIGTERM)

    assert asked

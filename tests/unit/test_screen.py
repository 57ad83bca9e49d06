"""What `convohooks dev` prints, on a terminal that may go away, and elsewhere."""

from __future__ import annotations

import os
import pty
import sys
from contextlib import suppress
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from services.cli.console import Screen
from services.local.parts import Part
from tests.waiting import until

SERVER = Part(name="postgres", command=(), cwd=Path())
ONCE = Part(name="push", command=(), cwd=Path(), once=True)


@pytest.fixture(name="paper")
def _paper() -> StringIO:
    return StringIO()


@pytest.fixture(name="screen")
def _screen(paper: StringIO) -> Screen:
    """A screen that is not a terminal, and narrow."""
    return Screen(Console(file=paper, width=20, highlight=False))


def test_lines_are_whole_and_steer_no_terminal(screen: Screen, paper: StringIO) -> None:
    screen.say("[bold]what came in\x1b[2J\r, of more than twenty signs", "yellow")

    assert paper.getvalue() == "[bold]what came in\\x1b[2J\\r, of more than twenty signs\n"


def test_report_tells_what_became_of_a_part(screen: Screen, paper: StringIO) -> None:
    screen.report(ONCE, "ready", 0.25)
    screen.report(SERVER, "ready", 12.0)
    screen.report(SERVER, "was killed by signal 9, starts again\n  [error] \x1b[31mgone", 1.0)

    assert paper.getvalue().splitlines() == [
        "done   push         0.2 s",
        "ready  postgres    12.0 s",
        "postgres was killed by signal 9, starts again",
        "  [error] \\x1b[31mgone",
    ]


def test_values_of_a_table_can_be_copied_whole(screen: Screen, paper: StringIO) -> None:
    address = "https://hooks.example.test/live/c0ffee0000000001"

    screen.table("Ready [now]", {"Live page": address, "Key": "sb_[red]_x"})

    assert paper.getvalue().splitlines() == [
        "",
        "Ready [now]",
        f"  Live page  {address}",
        "  Key        sb_[red]_x",
    ]


def test_terminal_shows_that_it_is_busy_until_it_settles(
    paper: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    screen = Screen(Console(file=paper, force_terminal=True, color_system=None))

    with screen.busy("Starting …"):
        until(lambda: "Starting …" in paper.getvalue())
        screen.settle()
        settled = len(paper.getvalue())
        screen.say("Ready.")

    assert paper.getvalue()[settled:] == "Ready.\n"


def test_elsewhere_nothing_moves(screen: Screen, paper: StringIO) -> None:
    with screen.busy("Starting …"):
        screen.say("Ready.")

    assert paper.getvalue() == "Ready.\n"


def test_terminal_that_is_closed_fails_nothing() -> None:
    ours, theirs = pty.openpty()
    terminal = os.fdopen(theirs, "w")
    screen = Screen(Console(file=terminal))

    with screen.busy("Starting …"):
        os.close(ours)
        screen.say("Stopping …")
    with screen.busy("Starting again …"):
        screen.say("Stopped.")

    # What could not be written is tried once more.
    with suppress(OSError):
        terminal.close()


def test_reader_who_has_gone_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as file:
        monkeypatch.setattr(sys, "stdout", file)
        screen = Screen()
        screen.say("Ready.")
        os.close(reader)

        screen.say("Stopping …")
        screen.say("Stopped.")

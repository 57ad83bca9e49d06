"""What the commands print, one way for all: JSON for programs, tables and sentences for people.

Exit codes: 0 all is well; 1 something is wrong, and standard error says what; 2 the command was
called wrongly. With --json an error is {"error": …} on standard error, and standard output holds
one JSON document or nothing.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Annotated, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

from services.plain import printable

Item = TypeVar("Item")

IS_JSON: ContextVar[bool] = ContextVar("is_json", default=False)
"""Whether the command that runs was asked for JSON."""
WIDE = 200
"""Columns of a table that goes into a file or another program."""


def _note(value: bool) -> bool:
    # Errors are told in the same way, wherever they are raised.
    IS_JSON.set(value)
    return value


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON", callback=_note, is_eager=True)]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask")]


def fail(sentence: str) -> NoReturn:
    """End with a sentence and exit code 1."""
    told = json.dumps({"error": sentence}) if IS_JSON.get() else printable(sentence, "\n")
    typer.echo(told, err=True)
    raise typer.Exit(1)


def misuse(sentence: str) -> NoReturn:
    """End as what was called wrongly, with exit code 2."""
    raise typer.BadParameter(sentence)


def confirm(sentence: str, yes: bool) -> None:
    """Ask on standard error, unless told not to; after a no it ends here, with exit code 1."""
    if yes:
        return
    if IS_JSON.get():
        misuse("With --json nobody is asked: say --yes.")
    if not typer.confirm(sentence, err=True):
        fail("Nothing was changed.")


def print_json(value: object) -> None:
    """Print JSON, for programs; in ASCII, so that nothing in it moves a cursor."""
    typer.echo(json.dumps(value, indent=2).replace("\x7f", "\\u007f"))


def print_count(name: str, count: int, as_json: bool) -> None:
    """Print how many of something there were."""
    typer.echo(json.dumps({name: count}) if as_json else f"{count} {name}.")


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str | None = None
) -> None:
    """Print a table; what others told is shown as it is, what moves a cursor as its code.

    Nothing is cut off: what is too long goes on in the next line. `empty` is said of no rows.
    """
    if not rows and empty:
        typer.echo(empty)
        return
    table = Table()
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(_cell, row))
    console().print(table)


def print_lines(*lines: str) -> None:
    """Print texts that others told: line breaks stay, what else moves a cursor is its code."""
    for line in lines:
        typer.echo(printable(line, "\n"))


def console() -> Console:
    """Return where to print: as wide as the terminal, and wide where there is none."""
    is_narrow = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(highlight=False, width=None if is_narrow else WIDE)


@contextmanager
def progress(doing: str) -> Iterator[Callable[[str], None]]:
    """Show on a terminal that something takes its time, and at what it is; say nothing else.

    It is shown on standard error, so that what is printed can be read by another program.
    """
    screen = Console(stderr=True)
    if not screen.is_terminal:
        yield lambda text: None
        return
    with screen.status(doing) as status:
        yield lambda text: status.update(f"{doing}: {text}")


def counted(doing: str, whole: int, done: Iterator[Item]) -> list[Item]:
    """Return everything of an iterator; on a terminal a bar shows how far it is."""
    screen = Console(stderr=True)
    return list(
        track(
            done, doing, total=whole, console=screen, disable=not screen.is_terminal, transient=True
        )
    )


def styled(text: object, style: str) -> Text:
    """Return a cell in a colour."""
    return Text(printable(str(text)), style)


def _cell(cell: object) -> Text:
    if isinstance(cell, Text):
        return cell
    if isinstance(cell, list | tuple):
        return Text(printable(", ".join(map(str, cell))))
    return Text(printable("" if cell is None else str(cell)))

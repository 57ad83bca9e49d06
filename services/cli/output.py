"""What the commands print, one way for all: JSON for programs, tables and sentences for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON")]


def fail(sentence: str) -> NoReturn:
    """End with a sentence and exit code 1."""
    typer.echo(sentence, err=True)
    raise typer.Exit(1)


def print_json(value: object) -> None:
    """Print JSON, for programs."""
    typer.echo(json.dumps(value, indent=2))


def print_count(name: str, count: int, as_json: bool) -> None:
    """Print how many of something there were."""
    typer.echo(json.dumps({name: count}) if as_json else f"{count} {name}.")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; what others told is shown as it is, without what moves a cursor."""
    table = Table(*columns)
    for row in rows:
        table.add_row(*(Text("".join(filter(str.isprintable, str(cell)))) for cell in row))
    Console().print(table)

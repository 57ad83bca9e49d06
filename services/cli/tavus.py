"""What the commands that set something up at Tavus have in common."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from services.clients.tavus import TavusClient
from services.errors import ConvohooksError, SettingsError
from services.settings import Settings, load_settings
from services.tavus_setup.objectives import Pushed
from services.tavus_setup.resources import without_secrets

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done")]


@contextmanager
def tavus() -> Iterator[tuple[TavusClient, Settings]]:
    """Call Tavus as the settings say; end with a sentence, not a traceback, when that fails."""
    settings = None
    try:
        settings = load_settings()
        if not settings.tavus_api_key:
            raise SettingsError("TAVUS_API_KEY is not set.")
        yield TavusClient(settings), settings
    except ConvohooksError as error:
        fail(without_secrets(error.detail, settings) if settings else error.detail)


def fail(sentence: str) -> NoReturn:
    """End with a sentence and exit code 1."""
    typer.echo(sentence, err=True)
    raise typer.Exit(1)


def print_json(value: object) -> None:
    """Print JSON, for programs."""
    typer.echo(json.dumps(value, indent=2))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; what Tavus tells is shown as it is, without what moves a cursor."""
    table = Table(*columns)
    for row in rows:
        table.add_row(*(Text("".join(filter(str.isprintable, str(cell)))) for cell in row))
    Console().print(table)


def print_pushed(what: str, pushed: Pushed, dry_run: bool, as_json: bool) -> None:
    """Print what a push has done."""
    if as_json:
        print_json({**asdict(pushed), "dry_run": dry_run})
        return
    outcome = {"created": "created", "changed": "changed", "current": "is as wanted"}
    sentence = f"{what} {pushed.name!r} ({pushed.id}): {outcome[pushed.outcome]}"
    typer.echo(f"Would be: {sentence}" if dry_run and pushed.outcome != "current" else sentence)
    for place in pushed.fields:
        typer.echo(f"  {place}")

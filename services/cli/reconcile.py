"""`convohooks reconcile`: asks Tavus for what lost callbacks left open."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from services.cli.output import fail
from services.errors import ConvohooksError
from services.reconciler import Look, Reconciler
from services.settings import load_settings
from services.wiring import wire_reconciler

COLUMNS = ("conversation", "Tavus says", "outcome", "new events", "known events", "error")


def run(conversation: str | None, as_json: bool) -> int:
    """Reconcile one conversation, or every one that lacks something; return the exit code.

    0: all were looked up. 1: something could not be, or there is no such conversation.
    """
    with _reconciler() as reconciler:
        looks = list(_looks(reconciler, conversation))
    if as_json:
        typer.echo(json.dumps([_summary(look) for look in looks], indent=2))
    else:
        _print(looks)
    return 1 if any(look.error for look in looks) else 0


def _looks(reconciler: Reconciler, conversation: str | None) -> Iterator[Look]:
    if conversation is None:
        yield from reconciler.reconcile_all()
        return
    look = reconciler.reconcile(conversation)
    if look is None:
        fail(f"There is no conversation {conversation}.")
    yield look


def _print(looks: list[Look]) -> None:
    if not looks:
        typer.echo("No conversation lacks its end or its transcript.")
        return
    table = Table(*COLUMNS)
    for look in looks:
        cells = (
            look.conversation_id,
            look.told,
            look.outcome,
            look.new,
            look.duplicates,
            look.error or "",
        )
        table.add_row(*(Text(str(cell)) for cell in cells))
    Console().print(table)


def _summary(look: Look) -> dict[str, object]:
    return {name: value for name, value in asdict(look).items() if name != "is_away"}


@contextmanager
def _reconciler() -> Iterator[Reconciler]:
    """Build it as the settings say; end with a sentence, not a traceback, when something fails."""
    try:
        reconciler = wire_reconciler(load_settings())
        if reconciler is None:
            fail("TAVUS_API_KEY is not set.")
        try:
            yield reconciler
        finally:
            reconciler.database.close()
    except ConvohooksError as error:
        fail(error.detail)

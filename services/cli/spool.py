"""`convohooks spool`: what Supabase would not store, and another try for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from services.cli.output import (
    AsJson,
    Yes,
    confirm,
    fail,
    misuse,
    print_count,
    print_json,
    print_lines,
    print_table,
)
from services.outage import unsendable
from services.outage.spool import Spool
from services.outage.unsendable import Unsendable
from services.settings import load_settings
from services.wiring.parts import wire_spool

HELP = "List, show, retry and discard spooled events that Supabase would not store."
app = typer.Typer(no_args_is_help=True, add_completion=False, help=HELP)

NAMES = ("source", "event_type", "conversation_id", "received_at")


@app.command("list")
def list_rows(limit: int = 50, as_json: AsJson = False) -> None:
    """List unsendable events, oldest first."""
    with _spool() as spool:
        rows = unsendable.list_rows(spool, limit)
    if as_json:
        print_json([_summary(row) for row in rows])
        return
    columns = ("id", "source", "type", "conversation", "error")
    print_table(
        columns,
        [
            (row.id, row.row.get("source"), row.kind, row.row.get("conversation_id"), row.error)
            for row in rows
        ],
    )


@app.command("show")
def show_row(row_id: Annotated[int, typer.Argument(metavar="ID")], as_json: AsJson = False) -> None:
    """Show one event: why it was given up, and what came."""
    with _spool() as spool:
        row = unsendable.find_row(spool, row_id)
    if row is None:
        fail(_no_such(row_id))
    if as_json:
        print_json({**_summary(row), "body": row.body})
        return
    print_lines(f"{row.row.get('source')}  {row.kind}", row.error, row.body)


@app.command("retry")
def retry_rows(
    row_id: Annotated[int | None, typer.Argument(metavar="ID")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every unsendable event")] = False,
    as_json: AsJson = False,
) -> None:
    """Send one event, or all, again: the service or a worker does it within a second."""
    if (row_id is None) != every:
        misuse("Name an event, or say --all.")
    with _spool() as spool:
        retried = unsendable.retry(spool, row_id)
    if row_id is not None and not retried:
        fail(_no_such(row_id))
    print_count("retried", retried, as_json)


@app.command("discard")
def discard_row(
    row_id: Annotated[int, typer.Argument(metavar="ID")],
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Delete one event for good."""
    confirm(f"Delete event {row_id} for good?", yes)
    with _spool() as spool:
        discarded = unsendable.discard(spool, row_id)
    if not discarded:
        fail(_no_such(row_id))
    print_count("discarded", discarded, as_json)


@contextmanager
def _spool() -> Iterator[Spool]:
    """Open the spool of the settings; end with a sentence where there is none."""
    settings = load_settings()
    spool = wire_spool(settings)
    if spool is None or settings.spool_path is None:
        fail("There is no spool: SPOOL_PATH is not set.")
    # Made here it would be ours, and the service might not be let in.
    if not settings.spool_path.exists():
        fail(f"There is nothing at {settings.spool_path}; the service makes it when it starts.")
    try:
        yield spool
    finally:
        spool.close()


def _summary(row: Unsendable) -> dict[str, Any]:
    return {"id": row.id, **{name: row.row.get(name) for name in NAMES}, "error": row.error}


def _no_such(row_id: int) -> str:
    return f"There is no unsendable event {row_id}."

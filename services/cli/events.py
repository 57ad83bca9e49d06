"""`convohooks events`: what came in, what failed, and another try for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from uuid import UUID

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from services.cli.output import AsJson, fail, print_count, print_json
from services.database import Database
from services.errors import ConvohooksError
from services.inbox import EventFilter, EventSummary, StoredEvent
from services.settings import load_settings
from services.validation import explain

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="List, show, replay and purge stored events."
)

STATES = "received, processed, ignored, unmatched, failed or dead"
State = Annotated[str | None, typer.Option(help=STATES)]
Source = Annotated[str | None, typer.Option(help="The sender, e.g. tavus")]
Type = Annotated[str | None, typer.Option("--type", help="The event type")]
Conversation = Annotated[str | None, typer.Option(help="The conversation's id")]
Since = Annotated[str | None, typer.Option(help="Received at or after this time (ISO 8601)")]
Until = Annotated[str | None, typer.Option(help="Received before this time (ISO 8601)")]
Error = Annotated[str | None, typer.Option(help="A part of the last error")]


@app.command("list")
def list_events(
    state: State = "dead",
    source: Source = None,
    type_: Type = None,
    conversation: Conversation = None,
    since: Since = None,
    until: Until = None,
    error: Error = None,
    limit: int = 50,
    as_json: AsJson = False,
) -> None:
    """List events, newest first; dead ones unless --state says otherwise (--state '' for all)."""
    with _database() as database:
        wanted = _filter(state, source, type_, conversation, since, until, error)
        rows = database.list_events(wanted, None, limit)
    if as_json:
        print_json(rows)
        return
    table = Table("id", "received", "type", "conversation", "state", "attempts", "last error")
    for event in map(EventSummary.model_validate, rows):
        reason = (event.last_error or "").strip().rpartition("\n")[2]
        cells = (
            event.id,
            f"{event.received_at:%Y-%m-%d %H:%M:%S}",
            event.event_type,
            event.conversation_id or "",
            event.state,
            event.attempts,
            reason,
        )
        table.add_row(*(Text(str(cell)) for cell in cells))
    Console().print(table)


@app.command("show")
def show_event(event_id: UUID, as_json: AsJson = False) -> None:
    """Show one event: what came, and how each attempt failed."""
    with _database() as database:
        row = database.show_event(event_id)
    if row is None:
        fail(f"There is no event {event_id}.")
    event = StoredEvent.read(row)
    if as_json:
        typer.echo(event.model_dump_json(indent=2))
        return
    console = Console()
    console.print(Text(f"{event.event_type}  {event.state}  {event.attempts} attempts"))
    console.print(Text(event.body))
    for failure in event.failures:
        console.print(Text(f"\nAttempt {failure.attempt}, {failure.at:%Y-%m-%d %H:%M:%S}"))
        console.print(Text(failure.error))


@app.command("replay")
def replay_events(
    event_id: Annotated[UUID | None, typer.Argument(help="One event")] = None,
    state: State = "dead",
    source: Source = None,
    type_: Type = None,
    conversation: Conversation = None,
    since: Since = None,
    until: Until = None,
    error: Error = None,
    as_json: AsJson = False,
) -> None:
    """Make events due again: one, all that a filter names, or every dead one."""
    with _database() as database:
        wanted = _filter(state, source, type_, conversation, since, until, error)
        replayed = database.replay_events({"id": str(event_id)} if event_id else wanted)
    print_count("replayed", replayed, as_json)


@app.command("purge")
def purge_events(
    source: Source = None,
    type_: Type = None,
    conversation: Conversation = None,
    since: Since = None,
    until: Until = None,
    error: Error = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete dead events for good."""
    if not yes:
        typer.confirm("Delete these dead events for good?", abort=True)
    with _database() as database:
        wanted = _filter(None, source, type_, conversation, since, until, error)
        purged = database.purge_events(wanted)
    print_count("purged", purged, as_json)


@contextmanager
def _database() -> Iterator[Database]:
    """Connect as the settings say; end with a sentence, not a traceback, when that fails."""
    try:
        database = Database(load_settings())
        try:
            yield database
        finally:
            database.close()
    except ConvohooksError as error:
        fail(error.detail)


def _filter(
    state: str | None,
    source: str | None,
    event_type: str | None,
    conversation_id: str | None,
    since: str | None,
    until: str | None,
    error: str | None,
) -> dict[str, Any]:
    given = {
        "state": state,
        "source": source,
        "event_type": event_type,
        "conversation_id": conversation_id,
        "since": since,
        "until": until,
        "error": error,
    }
    try:
        return EventFilter.model_validate({k: v for k, v in given.items() if v}).as_json()
    except ValidationError as problem:
        fail(explain(problem))

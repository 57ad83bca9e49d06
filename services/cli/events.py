"""`convohooks events`: what came in, and what failed."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from services.cli.filters import (
    Conversation,
    Error,
    Since,
    Source,
    State,
    Type,
    Until,
    database,
    event_filter,
)
from services.cli.output import (
    AsJson,
    Yes,
    confirm,
    fail,
    print_count,
    print_json,
    print_lines,
    print_table,
)
from services.inbox.inbox import EventSummary, StoredEvent

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="List, show and purge stored events."
)

COLUMNS = ("id", "received", "type", "conversation", "state", "attempts", "last error")


@app.command("list")
def list_events(
    state: State = "dead",
    source: Source = None,
    type_: Type = None,
    conversation: Conversation = None,
    since: Since = None,
    until: Until = None,
    error: Error = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many")] = 50,
    as_json: AsJson = False,
) -> None:
    """List events, newest first; dead ones unless --state says otherwise (--state '' for all)."""
    wanted = event_filter(
        state=state,
        source=source,
        event_type=type_,
        conversation_id=conversation,
        since=since,
        until=until,
        error=error,
    )
    with database() as connected:
        rows = connected.list_events(wanted, None, limit)
    if as_json:
        print_json(rows)
        return
    print_table(COLUMNS, [_cells(EventSummary.model_validate(row)) for row in rows])


@app.command("show")
def show_event(event_id: UUID, as_json: AsJson = False) -> None:
    """Show one event: what came, and how each attempt failed."""
    with database() as connected:
        row = connected.show_event(event_id)
    if row is None:
        fail(f"There is no event {event_id}.")
    event = StoredEvent.read(row)
    if as_json:
        print_json(event.model_dump(mode="json"))
        return
    print_lines(f"{event.event_type}  {event.state}  {event.attempts} attempts", event.body)
    for failure in event.failures:
        print_lines(f"\nAttempt {failure.attempt}, {failure.at:%Y-%m-%d %H:%M:%S}", failure.error)


@app.command("purge")
def purge_events(
    source: Source = None,
    type_: Type = None,
    conversation: Conversation = None,
    since: Since = None,
    until: Until = None,
    error: Error = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Delete dead events for good."""
    wanted = event_filter(
        source=source,
        event_type=type_,
        conversation_id=conversation,
        since=since,
        until=until,
        error=error,
    )
    confirm("Delete these dead events for good?", yes)
    with database() as connected:
        purged = connected.purge_events(wanted)
    print_count("purged", purged, as_json)


def _cells(event: EventSummary) -> tuple[object, ...]:
    reason = (event.last_error or "").strip().rpartition("\n")[2]
    received = f"{event.received_at:%Y-%m-%d %H:%M:%S}"
    return (
        event.id,
        received,
        event.event_type,
        event.conversation_id,
        event.state,
        event.attempts,
        reason,
    )

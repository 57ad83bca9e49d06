"""`convohooks replay`: another try for stored events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any
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
from services.cli.output import AsJson, fail, misuse, print_count, progress
from services.database import Database

app = typer.Typer(add_completion=False)

Batch = Annotated[int, typer.Option(min=1, max=5000, help="Events made due by one call")]


@app.command()
def replay(
    event_ids: Annotated[list[UUID] | None, typer.Argument(metavar="ID", help="Events")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of that state, dead ones else")] = False,
    state: State = None,
    source: Source = None,
    type_: Type = None,
    conversation: Conversation = None,
    since: Since = None,
    until: Until = None,
    error: Error = None,
    batch: Batch = 500,
    as_json: AsJson = False,
) -> None:
    """Have stored events handled again: by id, by a filter, or every dead one.

    A filter means dead events unless --state says otherwise. A worker handles them.
    """
    told = event_filter(
        source=source,
        event_type=type_,
        conversation_id=conversation,
        since=since,
        until=until,
        error=error,
    )
    if every and told:
        misuse("A filter names all that match it: leave out --all.")
    if bool(event_ids) + (every or bool(told) or state is not None) != 1:
        misuse("Name events by their ids, or by a filter, or say --all.")
    wanted = event_filter(state="dead" if state is None else state) | told
    with database() as connected, progress("Replaying") as tell:
        pages = [list(map(str, event_ids))] if event_ids else _pages(connected, wanted, batch)
        replayed = 0
        for ids in pages:
            replayed += connected.replay_events({"ids": ids})
            tell(f"{replayed} events")
    if event_ids and replayed < len(set(event_ids)):
        fail(
            f"{replayed} of {len(set(event_ids))} replayed. The others are not there, have no body"
            " any more, or are in a worker's hands."
        )
    print_count("replayed", replayed, as_json)


def _pages(connected: Database, wanted: Mapping[str, Any], size: int) -> Iterator[list[str]]:
    """Yield the ids of what a filter names, newest first, each once whatever becomes of it."""
    before: int | None = None
    while rows := connected.list_events(wanted, before, size):
        before = rows[-1]["seq"]
        yield [row["id"] for row in rows]

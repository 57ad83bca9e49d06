"""Which events a command is about, and the database that it asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from services.cli.output import misuse
from services.database import Database
from services.inbox.inbox import EventFilter
from services.settings import load_settings
from services.validation import explain


def _said(value: str | None) -> str | None:
    """Refuse an empty filter, as from a script whose variable is not set: it would name all."""
    if value == "":
        misuse("is empty; leave it out where it does not matter.")
    return value


STATES = "received, processed, ignored, unmatched, failed or dead; '' for all"
State = Annotated[str | None, typer.Option(help=STATES)]
Source = Annotated[str | None, typer.Option(help="The sender, e.g. tavus", callback=_said)]
Type = Annotated[str | None, typer.Option("--type", help="The event type", callback=_said)]
Conversation = Annotated[str | None, typer.Option(help="The conversation's id", callback=_said)]
Since = Annotated[
    str | None, typer.Option(help="Received at or after this time (ISO 8601)", callback=_said)
]
Until = Annotated[
    str | None, typer.Option(help="Received before this time (ISO 8601)", callback=_said)
]
Error = Annotated[str | None, typer.Option(help="A part of the last error", callback=_said)]


@contextmanager
def database() -> Iterator[Database]:
    """Connect as the settings say."""
    connected = Database(load_settings())
    try:
        yield connected
    finally:
        connected.close()


def event_filter(**given: str | None) -> dict[str, Any]:
    """Return what was given as a filter; what is wrong with it is told as a wrong call."""
    try:
        return EventFilter.model_validate({k: v for k, v in given.items() if v}).as_json()
    except ValidationError as problem:
        misuse(explain(problem))

"""What the commands that set something up at Tavus have in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import typer

from services.cli.output import fail, print_json, print_lines
from services.clients.tavus import TavusClient
from services.errors import ConvohooksError, SettingsError
from services.redaction import mask_sentence
from services.settings import Settings, load_settings
from services.tavus_setup.objectives import Pushed

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
        fail(
            mask_sentence(error.detail, settings.tavus_webhook_tokens) if settings else error.detail
        )


def print_pushed(what: str, pushed: Pushed, dry_run: bool, as_json: bool) -> None:
    """Print what a push has done."""
    if as_json:
        print_json({**asdict(pushed), "dry_run": dry_run})
        return
    outcome = {"created": "created", "changed": "changed", "current": "is as wanted"}
    sentence = f"{what} {pushed.name!r} ({pushed.id}): {outcome[pushed.outcome]}"
    print_lines(f"Would be: {sentence}" if dry_run and pushed.outcome != "current" else sentence)
    for place in pushed.fields:
        print_lines(f"  {place}")

"""`convohooks objectives`: the sets of objectives that Tavus has, and those of this project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.cli.output import AsJson, print_json, print_table
from services.cli.tavus import DryRun, print_pushed, tavus
from services.tavus_setup.objectives import (
    list_objectives,
    objectives_file,
    push_objectives,
    read_objectives,
)
from services.tavus_setup.persona import attach_objectives

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Make objectives at Tavus, and list them."
)

File = Annotated[
    Path | None, typer.Option("--file", help="The set; else OBJECTIVES_FILE, else the default")
]
Persona = Annotated[str | None, typer.Option(help="Give this persona (its id) the set")]


@app.command("push")
def push(
    file: File = None, persona: Persona = None, dry_run: DryRun = False, as_json: AsJson = False
) -> None:
    """Make a set of objectives at Tavus, or change what differs in the one of its name."""
    with tavus() as (client, settings):
        wanted = read_objectives(objectives_file(settings, file))
        pushed = push_objectives(client, settings, wanted, dry_run=dry_run)
        if persona and not dry_run:
            attach_objectives(client, persona, pushed.id)
    print_pushed("Objectives", pushed, dry_run, as_json)


@app.command("list")
def list_sets(as_json: AsJson = False) -> None:
    """List what Tavus has, and where each completion is sent."""
    with tavus() as (client, settings):
        found = list(list_objectives(client, settings))
    if as_json:
        print_json(found)
        return
    rows = [
        (row["id"], row["name"], item["name"], item["callback_url"] or "", item["callback"] or "")
        for row in found
        for item in row["objectives"]
    ]
    print_table(("id", "set", "objective", "callback", ""), rows)

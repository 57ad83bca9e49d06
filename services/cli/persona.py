"""`convohooks persona`: the persona of the demo at Tavus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.cli.output import AsJson, fail
from services.cli.tavus import DryRun, print_pushed, tavus
from services.tavus_setup.persona import DEFAULT_FOLDER, push_persona, read_persona
from services.tools.registration import Registered, register
from services.tools.registry import TOOLS

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Make the demo's persona at Tavus."
)

Folder = Annotated[
    Path, typer.Option("--folder", help="Where persona.json and system_prompt.md are")
]
Id = Annotated[str | None, typer.Option("--id", help="Change this one; else the one of its name")]
Replica = Annotated[str | None, typer.Option(help="Its face; else TAVUS_REPLICA_ID")]
Objectives = Annotated[str | None, typer.Option(help="Its objectives, by id or name")]

WithTools = Annotated[bool, typer.Option("--tools", help="Register our tools and attach them")]


@app.callback()
def persona() -> None:
    """Make the demo's persona at Tavus."""


@app.command("push")
def push(
    folder: Folder = DEFAULT_FOLDER,
    id_: Id = None,
    replica: Replica = None,
    objectives: Objectives = None,
    with_tools: WithTools = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Make the persona, or change what differs."""
    with tavus() as (client, settings):
        pushed = push_persona(
            client,
            settings,
            read_persona(folder),
            persona_id=id_,
            replica_id=replica,
            objectives_id=objectives,
            dry_run=dry_run,
        )
        tools: list[Registered] = []
        if with_tools and not dry_run:
            tools += register(client, TOOLS, settings, persona=pushed.id)
    print_pushed("Persona", pushed, dry_run, as_json)
    failed = [f"{tool.name}: {tool.error}" for tool in tools if tool.error]
    if failed:
        fail("\n".join(failed))

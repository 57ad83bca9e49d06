"""`convohooks tools`: makes Tavus know the tools that this service runs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from services.cli.output import AsJson, print_json, print_table
from services.cli.tavus import tavus
from services.tools.registration import Registered, inline, register
from services.tools.registry import TOOLS

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Register the agent's tools at Tavus."
)


@app.command("register")
def register_tools(
    persona: Annotated[str | None, typer.Option(help="Attach them to this persona (PAL)")] = None,
    no_sign: Annotated[
        bool, typer.Option("--no-sign", help="Bearer token and flat arguments, no signature")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Send all again, for a secret that was rotated")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Create or update the tools at Tavus by name. Doing it again changes nothing."""
    with tavus() as (client, settings):
        rows = list(
            register(client, TOOLS, settings, persona=persona, signed=not no_sign, force=force)
        )
    _print(rows, as_json=as_json)
    if no_sign:
        typer.echo("Unsigned calls do not name their conversation: no screen shows them.", err=True)
    if any(row.error for row in rows):
        raise typer.Exit(1)


@app.command("schema")
def print_schema(as_json: AsJson = True) -> None:
    """Print the tools in the older inline form (JSON), for a persona's layers.llm.tools."""
    print_json(inline(TOOLS))


def _print(rows: list[Registered], *, as_json: bool) -> None:
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    cells = [(row.name, row.tool_id, row.what, row.attached, row.error) for row in rows]
    print_table(("tool", "id", "what", "persona", "error"), cells)

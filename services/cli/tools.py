"""`convohooks tools`: makes Tavus know the tools that this service runs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from services.cli.output import AsJson, fail
from services.clients.tavus import TavusClient
from services.errors import ConvohooksError, SettingsError
from services.settings import load_settings
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
    try:
        settings = load_settings()
        if not settings.tavus_api_key:
            raise SettingsError("TAVUS_API_KEY is missing.")
        done = register(
            TavusClient(settings), TOOLS, settings, persona=persona, signed=not no_sign, force=force
        )
        rows = list(done)
    except ConvohooksError as error:
        fail(error.detail)
    _print(rows, as_json=as_json)
    if no_sign:
        typer.echo("Unsigned calls do not name their conversation: no screen shows them.", err=True)
    if any(row.error for row in rows):
        raise typer.Exit(1)


@app.command("schema")
def print_schema() -> None:
    """Print the tools in the older inline form, for a persona's layers.llm.tools."""
    typer.echo(json.dumps(inline(TOOLS), indent=2))


def _print(rows: list[Registered], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=2))
        return
    table = Table("tool", "id", "what", "persona", "error")
    for row in rows:
        cells = (row.name, row.tool_id, row.what, row.attached, row.error)
        table.add_row(*(Text(cell or "") for cell in cells))
    Console().print(table)

"""The command line: `convohooks <command>`."""

from __future__ import annotations

import typer

from services.cli import events
from services.errors import SettingsError

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The Convohooks backend.")
app.add_typer(events.app, name="events")


@app.callback()
def convohooks() -> None:
    """Receive webhooks of conversational AI into Supabase."""


@app.command()
def dev() -> None:
    """Run everything on this machine: a local Supabase, the service, a demo. Ctrl-C stops it."""
    # Imported here because a deployed service has no extra `local`.
    from services.cli.dev import run

    raise typer.Exit(run())


@app.command()
def reset() -> None:
    """Stop what `dev` has left running and remove its database, logs and secrets."""
    from services.cli.dev import clear

    raise typer.Exit(clear())


@app.command()
def worker() -> None:
    """Try again what failed, until SIGTERM. Any number of workers may run, on any hosts."""
    from services.cli.worker import run

    try:
        run()
    except SettingsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


def main() -> None:
    """Run the command named on the command line."""
    app()

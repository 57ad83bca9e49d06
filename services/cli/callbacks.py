"""`convohooks callbacks`: callback URLs at Tavus that follow the service to where it is."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from services.cli.output import AsJson, print_json, print_table
from services.cli.tavus import DryRun, tavus
from services.tavus_setup.callbacks import callback_url, shown, sync_callbacks

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Keep the callback URLs at Tavus right."
)

Every = Annotated[bool, typer.Option("--all", help="Give one to what has none, too")]


@app.callback()
def callbacks() -> None:
    """Keep the callback URLs at Tavus right."""


@app.command("sync")
def sync(every: Every = False, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Make objectives and guardrails that call an older address of ours call PUBLIC_BASE_URL.

    Those that call somebody else are left alone. Exit code 1 when any could not be changed.
    """
    with tavus() as (client, settings):
        wanted = shown(callback_url(settings))
        found = sync_callbacks(client, settings, every=every, dry_run=dry_run)
    if as_json:
        rows = [asdict(callback) for callback in found]
        print_json({"url": wanted, "dry_run": dry_run, "callbacks": rows})
    else:
        typer.echo(f"Callbacks go to {wanted}")
        print_table(
            ("", "set", "name", "was", "outcome"),
            [
                (c.kind, c.set_id, c.name, c.was or "", f"{c.outcome} {c.reason}".strip())
                for c in found
            ],
        )
    if any(callback.outcome == "failed" for callback in found):
        raise typer.Exit(1)

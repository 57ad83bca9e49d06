"""`convohooks reseal`: what endpoints' secrets are sealed with becomes the first key."""

from __future__ import annotations

from dataclasses import asdict

import typer

from services.cli.output import AsJson, fail, print_json
from services.database import Database
from services.outgoing.resealing import Resealed
from services.outgoing.resealing import reseal as reseal_all
from services.settings import load_settings
from services.wiring.parts import wire_store

app = typer.Typer(add_completion=False)


@app.command()
def reseal(as_json: AsJson = False) -> None:
    """Seal endpoints' secrets with the first WEBHOOK_SECRETS_KEY."""
    told = _resealed()
    if as_json:
        print_json(asdict(told))
    else:
        typer.echo(f"{told.resealed} sealed anew, {told.fresh} were already.")
    if told.unreadable:
        lost = f"{told.unreadable} can be opened by no key that is set: keep the older keys"
        typer.echo(f"{lost}, or have those endpoints' secrets rotated.", err=True)
        raise typer.Exit(1)


def _resealed() -> Resealed:
    settings = load_settings()
    if not settings.webhook_secrets_keys:
        fail("WEBHOOK_SECRETS_KEY is not set.")
    database = Database(settings)
    try:
        return reseal_all(wire_store(settings, database))
    finally:
        database.close()

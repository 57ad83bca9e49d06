"""The command line: `convohooks <command>`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from services.cli.lazy import LazyGroup
from services.cli.output import AsJson

app = typer.Typer(
    cls=LazyGroup, no_args_is_help=True, add_completion=False, help="The Convohooks backend."
)


@app.callback()
def convohooks(context: typer.Context) -> None:
    """Receive webhooks of conversational AI into Supabase."""
    from services.telemetry import logs

    logs.configure_command()
    context.call_on_close(logs.reset)


@app.command()
def dev() -> None:
    """Run everything on this machine: a local Supabase, the service, a demo. Ctrl-C stops it."""
    # Imported here because a deployed service has no extra `local`.
    from services.cli.dev import run

    raise typer.Exit(run())


@app.command()
def reset(as_json: AsJson = False) -> None:
    """Stop what `dev` has left running and remove its database, logs and secrets."""
    from services.cli.dev import clear

    raise typer.Exit(clear(as_json))


@app.command()
def worker() -> None:
    """Try again what failed, until SIGTERM. Any number of workers may run, on any hosts."""
    from services.cli.worker import run

    run()


doctors = typer.Typer(invoke_without_command=True)
app.add_typer(doctors, name="doctor")


@doctors.callback()
def doctor(
    context: typer.Context,
    target: Annotated[
        Literal["any", "hosted"],
        typer.Option(help="hosted: look at what matters of a hosted project too"),
    ] = "any",
    as_json: AsJson = False,
) -> None:
    """Check settings, Supabase, this machine; say what is wrong and how to mend it."""
    from services.cli.doctor import run

    if context.invoked_subcommand is None:
        raise typer.Exit(run(as_json, target))


@doctors.command("signature")
def doctor_signature(
    sender: Annotated[str, typer.Argument(help="tavus, twilio, … or one of WEBHOOK_SOURCES")],
    capture: Annotated[
        typer.FileText, typer.Argument(help="A raw HTTP request, or JSON; - reads it")
    ],
    secrets: Annotated[
        list[str] | None, typer.Option("--secret", help="A secret it may be signed with")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say why a captured request does not verify."""
    from services.cli.doctor import signature

    raise typer.Exit(signature(sender, capture.read(), secrets or (), as_json=as_json))


@app.command()
def reconcile(
    conversation: Annotated[str | None, typer.Argument(help="The conversation's id")] = None,
    as_json: AsJson = False,
) -> None:
    """Ask Tavus for events of conversations whose end or transcript never came."""
    from services.cli.reconcile import run

    raise typer.Exit(run(conversation, as_json))


def main() -> None:
    """Run the command named on the command line."""
    app()

"""`convohooks calendly`: what Calendly calls this service for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Literal

import typer

from services.cli.output import AsJson, fail, print_json, print_lines, print_table
from services.clients.calendly import CalendlyClient, Subscription
from services.errors import ConvohooksError, SettingsError
from services.redaction import mask_log, mask_sentence
from services.settings import load_settings
from services.subscriptions import Ensured, Subscriptions, secrets_of

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Have Calendly call this service."
)

Scope = Annotated[
    Literal["organization", "user"], typer.Option(help="Whose appointments: all, or one's own")
]
Again = Annotated[bool, typer.Option("--again", help="Make it anew, as after a new signing key")]
Name = Annotated[
    str, typer.Argument(metavar="SUBSCRIPTION", help="Its address, or the id at its end")
]


@app.command("subscribe")
def subscribe(scope: Scope = "organization", again: Again = False, as_json: AsJson = False) -> None:
    """Have Calendly call this service for every event that it understands."""
    with _subscriptions() as subscriptions:
        ensured = subscriptions.subscribe(scope, again=again)
    _print_ensured([ensured], as_json)


@app.command("list")
def list_subscriptions(as_json: AsJson = False) -> None:
    """List whom Calendly calls, and whether it still does."""
    with _subscriptions() as subscriptions:
        found = subscriptions.every()
    if as_json:
        print_json([_shown(one) for one in found])
        return
    names = ("uri", "callback_url", "state", "scope", "events")
    print_table(names, [[_shown(one)[name] for name in names] for one in found])


@app.command("unsubscribe")
def unsubscribe(name: Name, as_json: AsJson = False) -> None:
    """Remove a subscription for good."""
    with _subscriptions() as subscriptions:
        subscriptions.calendly.unsubscribe(name)
    if as_json:
        print_json({"removed": name})
    else:
        print_lines(f"Removed {name}.")


@app.command("repair")
def repair(as_json: AsJson = False) -> None:
    """Make anew what calls this service and was disabled; a worker does it by itself."""
    with _subscriptions() as subscriptions:
        ensured = subscriptions.repair()
    _print_ensured(ensured, as_json)


@contextmanager
def _subscriptions() -> Iterator[Subscriptions]:
    """Call Calendly as the settings say; end with a sentence, not a traceback, when that fails."""
    settings = None
    try:
        settings = load_settings()
        if not settings.calendly_api_key:
            raise SettingsError("CALENDLY_API_KEY is not set.")
        yield Subscriptions(settings=settings, calendly=CalendlyClient(settings))
    except ConvohooksError as error:
        fail(mask_sentence(error.detail, secrets_of(settings)) if settings else error.detail)


def _shown(one: Subscription) -> dict[str, Any]:
    told = one.model_dump(mode="json")
    return {**told, "callback_url": mask_log(one.callback_url)}


def _print_ensured(ensured: Sequence[Ensured], as_json: bool) -> None:
    if as_json:
        print_json([{"outcome": one.outcome, **_shown(one.subscription)} for one in ensured])
        return
    for one in ensured:
        shown = _shown(one.subscription)
        print_lines(f"{one.outcome}: {shown['uri']} calls {shown['callback_url']}")
    if not ensured:
        typer.echo("No subscription calls this service.")

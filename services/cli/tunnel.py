"""`convohooks tunnel`: a public address for the service on this machine, for as long as it runs."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from services.cli.output import AsJson, fail
from services.clients.tavus import TavusClient
from services.errors import ConvohooksError, Unprocessable
from services.local.signals import StopSignals
from services.plain import printable
from services.reach.proof import problem_at
from services.reach.public_url import TunnelNote
from services.reach.tunnel import Patience, Tunnel
from services.reach.tunnel_program import ANY_ADDRESS, RECIPES, Recipe
from services.settings import load_settings
from services.settings.secret_names import without_secrets
from services.tavus_setup.following import follow

app = typer.Typer(add_completion=False)

ProgramName = Annotated[str, typer.Argument(metavar="PROGRAM", help=", ".join(RECIPES))]
Command = Annotated[
    str | None, typer.Option(help="Another program, e.g. 'lt --port {port}'; no shell is used")
]
Pattern = Annotated[str | None, typer.Option(help="How it tells its address: a regular expression")]
Port = Annotated[int | None, typer.Option(min=1, max=65535, help="Where it leads; else PORT")]
Every = Annotated[float, typer.Option(min=0.1, help="Seconds between two checks")]
Wait = Annotated[
    float, typer.Option("--patience", min=0.1, help="Seconds until it must tell an address")
]
Timeout = Annotated[float, typer.Option(min=0.1, help="Seconds that a check may take")]
Failures = Annotated[int, typer.Option(min=1, help="Failed checks until it is started again")]
Sync = Annotated[
    bool, typer.Option("--sync/--no-sync", help="Let the callback URLs at Tavus follow")
]

SENTENCES = {
    "started": "Started {command}.",
    "address": "It tells {url}; asking for this service there …",
    "up": "The service answers at {url}",
    "check failed": "{url}: {reason} (failed {failures} in a row).",
    "service away": "The service does not answer at {url}: {reason}. Waiting for it.",
    "restarting": "{reason}; starting it again in {seconds} s.",
    "stopped": "Stopped.",
}
STYLES = {"up": "green", "check failed": "yellow", "service away": "yellow", "restarting": "red"}


@app.command()
def tunnel(
    program: ProgramName = "cloudflared",
    command: Command = None,
    pattern: Pattern = None,
    port: Port = None,
    every: Every = 30.0,
    failures: Failures = 3,
    timeout: Timeout = 10.0,
    patience: Wait = 30.0,
    sync: Sync = True,
    as_json: AsJson = False,
) -> None:
    """Give the service a public address, check it, and let Tavus follow when it changes."""
    try:
        recipe = _recipe(program, command, pattern)
        settings = load_settings()
        settings = replace(settings, port=port or settings.port)
        follows = sync and settings.tavus_api_key
        note = TunnelNote(settings.port)
        with StopSignals() as signals, note.held():
            Tunnel(
                recipe=recipe,
                port=settings.port,
                env=without_secrets(os.environ),
                pause=signals.pause,
                tell=_tell_lines if as_json else partial(tell_person, Console(highlight=False)),
                problem_at=partial(problem_at, settings=settings),
                sync=partial(follow, TavusClient(settings), settings) if follows else None,
                note=note,
                patience=Patience(
                    every=every,
                    failures=failures,
                    for_check=timeout,
                    for_url=patience,
                    to_settle=patience,
                ),
            ).run()
    except ConvohooksError as error:
        fail(error.detail)
    except OSError as error:
        fail(str(error))


def _recipe(program: str, command: str | None, pattern: str | None) -> Recipe:
    recipe = Recipe(command=command, pattern=ANY_ADDRESS) if command else RECIPES.get(program)
    if recipe is None:
        raise Unprocessable(f"{program!r} is none of {', '.join(RECIPES)}; or give --command.")
    try:
        re.compile(pattern or "")
    except re.error as error:
        raise Unprocessable(f"--pattern is no regular expression: {error}.") from None
    return replace(recipe, pattern=pattern) if pattern else recipe


def _tell_lines(event: str, **told: Any) -> None:
    line = {"at": datetime.now(UTC).isoformat(), "event": event, **told}
    typer.echo(json.dumps(line))


def tell_person(console: Console, event: str, **told: Any) -> None:
    """Print in sentences what happens to the tunnel."""
    for sentence, style in _sentences(event, told):
        # Who reads may be gone, and rich then ends the program; the tunnel goes on.
        with suppress(OSError, SystemExit):
            console.print(Text(printable(sentence), style), soft_wrap=True)


def _sentences(event: str, told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if event == "callbacks":
        yield from _of_callbacks(told)
        return
    yield SENTENCES[event].format(**told), STYLES.get(event, "")
    for line in told.get("said", ()):
        yield f"  {line}", "dim"
    if told.get("former"):
        yield f"Conversations that already run keep calling {told['former']}.", "yellow"


def _of_callbacks(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for what, counts in (("Callback URLs", told.get("counts")), ("Tools", told.get("tools"))):
        if counts:
            listed = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
            yield f"{what} at Tavus: {listed}.", ""
    if failed := told.get("failed"):
        yield f"Not everything could follow, tried again soon: {failed}", "red"

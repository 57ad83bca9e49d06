"""`convohooks send`: sends samples as their sender would, signed."""

from __future__ import annotations

import json
import random
import time
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any
from urllib.parse import urlsplit

import requests
import typer

from services.cli.output import AsJson, counted, misuse, print_json, print_table
from services.errors import Malformed, NotFound
from services.provider import Call, Provider
from services.providers import providers
from services.sending import call_of, changed, renewed, sample, sample_names
from services.settings import Settings, load_settings

app = typer.Typer(add_completion=False)

EVERYTHING = "all"
TIMEOUT = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of one call."""

    event: str
    status: int | None
    answer: str
    ms: float

    @property
    def is_taken(self) -> bool:
        """Whether it was answered with success."""
        return self.status is not None and 200 <= self.status < 300


def provider_named(settings: Settings, name: str) -> Provider:
    """Return a sender. Raises NotFound, naming those there are."""
    known = {provider.name: provider for provider in providers(settings)}
    if name not in known:
        raise NotFound(f"There is no sender {name!r}; there are: {', '.join(sorted(known))}.")
    return known[name]


def calls(
    settings: Settings,
    provider: Provider,
    names: list[str],
    *,
    to: str | None,
    settings_of: dict[str, Any],
    repeat: int,
    fresh: bool,
    shuffle: bool,
) -> list[tuple[str, Call]]:
    """Return the calls in the order in which they are to be sent. Raises NotFound, Malformed.

    `to` is another host to send them to; what they are signed for stays as it is.
    """
    wanted = sample_names(provider) if names == [EVERYTHING] else names
    if not wanted:
        raise NotFound(f"There are no samples of {provider.name}.")
    made = []
    for name in wanted:
        payload = sample(provider, name)
        for _ in range(repeat):
            told = renewed(provider, payload) if fresh else payload
            for path, value in settings_of.items():
                told = changed(told, path, value)
            call = call_of(provider, name, told, settings)
            made.append((name, call if to is None else _sent_to(to, call)))
    if shuffle:
        random.SystemRandom().shuffle(made)
    return made


def send(name: str, call: Call) -> Sent:
    """Send a call; whatever comes of it is returned."""
    started = time.perf_counter()
    try:
        answer = requests.post(
            call.url, data=call.body, headers=dict(call.headers), timeout=TIMEOUT
        )
    except requests.RequestException as error:
        return Sent(event=name, status=None, answer=type(error).__name__, ms=_ms_since(started))
    return Sent(
        event=name,
        status=answer.status_code,
        answer=" ".join(answer.text.split())[:200],
        ms=_ms_since(started),
    )


def read_value(told: str) -> tuple[str, Any]:
    """Return path and value of a `--set path=value`; the value is JSON, else a text."""
    path, found, text = told.partition("=")
    if not found or not path:
        raise Malformed(f"--set wants path=value, found {told!r}.")
    try:
        return path, json.loads(text)
    except ValueError:
        return path, text


def _sent_to(to: str, call: Call) -> Call:
    parts, base = urlsplit(call.url), urlsplit(to)
    if base.scheme not in ("http", "https") or not base.netloc:
        raise Malformed(f"--to wants an http(s) address, found {to!r}.")
    return replace(call, url=parts._replace(scheme=base.scheme, netloc=base.netloc).geturl())


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)


@app.command()
def command(
    sender: Annotated[str, typer.Argument(help="tavus, twilio, … or one of WEBHOOK_SOURCES")],
    events: Annotated[list[str], typer.Argument(metavar="EVENT…", help="Samples, or `all`")],
    to: Annotated[str | None, typer.Option(help="Another base URL than PUBLIC_BASE_URL")] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Change a field, after --fresh"),
    ] = None,
    repeat: Annotated[int, typer.Option(min=1, max=10_000, help="Times each is sent")] = 1,
    fresh: Annotated[bool, typer.Option("--fresh", help="New identifiers each time")] = False,
    shuffle: Annotated[bool, typer.Option("--shuffle", help="In random order")] = False,
    as_json: AsJson = False,
) -> None:
    """Send samples, signed as their sender would. Exit code 1 unless all are taken."""
    settings = load_settings()
    try:
        made = calls(
            settings,
            provider_named(settings, sender),
            events,
            to=to,
            settings_of=dict(read_value(told) for told in changes or []),
            repeat=repeat,
            fresh=fresh,
            shuffle=shuffle,
        )
    except (NotFound, Malformed) as error:
        misuse(error.detail)
    sent = counted("Sending", len(made), (send(name, call) for name, call in made))
    _print(sent, as_json)
    raise typer.Exit(0 if all(one.is_taken for one in sent) else 1)


def _print(sent: list[Sent], as_json: bool) -> None:
    if as_json:
        print_json([asdict(one) for one in sent])
        return
    rows = [(one.event, one.status or "-", one.answer, one.ms) for one in sent]
    print_table(("event", "status", "answer", "ms"), rows)

"""The debug view of development: each call of a sender, readable, on the service's own output.

Nothing secret is in it: of headers only harmless ones, of a query no value, of a body what no
name or shape calls a secret, and none of the secrets that the settings hold or the call presents.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import structlog

from services.effects import NOTHING, Effects
from services.errors import ConvohooksError
from services.inbound import Inbound
from services.plain import printable, shown_path
from services.provider import Provider
from services.web.debug_text import masked, presented, pretty, secrets_of, shown_url
from services.wiring.web import Services

SHOWN_HEADERS = frozenset(
    {
        "accept", "accept-encoding", "accept-language", "connection", "content-length",
        "content-type", "date", "host", "i-twilio-idempotency-token", "origin", "traceparent",
        "user-agent", "webhook-id", "webhook-timestamp", "x-forwarded-for", "x-forwarded-host",
        "x-forwarded-proto", "x-request-id",
    }
)  # fmt: skip
LONGEST_BODY = 4000
LARGEST_BODY = 100_000
"""Bytes of a body that is looked through; a larger one is not shown."""
MOST_PRESENTED = 40
"""Values that may prove a call and are looked for in it; of a call with more only the end is shown.

Whoever calls, nobody knows who it is yet, must not have the service search for seconds.
"""
COLOURS = {2: "green", 4: "yellow", 5: "red"}

log = structlog.get_logger()

Line = Mapping[str, Any]


def show(services: Services, provider: Provider, call: Inbound | None, line: Line) -> None:
    """Show a call and how it ended, which `line` tells; without a call its body was not read."""
    try:
        proofs = presented(call, SHOWN_HEADERS) if call else frozenset()
        if len(proofs) > MOST_PRESENTED:
            call, proofs = None, frozenset()
        known = secrets_of(services.settings) | proofs
        _print(_title(line, known), _text(services, provider, call, line, known), line)
    except Exception:  # whoever debugs must not change what a sender is answered
        log.exception("debug view failed")


def _title(line: Line, known: frozenset[str]) -> str:
    return printable(f"{line['status']} {masked(shown_path(line['path']), known)}")


def _text(
    services: Services,
    provider: Provider,
    call: Inbound | None,
    line: Line,
    known: frozenset[str],
) -> str:
    if call is None:
        return printable(masked(_block("verdict", _verdict(line)), known), keep="\n")
    blocks = (
        ("request", f"{call.method} {shown_url(call.path, call.query)}"),
        ("headers", "\n".join(_headers(call))),
        ("body", _body(provider, call, known)),
        ("verdict", _verdict(line)),
        ("written", _written(services, provider, call, line)),
    )
    text = "\n".join(_block(name, told) for name, told in blocks if told)
    return printable(masked(text, known), keep="\n")


def _headers(call: Inbound) -> list[str]:
    return [
        f"{name}: {value if name in SHOWN_HEADERS else f'*** ({len(value)} characters)'}"
        for name, value in sorted(call.headers.items())
    ]


def _body(provider: Provider, call: Inbound, known: frozenset[str]) -> str:
    if len(call.body) > LARGEST_BODY:
        return f"{len(call.body)} bytes, too many to be shown"
    try:
        text = pretty(provider.parse(call), known)
    except ConvohooksError:
        return f"{len(call.body)} bytes that cannot be read, and so are not shown"
    if len(text) <= LONGEST_BODY:
        return text
    return f"{text[:LONGEST_BODY]}\n… {len(text) - LONGEST_BODY} characters more"


def _verdict(line: Line) -> str:
    told = {name: value for name, value in line.items() if name not in ("path", "source")}
    return "\n".join(f"{name}: {value}" for name, value in told.items() if value is not None)


def _written(services: Services, provider: Provider, call: Inbound, line: Line) -> str:
    """Return what a new event does to which tables, by asking its handler once more."""
    if line.get("outcome") != "new" or "event_id" not in line:
        return ""
    try:
        credential = provider.verify(call, services.settings)
        event = services.webhooks.events.process(call, provider, credential)
    except ConvohooksError as error:
        return f"cannot be told: {error.detail}"
    projected = [f"event row {row.event_type}" for row in event.projections]
    return "\n".join((*_tables(event.effects), *projected)) or f"nothing: {event.state}"


def _tables(effects: Effects) -> list[str]:
    named = [(field.name, getattr(effects, field.name)) for field in fields(effects)]
    return [
        f"{name}: {len(value)}" if isinstance(value, tuple) else name
        for name, value in named
        if value != getattr(NOTHING, name) and name != "projections"
    ]


def _block(name: str, text: str) -> str:
    first, *more = text.split("\n")
    return "\n".join([f"{name:<8} {first}", *(f"{'':<8} {line}" for line in more)])


def _print(title: str, text: str, line: Line) -> None:
    if not sys.stdout.isatty():
        sys.stdout.write(f"--- {line['source']} {title}\n{text}\n\n")
        sys.stdout.flush()
        return
    from rich.console import Console
    from rich.panel import Panel
    from rich.text import Text

    colour = COLOURS.get(line["status"] // 100, "white")
    head = Text(f"{line['source']} {title}")
    Console().print(Panel(Text(text), title=head, title_align="left", border_style=colour))

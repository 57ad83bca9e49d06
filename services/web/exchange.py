"""A sender's call while it is answered: its one line in the log, its counts, its span."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog
from flask import g, request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import HTTPException

from services import tracing
from services.errors import ConvohooksError
from services.inbound import Inbound
from services.provider import Provider
from services.tracing import Span
from services.web import debug
from services.wiring import Services

OK = 200
SERVER_ERROR = 500

log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class Exchange:
    """What is known of a call so far; `facts` are for its line in the log."""

    call: Inbound | None = None
    outcome: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


@contextmanager
def exchange(services: Services, provider: Provider, name: str) -> Iterator[Exchange]:
    """Answer a call inside; how that ended is logged, counted and traced, whatever is raised."""
    started = time.perf_counter()
    known = Exchange()
    # Whose traceparent it is nobody has proved yet: a link, and a trace of our own.
    links = [request.headers.get("traceparent")]
    with tracing.span(name, links=links, kind="SERVER", source=provider.name) as span:
        try:
            yield known
        except Exception as error:
            seconds = time.perf_counter() - started
            services.metrics.refused(provider.name, _status(error), seconds)
            refused = {"status": _status(error), "reason": _reason(error)}
            _tell(services, provider, name, known, span, refused, seconds)
            raise
        seconds = time.perf_counter() - started
        services.metrics.received(provider.name, known.outcome, seconds)
        taken = {"status": OK, **known.facts, "outcome": known.outcome}
        _tell(services, provider, name, known, span, taken, seconds)


def _tell(
    services: Services,
    provider: Provider,
    name: str,
    known: Exchange,
    span: Span,
    facts: dict[str, Any],
    seconds: float,
) -> None:
    event_type = facts.get("event_type")
    span.tell(
        status=facts["status"],
        outcome=facts.get("outcome"),
        event_id=facts.get("event_id"),
        event_type=provider.known_type(event_type) if event_type else None,
    )
    line = {"source": provider.name, "path": request.path, **facts, "ms": round(seconds * 1000, 1)}
    (log.error if facts["status"] >= SERVER_ERROR else log.info)(name, **line)
    g.is_told = True
    if services.settings.debug_requests:
        debug.show(services, provider, known.call, line)


def _status(error: Exception) -> int:
    if isinstance(error, ConvohooksError):
        return error.status
    if isinstance(error, HTTPException):
        return error.code or SERVER_ERROR
    return 400 if isinstance(error, ParseException) else SERVER_ERROR


def _reason(error: Exception) -> str:
    if isinstance(error, ConvohooksError):
        return error.detail
    return error.name if isinstance(error, HTTPException) else type(error).__name__

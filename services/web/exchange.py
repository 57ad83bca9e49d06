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

from services.errors import ConvohooksError
from services.inbound import Inbound
from services.plain import shown_path
from services.provider import Provider
from services.telemetry import tracing
from services.telemetry.tracing import Span
from services.web import debug
from services.wiring.web import Services

OK = 200
SERVER_ERROR = 500

log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class Exchange:
    """A call and what is known of it so far; `facts` are for its line in the log."""

    services: Services
    provider: Provider
    name: str
    started: float
    call: Inbound | None = None
    outcome: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    def taken(self, span: Span) -> None:
        """Tell of a call that was answered with 200."""
        seconds = time.perf_counter() - self.started
        self.services.metrics.received(self.provider.name, self.outcome, seconds)
        self._tell(span, {"status": OK, **self.facts, "outcome": self.outcome}, seconds)

    def refused(self, span: Span, error: Exception) -> None:
        """Tell of a call that was answered with an error."""
        seconds = time.perf_counter() - self.started
        self.services.metrics.refused(self.provider.name, _status(error), seconds)
        self._tell(span, {"status": _status(error), "reason": _reason(error)}, seconds)

    def _tell(self, span: Span, facts: dict[str, Any], seconds: float) -> None:
        event_type = facts.get("event_type")
        span.tell(
            status=facts["status"],
            outcome=facts.get("outcome"),
            event_id=facts.get("event_id"),
            event_type=self.provider.known_type(event_type) if event_type else None,
        )
        ms = round(seconds * 1000, 1)
        line = {"source": self.provider.name, "path": shown_path(request.path), **facts, "ms": ms}
        (log.error if facts["status"] >= SERVER_ERROR else log.info)(self.name, **line)
        g.is_told = True
        if self.services.settings.debug_requests:
            debug.show(self.services, self.provider, self.call, line)


@contextmanager
def exchange(services: Services, provider: Provider, name: str) -> Iterator[Exchange]:
    """Answer a call inside; how that ended is logged, counted and traced, whatever is raised."""
    known = Exchange(services=services, provider=provider, name=name, started=time.perf_counter())
    # Whose traceparent it is nobody has proved yet: a link, and a trace of our own.
    links = [request.headers.get("traceparent")]
    with tracing.span(name, links=links, kind="SERVER", source=provider.name) as span:
        try:
            yield known
        except Exception as error:
            known.refused(span, error)
            raise
        known.taken(span)


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

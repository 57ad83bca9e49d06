"""Spans for OpenTelemetry, where OTEL_EXPORTER_OTLP_ENDPOINT is set; else nothing happens here.

A span has names, ids and numbers, never what was said. Spans of other processes and threads are
linked, as a `traceparent` names them: https://www.w3.org/TR/trace-context/#traceparent-header
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, Literal

from services.settings import Settings

PATH = "/v1/traces"
EXPORT_SECONDS = 3.0
LONGEST = 128
SERVER_ERROR = 500

Kind = Literal["INTERNAL", "SERVER", "CLIENT", "CONSUMER"]
Told = str | bool | int | float | None

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")

_provider: Any = None
"""What makes spans, once it is configured; without an address it is never imported."""


def configure(settings: Settings, exporter: Any = None) -> None:
    """Send this process's spans to the collector of the settings, or to `exporter`.

    It starts a thread: call it after gunicorn has forked.
    """
    global _provider
    stop()
    if settings.otlp_endpoint is None and exporter is None:
        return
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create(
        {"service.name": settings.otel_service_name, "service.version": version("convohooks")}
    )
    _provider = TracerProvider(resource=resource)
    _provider.add_span_processor(BatchSpanProcessor(exporter or _exporter(settings)))


def stop() -> None:
    """Send what waits, and make no more spans."""
    global _provider
    if _provider is not None:
        _provider.shutdown()
    _provider = None


class Span:
    """A span in hand, or none."""

    __slots__ = ("_span",)

    def __init__(self, span: Any = None) -> None:
        """Take what the SDK made."""
        self._span = span

    def tell(self, **facts: Told) -> None:
        """Add what is known by now; None is nothing known."""
        if self._span is not None:
            for name, value in facts.items():
                if value is not None:
                    self._span.set_attribute(f"convohooks.{name}", _short(value))


NONE = Span()


@contextmanager
def span(
    name: str, *, links: Iterable[str | None] = (), kind: Kind = "INTERNAL", **facts: Told
) -> Iterator[Span]:
    """Make a span of what happens inside, within the span in hand; `links` are traceparents."""
    if _provider is None:
        yield NONE
        return
    from opentelemetry.trace import SpanKind

    with _provider.get_tracer("convohooks").start_as_current_span(
        name,
        kind=SpanKind[kind],
        links=[link for link in map(_link, links) if link],
        record_exception=False,
        set_status_on_exception=False,
    ) as made:
        ours = Span(made)
        ours.tell(**facts)
        try:
            yield ours
        except Exception as error:
            _fail(made, error)
            raise


def _fail(made: Any, error: Exception) -> None:
    """Note what ended it; the words of an error may quote a call, so only its type is told."""
    from opentelemetry.trace import Status, StatusCode

    made.set_attribute("error.type", type(error).__qualname__)
    if getattr(error, "status", SERVER_ERROR) >= SERVER_ERROR:
        made.set_status(Status(StatusCode.ERROR))


def here() -> str | None:
    """Return the traceparent of the span in hand."""
    if _provider is None:
        return None
    from opentelemetry.trace import get_current_span

    context = get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def _link(traceparent: str | None) -> Any:
    from opentelemetry.trace import Link, SpanContext, TraceFlags

    found = _TRACEPARENT.fullmatch(traceparent or "")
    if found is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in found.groups())
    context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
    return Link(context) if context.is_valid else None


def _exporter(settings: Settings) -> Any:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(f"{settings.otlp_endpoint}{PATH}", timeout=EXPORT_SECONDS)


def _short(value: Told) -> Told:
    return value[:LONGEST] if isinstance(value, str) else value

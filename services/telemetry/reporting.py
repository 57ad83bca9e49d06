"""Errors for Sentry, where SENTRY_DSN is set: what went wrong where in our code, and ids.

What a call said never leaves this machine. An exception's words may quote it, so its type and its
frames go without them; the event's page and the log, found by the ids, have the rest.
https://docs.sentry.io/platforms/python/configuration/options/
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import version
from typing import Any

from structlog.contextvars import get_contextvars
from structlog.typing import EventDict

from services.settings import Settings

FLUSH_SECONDS = 2.0
TAGS = ("context", "chore", "event_type", "source", "request_id", "event_id")
EXTRAS = ("conversation_id", "delivery_id", "webhook_id", "attempt")
CRUMBS = ("source", "status", "outcome", "ms", "chore", "to")
"""What a line of the log leaves behind as a breadcrumb, beside its name."""
SENT = (
    "event_id", "timestamp", "level", "platform", "release", "environment", "server_name", "sdk",
    "tags", "extra", "breadcrumbs", "logentry", "message",
)  # fmt: skip
SENT_OF_FRAME = ("filename", "function", "module", "lineno", "in_app")
OURS = frozenset({"context", "chore", "to"})
"""Names that this code alone gives; other values may be somebody's words unless they are ids."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")

_sentry: Any = None
"""The package, once it is configured; without a DSN it is never imported."""


def configure(settings: Settings, component: str) -> None:
    """Report what this process does wrong, as `component`; without SENTRY_DSN nothing is done."""
    global _sentry
    _sentry = None
    if settings.sentry_dsn is None:
        return
    import sentry_sdk

    # Integrations would look into requests, log lines and calls to others; there are none.
    sentry_sdk.init(
        settings.sentry_dsn,
        environment=settings.sentry_environment,
        release=f"convohooks@{version('convohooks')}",
        default_integrations=False,
        auto_enabling_integrations=False,
        auto_session_tracking=False,
        send_client_reports=False,
        include_local_variables=False,
        include_source_context=False,
        max_request_body_size="never",
        spotlight=False,
        max_breadcrumbs=30,
        in_app_include=["services", "app"],
        before_send=_bare,
    )
    sentry_sdk.get_global_scope().set_tag("component", component)
    _sentry = sentry_sdk


def report(error: BaseException | str, *, context: str, **facts: object) -> None:
    """Report an error, or a sentence of ours, with what is known of it; see TAGS and EXTRAS."""
    if _sentry is None:
        return
    facts = {**get_contextvars(), **facts, "context": context}
    with _sentry.new_scope() as scope:
        scope.set_tags(_plain(facts, TAGS))
        for name, value in _plain(facts, EXTRAS).items():
            scope.set_extra(name, value)
        if isinstance(error, str):
            scope.capture_message(error, level="error")
        else:
            scope.capture_exception(error)


def flush() -> None:
    """Send what waits, for two seconds at most."""
    if _sentry is not None:
        _sentry.flush(timeout=FLUSH_SECONDS)


def note(_: Any, level: str, entry: EventDict) -> EventDict:
    """Let a line of the log pass: one with a traceback is reported, any other is a breadcrumb."""
    if _sentry is None:
        return entry
    error = _error_of(entry.get("exc_info"))
    name = str(entry.get("event"))
    if error is not None:
        report(error, **{**entry, "context": name})
    else:
        crumb = _plain(entry, CRUMBS)
        _sentry.add_breadcrumb(category="log", message=name[:64], level=level, data=crumb)
    return entry


def _error_of(told: Any) -> BaseException | None:
    if isinstance(told, BaseException):
        return told
    return sys.exc_info()[1] if told else None


def _plain(facts: EventDict, names: tuple[str, ...]) -> dict[str, Any]:
    """Return those of the facts that are ids, names or numbers."""
    texts = {name: str(facts[name]) for name in names if facts.get(name) is not None}
    return {name: text for name, text in texts.items() if name in OURS or _ID.fullmatch(text)}


def _bare(event: Any, hint: Any) -> Any:
    """Return an event of Sentry's with nothing in it that is not listed here."""
    bare = {name: event[name] for name in SENT if name in event}
    if "exception" in event:
        bare["exception"] = {"values": [_bare_error(one) for one in event["exception"]["values"]]}
    return bare


def _bare_error(error: Any) -> dict[str, Any]:
    frames = (error.get("stacktrace") or {}).get("frames") or ()
    return {
        "type": error.get("type"),
        "module": error.get("module"),
        "value": "",
        "stacktrace": {
            "frames": [
                {name: frame[name] for name in SENT_OF_FRAME if name in frame} for frame in frames
            ]
        },
    }

"""Logs: JSON lines on stdout (readable ones in a terminal), without tokens, without contents."""

from __future__ import annotations

import logging
import sys
from typing import Any, TextIO

import structlog

from services.plain import printable
from services.redaction import mask_log
from services.telemetry import reporting

TRACEBACKS = ("exception", "stack")


def configure(level: str) -> None:
    """Set structlog up for this process."""
    structlog.configure(
        processors=_processors(sys.stdout),
        # One write a line: unbuffered, `print` would make two.
        logger_factory=structlog.WriteLoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        cache_logger_on_first_use=True,
    )


def configure_command() -> None:
    """Set structlog up for a command: its output is its own, and what goes wrong is on stderr."""
    structlog.configure(
        processors=_processors(sys.stderr),
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
    )


def reset() -> None:
    """Forget how logs were set up."""
    structlog.reset_defaults()


class MaskingFilter(logging.Filter):
    """Keeps tokens of request lines out of gunicorn's own log, tracebacks too."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the record, and let it pass."""
        record.msg, record.args = _written(record.getMessage()), ()
        if record.exc_info:
            record.exc_text = _written(logging.Formatter().formatException(record.exc_info))
        return True


def _processors(stream: TextIO) -> list[Any]:
    renderer: Any = (
        structlog.dev.ConsoleRenderer() if stream.isatty() else structlog.processors.JSONRenderer()
    )
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        reporting.note,
        structlog.processors.format_exc_info,
        _plain,
        renderer,
        _mask,
    ]


def _plain(_: Any, __: str, event: Any) -> Any:
    """Write out what would steer a terminal; only where a traceback goes on is a line broken."""
    return {
        name: printable(value, keep="\n\t" if name in TRACEBACKS else "")
        if isinstance(value, str)
        else value
        for name, value in event.items()
    }


def _written(text: str) -> str:
    return printable(mask_log(text), keep="\n\t")


def _mask(_: Any, __: str, line: Any) -> str:
    return mask_log(str(line))

"""A name for each request: in every line of its log, in its answer, and kept with its event."""

from __future__ import annotations

import re
import secrets

import structlog
from flask import Flask, Response, g, has_request_context, request

HEADER = "X-Request-ID"

_SANE = re.compile(r"[A-Za-z0-9._-]{1,128}")


def register(app: Flask) -> None:
    """Name every request, those that nothing answers too; before anything else looks at it."""
    app.before_request(_begin)
    app.after_request(_tell)
    app.teardown_request(_end)


def current() -> str | None:
    """Return the name of the request in hand."""
    return g.get("request_id") if has_request_context() else None


def _begin() -> None:
    told = request.headers.get(HEADER, "")
    g.request_id = told if _SANE.fullmatch(told) else secrets.token_hex(16)
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _tell(answer: Response) -> Response:
    answer.headers[HEADER] = g.request_id
    return answer


def _end(error: BaseException | None) -> None:
    # The next request of the same connection comes in the same greenlet.
    structlog.contextvars.clear_contextvars()

"""Turns every exception into problem details, once, here."""

from __future__ import annotations

import structlog
from flask import Flask, Response, g, request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import HTTPException, PreconditionFailed

from services.errors import ConvohooksError, TooManyRequests, Unauthorized, Unavailable
from services.plain import shown_path
from services.web.problems import problem

log = structlog.get_logger()


def register(app: Flask) -> None:
    """Register the handlers of every kind of error."""
    app.register_error_handler(ConvohooksError, _ours)
    app.register_error_handler(HTTPException, _flasks)
    app.register_error_handler(ParseException, _broken_framing)
    app.register_error_handler(Exception, _unforeseen)
    app.after_request(_unfit)


def _ours(error: ConvohooksError) -> Response:
    answer = problem(error.status, error.detail, error.title)
    if isinstance(error, Unauthorized):
        answer.headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, TooManyRequests):
        answer.headers.update(_rate_limit(error))
    if isinstance(error, Unavailable | TooManyRequests):
        answer.headers["Retry-After"] = str(error.retry_after)
    # A sender's call has told it in its own line.
    if error.status >= 500 and not g.get("is_told"):
        log.error("unavailable", path=shown_path(request.path), error=error.detail)
    return answer


def _rate_limit(error: TooManyRequests) -> dict[str, str]:
    """Return the headers of draft-ietf-httpapi-ratelimit-headers-06, which clients know."""
    return {
        "RateLimit-Limit": str(error.limit),
        "RateLimit-Remaining": "0",
        "RateLimit-Reset": str(error.retry_after),
    }


def _flasks(error: HTTPException) -> Response:
    status = error.code or 500
    answer = problem(status, error.description or error.name, error.name)
    for name, value in error.get_headers():
        if name.lower() in ("allow", "retry-after", "location"):
            answer.headers[name] = value
    return answer


def _unfit(answer: Response) -> Response:
    """Say that a caller's condition does not hold; werkzeug would send the file all the same."""
    if answer.status_code != PreconditionFailed.code:
        return answer
    answer.close()
    return _flasks(PreconditionFailed())


def _broken_framing(error: ParseException) -> Response:
    """Answer a body whose chunks or length are wrong; gunicorn then closes the connection."""
    return problem(400, f"The body's framing is broken: {type(error).__name__}.")


def _unforeseen(error: Exception) -> Response:
    log.error("unforeseen", path=shown_path(request.path), exc_info=error)
    return problem(500, "Something went wrong here; it is in the log.")

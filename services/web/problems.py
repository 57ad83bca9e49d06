"""Problem details (RFC 9457), the one shape of every error answer."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response
from pydantic import BaseModel

from services.web import request_id


class Problem(BaseModel):
    """An error as RFC 9457 has it. `detail` says what was found and what was wanted.

    `request_id` is an extension (section 3.2): it finds the request in the log.
    """

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    request_id: str | None = None


def problem(status: int, detail: str, title: str | None = None) -> Response:
    """Return an error answer."""
    body = Problem(
        title=title or HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        request_id=request_id.current(),
    )
    return Response(
        body.model_dump_json(exclude_none=True), status, content_type="application/problem+json"
    )

"""Problem details (RFC 9457), the one shape of every error answer."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response
from pydantic import BaseModel


class Problem(BaseModel):
    """An error as RFC 9457 has it. `detail` says what was found and what was wanted."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


def problem(status: int, detail: str, title: str | None = None) -> Response:
    """Return an error answer."""
    body = Problem(title=title or HTTPStatus(status).phrase, status=status, detail=detail)
    return Response(body.model_dump_json(), status, content_type="application/problem+json")

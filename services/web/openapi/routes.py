"""GET /openapi.json, the API's description, and /docs, the same for readers."""

from __future__ import annotations

import json
from functools import lru_cache
from hashlib import sha256
from typing import Any

from flask import Blueprint, Flask, Response, current_app, render_template, request

from services.web.openapi.document import document
from services.web.openapi.reading import chapters
from services.web.pages import STRICT

POLICY = "; ".join(
    map(" ".join, {**STRICT, "script-src": "'none'", "connect-src": "'none'"}.items())
)


def blueprint() -> Blueprint:
    """Return the routes; both are the same for everybody."""
    routes = Blueprint("openapi", __name__)

    @routes.get("/openapi.json")
    def openapi() -> Response:
        return _cached(Response(_text(_app()), content_type="application/json"))

    @routes.get("/docs")
    def docs() -> Response:
        answer = Response(_page(_app()), content_type="text/html; charset=utf-8")
        answer.headers["Content-Security-Policy"] = POLICY
        return _cached(answer)

    return routes


def written(told: dict[str, Any]) -> str:
    """Return the document as a file has it."""
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"


@lru_cache(1)
def _text(app: Flask) -> str:
    return written(document(app))


@lru_cache(1)
def _page(app: Flask) -> str:
    told = document(app)
    return render_template("docs.html", info=told["info"], chapters=chapters(told))


def _app() -> Flask:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    return app


def _cached(answer: Response) -> Response:
    """Let browsers keep an answer, and ask each time whether it has changed."""
    answer.set_etag(sha256(answer.get_data()).hexdigest()[:32])
    answer.headers["Cache-Control"] = "no-cache"
    answer.make_conditional(request)
    return answer

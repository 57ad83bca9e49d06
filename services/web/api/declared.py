"""Routes for people: who calls, what they ask and what they are answered goes by the declaration.

    route = declared(services, "Endpoints")

    @routes.patch("/<uuid:endpoint_id>")
    @route(body=EndpointChange, answers={200: Endpoint}, errors=(404,))
    def change_endpoint(person: Person, body: EndpointChange, endpoint_id: UUID) -> Endpoint:

The view takes what is declared (`query`, `body`, `key`), and `person` and `call` where it wants
them; it returns a model that it has declared, or that and a status.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

from flask import Response, request
from pydantic import BaseModel

from services.validation import check_content_type
from services.web.api.arguments import idempotency_key, read_json, read_query
from services.web.api.caller import admin, caller
from services.web.operation import Operation, Who, declare
from services.web.webhooks import inbound
from services.wiring.web import Services

View = Callable[..., Any]
Decorator = Callable[[View], View]

CALLERS = {"anyone": lambda services: None, "person": caller, "admin": admin}


def declared(services: Services, tag: str, who: Who = "person") -> Callable[..., Decorator]:
    """Return what declares the routes of a file; `who` may call them."""

    def route(**told: Any) -> Decorator:
        def decorate(view: View) -> View:
            operation = Operation(
                name=view.__name__, told=inspect.getdoc(view) or "", tag=tag, who=who, **told
            )
            wanted = inspect.signature(view).parameters
            _check_taken(operation, set(wanted))

            @declare(operation)
            @wraps(view)
            def answer(**named: Any) -> Response:
                asked = {"person": CALLERS[who](services), **dict(_asked(operation))}
                taken = {name: asked[name] for name in wanted if name in asked}
                return _answer(operation, view(**named, **taken))

            return answer

        return decorate

    return route


def _check_taken(operation: Operation, wanted: set[str]) -> None:
    """Raise TypeError for a view that does not look at what it has declared."""
    told = {"query": operation.query, "body": operation.body, "key": operation.is_idempotent}
    if missing := {name for name, is_declared in told.items() if is_declared} - wanted:
        raise TypeError(f"{operation.name} does not take its {', '.join(sorted(missing))}")


def _asked(operation: Operation) -> Iterator[tuple[str, Any]]:
    if operation.query is not None:
        yield "query", read_query(operation.query, request)
    if isinstance(operation.body, type):
        request.max_content_length = operation.largest or request.max_content_length
        check_content_type(request.content_type or "")
        call = inbound(request)
        yield "call", call
        empty = b"{}" if operation.is_optional else b""
        yield "body", read_json(operation.body, call.body or empty)
    if operation.is_idempotent:
        yield "key", idempotency_key(request)


def _answer(operation: Operation, told: Any) -> Response:
    """Return what a view told. Raises TypeError where it has not declared that."""
    model, status = told if isinstance(told, tuple) else (told, next(iter(operation.answers)))
    wanted = operation.answers[status]
    if wanted is None:
        answer = Response(status=status)
        del answer.headers["Content-Type"]
        return answer
    if not isinstance(model, wanted):
        raise TypeError(f"{operation.name} has not declared {type(model).__name__}")
    answer = Response(model.model_dump_json(), status, content_type="application/json")
    if operation.location:
        answer.headers["Location"] = operation.location.format(id=_id(model))
    return answer


def _id(model: BaseModel) -> str:
    return str(model.id)  # type: ignore[attr-defined]  # what has a place has an id

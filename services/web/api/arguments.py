"""Reads what a caller asks into a model."""

from __future__ import annotations

from typing import Any, TypeVar

from flask import Request
from pydantic import BaseModel, ValidationError

from services.errors import Malformed, Unprocessable
from services.validation import check_content_type, explain, parse_object
from services.web.webhooks import inbound

LONGEST_SENTENCE = 2000

Model = TypeVar("Model", bound=BaseModel)


def read(model: type[Model], arguments: dict[str, Any]) -> Model:
    """Return the arguments as a model. Raises Malformed, naming what is wrong."""
    try:
        return model.model_validate(arguments)
    except ValidationError as error:
        raise Malformed(explain(error)) from None


def read_body(model: type[Model], request: Request) -> Model:
    """Return a request's body as a model.

    Raises Malformed when it is no JSON object, Unprocessable naming the fields that are wrong.
    """
    check_content_type(request.content_type or "")
    return read_json(model, inbound(request).body)


def read_optional(model: type[Model], request: Request) -> Model:
    """Return a request's body as a model, like `read_body`; none stands for an empty object."""
    check_content_type(request.content_type or "")
    return read_json(model, inbound(request).body or b"{}")


def idempotency_key(request: Request) -> str | None:
    """Return what names a request so that its repeat is known. Raises Unprocessable."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not 1 <= len(key) <= 255 or not key.isascii() or not key.isprintable():
        raise Unprocessable("Idempotency-Key: 1 to 255 printable ASCII characters are wanted.")
    return key


def read_json(model: type[Model], body: bytes) -> Model:
    """Return a JSON object as a model; raises like `read_body`."""
    fields = parse_object(body)
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        # Names of unknown fields are the caller's, and may be long.
        raise Unprocessable(explain(error)[:LONGEST_SENTENCE]) from None

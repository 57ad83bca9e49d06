"""Reads what a caller asks into a model."""

from __future__ import annotations

from typing import TypeVar

from flask import Request
from pydantic import BaseModel, ValidationError

from services.errors import Malformed, Unprocessable
from services.validation import explain, parse_object

LONGEST_SENTENCE = 2000

Model = TypeVar("Model", bound=BaseModel)


def read_query(model: type[Model], request: Request) -> Model:
    """Return a request's query as a model. Raises Malformed, naming what is wrong.

    A name that is there twice is refused: one of its values would silently not count.
    """
    told = request.args.to_dict(flat=False)
    for name, values in told.items():
        if len(values) > 1:
            raise Malformed(f"{name[:100]}: is there {len(values)} times.")
    try:
        return model.model_validate({name: value for name, [value] in told.items()})
    except ValidationError as error:
        raise Malformed(explain(error)[:LONGEST_SENTENCE]) from None


def idempotency_key(request: Request) -> str | None:
    """Return what names a request so that its repeat is known. Raises Unprocessable."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not 1 <= len(key) <= 255 or not key.isascii() or not key.isprintable():
        raise Unprocessable("Idempotency-Key: 1 to 255 printable ASCII characters are wanted.")
    return key


def read_json(model: type[Model], body: bytes) -> Model:
    """Return a JSON object as a model.

    Raises Malformed when it is none, Unprocessable naming the fields that are wrong.
    """
    fields = parse_object(body)
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        # Names of unknown fields are the caller's, and may be long.
        raise Unprocessable(explain(error)[:LONGEST_SENTENCE]) from None

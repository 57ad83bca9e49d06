"""Reads what a caller asks into a model."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from services.errors import Malformed
from services.validation import explain

Model = TypeVar("Model", bound=BaseModel)


def read(model: type[Model], arguments: dict[str, Any]) -> Model:
    """Return the arguments as a model. Raises Malformed, naming what is wrong."""
    try:
        return model.model_validate(arguments)
    except ValidationError as error:
        raise Malformed(explain(error)) from None

"""JSON that arrives as a text inside JSON, made as storable as the payload around it."""

from __future__ import annotations

from services.effects import Json
from services.errors import Malformed
from services.validation import parse_object


def parse_embedded(text: str) -> Json | None:
    """Return the value of a JSON text as jsonb takes it, or None when it is no such text."""
    wrapped = f'{{"value": {text}}}'
    try:
        return parse_object(wrapped.encode("utf-8", "surrogatepass")).get("value")
    except Malformed:
        return None

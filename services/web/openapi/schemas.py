"""JSON Schemas of the models that the API reads and answers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode

from services.web.operation import Content

PLACE = "#/components/schemas/"

Schema = dict[str, Any]


class Plain(GenerateJsonSchema):
    """Schemas without a title for each field, which says what its name says."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Return that none is wanted."""
        return False

    def normalize_name(self, name: str) -> str:
        """Return a name that other languages can have too: of Page[Message] MessagePage."""
        return re.sub(r"(\w+)\[(\w+)\]", r"\2\1", name)


class Schemas:
    """The schemas of what is read and answered, and the components that they refer to."""

    def __init__(self, read: Iterable[Content], answered: Iterable[Content]) -> None:
        """Generate them all together, so that two models of one name get names of their own."""
        wanted: list[tuple[Any, JsonSchemaMode, TypeAdapter[Any]]] = [
            *((model, "validation", TypeAdapter(model)) for model in dict.fromkeys(read)),
            *((model, "serialization", TypeAdapter(model)) for model in dict.fromkeys(answered)),
        ]
        self._made, told = TypeAdapter.json_schemas(
            wanted, ref_template=PLACE + "{model}", schema_generator=Plain
        )
        self.components: Schema = {
            name: {"title": name, **_without_title(schema)}
            for name, schema in sorted(told.get("$defs", {}).items())
        }

    def read(self, model: Content) -> Schema:
        """Return the schema of a body."""
        return self._made[model, "validation"]

    def answered(self, model: Content) -> Schema:
        """Return the schema of an answer."""
        return self._made[model, "serialization"]


def fields(model: type[BaseModel]) -> dict[str, tuple[Schema, bool]]:
    """Return of each field of a query its schema, and whether it must be there.

    Null is left out: no address can say it.
    """
    schema = model.model_json_schema(schema_generator=Plain)
    without_null(schema)
    required = schema.get("required", ())
    return {name: (told, name in required) for name, told in schema["properties"].items()}


def without_null(schema: Schema) -> None:
    """Take null out of what the fields of a schema may be, and from their defaults."""
    for told in schema["properties"].values():
        others = [one for one in told.get("anyOf", ()) if one != {"type": "null"}]
        if others:
            del told["anyOf"]
            told |= others[0] if len(others) == 1 else {"anyOf": others}
        if told.get("default", ...) is None:
            del told["default"]


def _without_title(schema: Schema) -> Schema:
    return {name: told for name, told in schema.items() if name != "title"}

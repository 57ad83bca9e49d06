"""The document as readers want it: by tag, each operation with its fields in rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Part = dict[str, Any]

METHODS = ("get", "put", "post", "patch", "delete")
BOUNDS = {
    "enum": "one of {}",
    "const": "{}",
    "minItems": "{} at least",
    "maxItems": "{} at most",
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minLength": "{} characters at least",
    "maxLength": "{} characters at most",
    "default": "default {}",
}
DEEPEST = 2
"""How many levels of a body's fields are shown; the document has them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A parameter or a field."""

    name: str
    kind: str
    is_required: bool
    told: str
    depth: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a status holds."""

    status: str
    told: str
    media_type: str
    rows: list[Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """An operation."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    callers: list[str]
    parameters: list[Row]
    body: list[Row]
    body_type: str
    example: str
    answers: list[Answer]
    errors: list[Answer]
    more: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """A tag with its operations."""

    name: str
    told: str
    sections: list[Section]


def chapters(document: Part) -> list[Chapter]:
    """Return the whole document, tag by tag; what we send has a chapter of its own."""
    found = [
        Chapter(name=tag["name"], told=tag["description"], sections=_tagged(document, tag["name"]))
        for tag in document["tags"]
    ]
    sent = [
        _section(document, "post", name, told["post"])
        for name, told in document["webhooks"].items()
    ]
    return [*found, Chapter(name="Webhooks", told="What we send to endpoints.", sections=sent)]


def _tagged(document: Part, tag: str) -> list[Section]:
    return [
        _section(document, method, path, operations[method])
        for path, operations in document["paths"].items()
        for method in METHODS
        if method in operations and tag in operations[method]["tags"]
    ]


def _section(document: Part, method: str, path: str, told: Part) -> Section:
    body_type, content = _content(told.get("requestBody", {}))
    answers = list(_answers(document, told))
    example = content.get("example")
    return Section(
        id=told["operationId"],
        method=method.upper(),
        path=path,
        summary=told["summary"],
        description=told.get("description", ""),
        callers=list(_callers(document, told)),
        parameters=[_parameter(document, one) for one in told.get("parameters", ())],
        body=list(_rows(document, content.get("schema", {}))),
        body_type=body_type,
        example=json.dumps(example, indent=2, ensure_ascii=False) if example else "",
        answers=[answer for answer in answers if answer.status < "4"],
        errors=[answer for answer in answers if answer.status >= "4"],
        more=told.get("externalDocs", {}).get("url", ""),
    )


def _callers(document: Part, told: Part) -> Iterator[str]:
    for name in (name for wanted in told["security"] for name in wanted):
        scheme = document["components"]["securitySchemes"][name]
        where = f"{scheme['in']} {scheme['name']}" if "in" in scheme else "bearer token"
        yield f"{where}: {scheme['description']}"


def _answers(document: Part, told: Part) -> Iterator[Answer]:
    for status, answer in told["responses"].items():
        found = _found(document, answer)
        media_type, content = _content(found)
        rows = [] if status >= "4" else list(_rows(document, content.get("schema", {})))
        yield Answer(status=status, told=found["description"], media_type=media_type, rows=rows)


def _content(part: Part) -> tuple[str, Part]:
    return next(iter(part.get("content", {}).items()), ("", {}))


def _parameter(document: Part, told: Part) -> Row:
    schema = _found(document, told["schema"])
    return Row(
        name=told["name"],
        kind=f"{_kind(document, schema)}, {told['in']}",
        is_required=told.get("required", False),
        told=told.get("description") or _told(schema),
    )


def _rows(document: Part, schema: Part, depth: int = 0) -> Iterator[Row]:
    """Return the fields of an object, of what it may be the first, and of its lists' items."""
    schema = _object(document, schema)
    for name, told in schema.get("properties", {}).items():
        found = _found(document, told)
        yield Row(
            name=name,
            kind=_kind(document, told),
            is_required=name in schema.get("required", ()),
            told=_told(told) or _told(found),
            depth=depth,
        )
        if depth < DEEPEST:
            yield from _rows(document, told, depth + 1)


def _object(document: Part, schema: Part) -> Part:
    found = _found(document, schema)
    for choice in found.get("anyOf", ())[:1]:
        return _object(document, choice)
    return _object(document, found["items"]) if "items" in found else found


def _found(document: Part, part: Part) -> Part:
    """Return what a reference names."""
    if "$ref" not in part:
        return part
    told: Part = document
    for name in part["$ref"].split("/")[1:]:
        told = told[name]
    return told


def _kind(document: Part, schema: Part) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(_kind(document, choice) for choice in schema["anyOf"])
    if "items" in schema:
        return f"list of {_kind(document, schema['items'])}"
    return str(schema.get("format") or schema.get("type", "anything"))


def _told(schema: Part) -> str:
    one: Part = next((choice for choice in schema.get("anyOf", ()) if "$ref" not in choice), {})
    bounds = {**one.get("items", {}), **one, **schema.get("items", {}), **schema}
    limits = [
        text.format(json.dumps(bounds[name]).strip("[]").replace('"', ""))
        for name, text in BOUNDS.items()
        if bounds.get(name) is not None
    ]
    return ". ".join(filter(None, [schema.get("description", "").rstrip("."), ", ".join(limits)]))

"""Makes the OpenAPI document of the declarations. https://spec.openapis.org/oas/v3.1.1.html"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from flask import Flask

from services.web.openapi.messages import MESSAGES
from services.web.openapi.parts import (
    ERRORS,
    HEADERS,
    LIMITS,
    PROOFS,
    TAGS,
    Part,
    error,
    error_name,
    headers,
    scheme,
    scheme_name,
)
from services.web.openapi.schemas import Schemas, fields
from services.web.openapi.sources import SOURCE, SOURCE_PATH
from services.web.operation import Content, Operation, Text
from services.web.problems import Problem

DESCRIPTION = """\
What people, admins, senders and those who watch the service may ask of it.

Every error is answered with problem details (RFC 9457). Lists are read page by page: `before` is
the `next` of the page ahead. This is version 1; fields and operations may be added to it."""
TYPES: dict[str | None, Part] = {
    "uuid": {"type": "string", "format": "uuid"},
    None: {"type": "string", "minLength": 1},
}
KEY: Part = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Names a request, so that its repeat changes nothing.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]*$"},
}
_NAMED = re.compile(r"<(?:(\w+):)?(\w+)>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """An operation and where it is; `parameters` are those of the path."""

    path: str
    method: str
    operation: Operation
    parameters: tuple[Part, ...] = ()


def routes(app: Flask) -> Iterator[Route]:
    """Return every route of an application that is declared and listed."""
    for rule in app.url_map.iter_rules():
        operation = getattr(app.view_functions[rule.endpoint], "operation", None)
        if operation is None or not operation.is_listed:
            continue
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            named = tuple(_path_parameter(*found) for found in _NAMED.findall(rule.rule))
            path = _NAMED.sub(r"{\2}", rule.rule)
            yield Route(path=path, method=method, operation=operation, parameters=named)


def document(app: Flask) -> Part:
    """Return the description of an application's API: the same for the same code."""
    source = Route(
        path=SOURCE_PATH,
        method="POST",
        operation=SOURCE,
        parameters=(_path_parameter("", "source"),),
    )
    found = sorted((*routes(app), source), key=_order)
    schemas = Schemas(*_models([route.operation for route in found]))
    paths: Part = {}
    for route in found:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    used = [route.operation.tag for route in found]
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Convohooks",
            "version": version("convohooks"),
            "description": DESCRIPTION,
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": name, "description": TAGS.get(name, f"What {name} calls.")}
            for name in dict.fromkeys((*(tag for tag in TAGS if tag in used), *used))
        ],
        "paths": paths,
        "webhooks": MESSAGES,
        "components": {
            "schemas": schemas.components,
            "responses": {error_name(status): error(status) for status in ERRORS},
            "headers": HEADERS,
            "securitySchemes": _schemes([route.operation for route in found]),
        },
    }


def _order(route: Route) -> tuple[str, str]:
    return route.path, route.method


def _models(operations: Iterable[Operation]) -> tuple[list[Content], list[Content]]:
    bodies = [told.body for told in operations if isinstance(told.body, type)]
    answers = [answer for told in operations for answer in told.answers.values()]
    good = [model for model in answers if model is not None and not isinstance(model, Text)]
    return bodies, [*good, Problem]


def _operation(route: Route, schemas: Schemas) -> Part:
    told = route.operation
    summary, _, description = told.told.partition("\n\n")
    parameters = [*route.parameters, *_query(told), *([KEY] if told.is_idempotent else ())]
    part: Part = {
        "operationId": told.name,
        "tags": [told.tag],
        "summary": summary.rstrip("."),
        "description": " ".join(description.split()),
        "parameters": parameters,
        "requestBody": _body(told, schemas),
        "responses": _answers(route, schemas),
        "security": [{scheme_name(told, proof): []} for proof in _proofs(told)],
        "externalDocs": {"url": told.more} if told.more else None,
    }
    # An empty security says that anyone may call; the rest says nothing when it is empty.
    return {name: value for name, value in part.items() if value or name == "security"}


def _path_parameter(converter: str, name: str) -> Part:
    schema = TYPES.get(converter or None, TYPES[None])
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _query(told: Operation) -> Iterator[Part]:
    for name, (schema, is_required) in fields(told.query).items() if told.query else ():
        part: Part = {"name": name, "in": "query", "schema": schema}
        if schema.get("type") == "array":
            # Separated by commas.
            part.update(style="form", explode=False)
        yield part | ({"required": True} if is_required else {})


def _body(told: Operation, schemas: Schemas) -> Part | None:
    if told.body is None:
        return None
    if isinstance(told.body, Text):
        kind, schema = told.body.media_type, dict(told.body.schema)
    else:
        kind, schema = "application/json", schemas.read(told.body)
    example = told.example() if callable(told.example) else told.example
    content = {"schema": schema, **({"example": example} if example else {})}
    return {"required": not told.is_optional, "content": {kind: content}}


def _answers(route: Route, schemas: Schemas) -> Part:
    told = route.operation
    errors = {*told.statuses, *((404,) if route.parameters else ())}
    limits = LIMITS if told.who in ("person", "admin") else ()
    place = ("Location",) if told.location else ()
    good: Part = {}
    for status, answer in told.answers.items():
        good[str(status)] = {
            "description": HTTPStatus(status).phrase,
            "headers": headers(*limits, *place),
            **_content(answer, schemas),
        }
    refs = {
        str(status): {"$ref": f"#/components/responses/{error_name(status)}"}
        for status in sorted(errors)
    }
    return good | refs


def _content(answer: Content, schemas: Schemas) -> Part:
    if answer is None:
        return {}
    if isinstance(answer, Text):
        return {"content": {answer.media_type: {"schema": dict(answer.schema)}}}
    return {"content": {"application/json": {"schema": schemas.answered(answer)}}}


def _proofs(told: Operation) -> Iterable[Any]:
    return told.proofs or PROOFS.get(told.who, ())


def _schemes(operations: Iterable[Operation]) -> Part:
    found = {
        scheme_name(told, proof): scheme(proof) for told in operations for proof in _proofs(told)
    }
    return dict(sorted(found.items()))

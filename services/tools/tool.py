"""What a tool is: what the agent is told of it, what it does, how its outcome is spoken."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from services.effects import Json
from services.embedded import parse_embedded
from services.provider import Lookups

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
LONGEST_SCHEMA = 10_000
"""Characters of description and parameters together."""
RESERVED = "tavus_"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What came of a tool: a result, or the sentence that says why there is none."""

    result: dict[str, Json] | None = None
    error: str | None = None

    @property
    def success(self) -> bool:
        """Tell whether the tool did what it was asked."""
        return self.error is None

    @property
    def content(self) -> Json:
        """Return the result, or the error in its place."""
        return self.result if self.success else {"error": self.error}


def _done(result: dict[str, Json]) -> str:
    return "Done."


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool. `say` makes of its result the sentence that the agent may speak.

    With `acts_outside` it does something that our database cannot take back (an e-mail, a booking):
    it is run for a call over HTTP only, never twice, and not again after an attempt of which
    nobody knows how it ended.
    """

    description: str
    parameters: dict[str, Json]
    run: Callable[[dict[str, Json], str, Lookups], ToolResult]
    say: Callable[[dict[str, Json]], str] = _done
    acts_outside: bool = False


def declared(tools: Mapping[str, Tool]) -> dict[str, Tool]:
    """Return the table as it is. Raises ValueError for a tool that Tavus would not take."""
    for name, tool in tools.items():
        problem = _problem(name, tool)
        if problem:
            raise ValueError(f"Tool {name!r} {problem}.")
    return dict(tools)


def schema(name: str, tool: Tool) -> dict[str, Json]:
    """Return a tool as an agent is told of it."""
    return {"name": name, "description": tool.description, "parameters": tool.parameters}


def parse_arguments(told: Any) -> dict[str, Json] | None:
    """Return the arguments of a call as an object, or None; absent ones are an empty object."""
    if told is None or told == "":
        return {}
    parsed = parse_embedded(told) if isinstance(told, str) else told
    return parsed if isinstance(parsed, dict) else None


def text_of(arguments: dict[str, Json], *names: str) -> str | None:
    """Return the first of these arguments that is a text and not blank, trimmed."""
    values = (arguments.get(name) for name in names)
    return next(
        (value.strip() for value in values if isinstance(value, str) and value.strip()), None
    )


def texts(**descriptions: str) -> dict[str, Json]:
    """Return the JSON schema of arguments that are texts, all of them required."""
    fields = {
        name: {"type": "string", "description": description}
        for name, description in descriptions.items()
    }
    return {"type": "object", "properties": fields, "required": list(fields)}


def _problem(name: str, tool: Tool) -> str | None:
    if not NAME.fullmatch(name):
        return "has a name that is not letters, digits and _ (64 at most, no digit first)"
    if tool.parameters.get("type") != "object":
        return "has parameters that are no object"
    if len(tool.description) + len(json.dumps(tool.parameters)) > LONGEST_SCHEMA:
        return f"is described in more than {LONGEST_SCHEMA} characters"
    taken = [field for field in tool.parameters.get("properties", {}) if field.startswith(RESERVED)]
    return f"has a parameter that starts with {RESERVED}: {taken[0]}" if taken else None

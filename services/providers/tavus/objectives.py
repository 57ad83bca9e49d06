"""Completed objectives: what the agent found out, cleaned of how it was said."""

from __future__ import annotations

import json
from typing import Any

from services.effects import Completion, Effects, Json
from services.embedded import parse_embedded
from services.provider import Lookups
from services.providers.tavus.fields import text
from services.providers.tavus.keys import bounded, fingerprint
from services.providers.tavus.models import Objective
from services.providers.tavus.visible import visible
from services.spoken import said_nothing, spoken_email

COLUMNS = {
    "firstname": "first_name",
    "lastname": "last_name",
    "email": "email",
    "emailaddress": "email",
    "position": "position",
}
NOT_VARIABLES = frozenset({"objective_name", "objective_status", "output_variables"})


def qualify(event: Objective, lookups: Lookups) -> Effects:
    """Store what an objective found out; SQL folds several completions into one row."""
    variables = read_variables(event)
    completion = Completion(
        objective_name=event.objective_name,
        variables=variables,
        columns=columns(variables),
        at=event.timestamp,
        raw_payload=visible(event.payload),
    )
    return Effects(completion=completion)


def objective_key(event: Objective, body_sha256: str) -> str:
    """Return the key of a completion: the same objective with other variables is another one."""
    found = fingerprint(read_variables(event))
    return bounded(f"objective:{event.objective_name}:{found}")


def read_variables(event: Objective) -> dict[str, Json]:
    """Return the cleaned variables, from `output_variables` or, of old, from among `properties`."""
    told = event.output_variables
    properties = event.payload.get("properties")
    if told is None and isinstance(properties, dict):
        told = {name: value for name, value in properties.items() if name not in NOT_VARIABLES}
    return {name: clean(name, value) for name, value in _named(told).items()}


def columns(variables: dict[str, Json]) -> dict[str, str | None]:
    """Return the variables that have a column of their own, as text or None."""
    found: dict[str, str | None] = {}
    for name in sorted(variables, key=lambda name: name in COLUMNS.values()):
        column = column_of(name)
        if column:
            found[column] = as_text(variables[name]) or found.get(column)
    return found


def column_of(name: str) -> str | None:
    """Return the column of a variable, however its name is written ("firstName", "First Name")."""
    return COLUMNS.get("".join(filter(str.isalnum, name)).lower())


def clean(name: str, value: Json) -> Json:
    """Return a value trimmed, of the type it has, an e-mail address as it is written."""
    if isinstance(value, list):
        return [clean(name, item) for item in value]
    if not isinstance(value, str):
        return value
    if column_of(name) and said_nothing(value):
        return None
    is_email = "".join(filter(str.isalpha, name)).lower().endswith(("email", "emailaddress"))
    return (spoken_email(value) if is_email else value.strip()) or None


def as_text(value: Json) -> str | None:
    """Return a value as a text column takes it: lists joined, numbers written out."""
    if isinstance(value, list):
        return ", ".join(filter(None, map(as_text, value))) or None
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True, ensure_ascii=False) if value else None
    if isinstance(value, bool | float):
        return str(value).lower()
    return text(value)


def _named(told: Any) -> dict[str, Json]:
    if isinstance(told, str):
        told = parse_embedded(told)
    if isinstance(told, list):
        pairs = [item for item in told if isinstance(item, dict)]
        return {name: item.get("value") for item in pairs if (name := text(item.get("name")))}
    return told if isinstance(told, dict) else {}

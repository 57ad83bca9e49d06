"""Objects at Tavus as they come: an id and a name under one of several names, details apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from services.clients.tavus import TavusClient
from services.errors import BadGateway, Conflict, NotFound

Json = Any
Row = dict[str, Json]


def first_text(row: Mapping[str, Json], names: Iterable[str]) -> str | None:
    """Return the first of these fields that holds a text."""
    values = (row.get(name) for name in names)
    return next((value for value in values if isinstance(value, str) and value), None)


def place(path: str, id_: str) -> str:
    """Return the path of one object; an id that came from outside stays one segment of it."""
    return f"{path}/{quote(id_, safe='')}"


def read_one(client: TavusClient, path: str, id_: str) -> Row:
    """Return one object. Raises BadGateway when there is none in the answer, and as the client."""
    answer = client.get(place(path, id_))
    rows = answer.get("data") if isinstance(answer, dict) else None
    # A persona comes as the only row of a list; an objective set has a list of its own there.
    if isinstance(rows, list) and len(rows) == 1 and isinstance(rows[0], dict) and len(answer) == 1:
        return dict(rows[0])
    if not isinstance(answer, dict):
        raise BadGateway(f"Tavus told nothing of {path}/{id_[:100]}.")
    return answer


def find_named(client: TavusClient, path: str, name: str, names: Iterable[str]) -> list[Row]:
    """Return every object of a list that has this name, under any of these fields."""
    fields = tuple(names)
    return [row for row in client.pages(path) if first_text(row, fields) == name]


def only(rows: list[Row], what: str, ids: Iterable[str]) -> Row | None:
    """Return the row, None when there is none. Raises Conflict naming them when there are more."""
    if len(rows) > 1:
        fields = tuple(ids)
        told = ", ".join(first_text(row, fields) or "?" for row in rows)
        raise Conflict(f"Tavus has {len(rows)} of the name {what}: {told}. Remove all but one.")
    return rows[0] if rows else None


def id_of(row: Mapping[str, Json], names: Iterable[str], what: str) -> str:
    """Return an object's id. Raises BadGateway when Tavus has told none."""
    found = first_text(row, names)
    if found is None:
        raise BadGateway(f"Tavus told no id of {what}.")
    return found


def find_id(
    client: TavusClient, path: str, told: str, ids: tuple[str, ...], names: tuple[str, ...]
) -> str:
    """Return the id of what is told by id or by name. Raises NotFound, and Conflict for several."""
    rows = list(client.pages(path))
    if any(first_text(row, ids) == told for row in rows):
        return told
    row = only([row for row in rows if first_text(row, names) == told], told, ids)
    if row is None:
        raise NotFound(f"Tavus has no {told!r} at {path}.")
    return id_of(row, ids, told)

"""The demo's persona: files of the project, made or brought up to date at Tavus by its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from services.clients.tavus import TavusClient
from services.errors import Unprocessable
from services.settings import Settings
from services.tavus_setup import objectives
from services.tavus_setup.files import FOLDER, read_object, read_text
from services.tavus_setup.objectives import Pushed
from services.tavus_setup.patch import Operation, differences, without_nothing
from services.tavus_setup.resources import find_id, find_named, id_of, only, place, read_one

Json = Any
Row = dict[str, Json]

PATH = "/personas"
IDS = ("persona_id", "pal_id", "uuid", "id")
NAMES = ("persona_name", "pal_name", "name")
# What Tavus has called `pal` and `face` since 2026, by the names that it still takes.
RENAMED = {
    "persona_name": ("pal_name", "name"),
    "default_replica_id": ("default_face_id",),
}
DEFAULT_FOLDER = FOLDER / "persona"
PROMPT_FILE = "system_prompt.md"


def read_persona(folder: Path) -> Row:
    """Return the persona in a folder: persona.json, with system_prompt.md as its prompt.

    Raises Unprocessable when a file cannot be read or the persona has no name.
    """
    persona = read_object(folder / "persona.json")
    if (folder / PROMPT_FILE).exists():
        persona["system_prompt"] = read_text(folder / PROMPT_FILE).strip()
    for name in ("persona_name", "system_prompt"):
        if not isinstance(persona.get(name), str) or not persona[name].strip():
            raise Unprocessable(f"{folder}: {name} is wanted, a text.")
    return persona


def push_persona(
    client: TavusClient,
    settings: Settings,
    wanted: Row,
    *,
    persona_id: str | None = None,
    replica_id: str | None = None,
    objectives_id: str | None = None,
    dry_run: bool = False,
) -> Pushed:
    """Make the persona at Tavus, or change what differs in the one of its name or id.

    Objectives are named by id or name. Raises Conflict when several personas have the name,
    NotFound for objectives that are not there, and as the client.
    """
    replica = replica_id or settings.tavus_replica_id
    attached = _objectives_id(client, objectives_id) if objectives_id else None
    body = {
        **wanted,
        **({"default_replica_id": replica} if replica else {}),
        **({"objectives_id": attached} if attached else {}),
    }
    name = wanted["persona_name"]
    found = persona_id or _find(client, name)
    if found is None:
        answer = {"persona_id": "-"} if dry_run else client.post(PATH, without_nothing(body))
        row = answer if isinstance(answer, dict) else {}
        return Pushed(id=id_of(row, IDS, name), name=name, outcome="created")
    return _change(client, found, body, dry_run)


def attach_objectives(client: TavusClient, persona_id: str, objectives_id: str) -> bool:
    """Give a persona its objectives; return whether it had others, or none."""
    row = read_one(client, PATH, persona_id)
    operations = differences(row, {"objectives_id": objectives_id})
    if operations:
        client.patch(place(PATH, persona_id), operations)
    return bool(operations)


def _change(client: TavusClient, id_: str, body: Row, dry_run: bool) -> Pushed:
    row = read_one(client, PATH, id_)
    operations = [_renamed(operation, row) for operation in differences(_by_old_names(row), body)]
    if operations and not dry_run:
        client.patch(place(PATH, id_), operations)
    return Pushed(
        id=id_,
        name=body["persona_name"],
        outcome="changed" if operations else "current",
        fields=tuple(operation["path"] for operation in operations),
    )


def _find(client: TavusClient, name: str) -> str | None:
    row = only(find_named(client, PATH, name, NAMES), name, IDS)
    return id_of(row, IDS, name) if row else None


def _objectives_id(client: TavusClient, told: str) -> str:
    return find_id(client, objectives.PATH, told, objectives.IDS, objectives.NAMES)


def _by_old_names(row: Row) -> Row:
    """Return a persona with its fields under the names that our files use."""
    found = {
        old: next((row[name] for name in (old, *new) if row.get(name) is not None), None)
        for old, new in RENAMED.items()
    }
    return {**row, **{name: value for name, value in found.items() if value is not None}}


def _renamed(operation: Operation, row: Row) -> Operation:
    """Return a change with the name under which this persona has the field."""
    name = operation["path"].removeprefix("/")
    names = (name, *RENAMED.get(name, ()))
    return {**operation, "path": "/" + next((n for n in names if row.get(n) is not None), name)}

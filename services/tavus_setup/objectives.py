"""Sets of objectives: files of the project, made or brought up to date at Tavus by their name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from services.clients.tavus import TavusClient
from services.errors import SettingsError, Unprocessable
from services.settings import Settings
from services.tavus_setup.callbacks import callback_url, judge, shown
from services.tavus_setup.files import FOLDER, read_object
from services.tavus_setup.patch import differences, without_nothing
from services.tavus_setup.resources import (
    find_named,
    first_text,
    id_of,
    only,
    place,
    read_one,
)
from services.tavus_setup.rules import ObjectiveSet
from services.validation import explain

Json = Any
Row = dict[str, Json]

PATH = "/objectives"
IDS = ("uuid", "objectives_id", "id")
NAMES = ("name", "objectives_name", "objective_name")
MAPS = ("next_conditional_objectives", "tool_call")
DEFAULT_FILE = FOLDER / "objectives" / "greeting_and_qualification.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What a push has done, or would do: `fields` are the places that differed."""

    id: str
    name: str
    outcome: Literal["created", "changed", "current"]
    fields: tuple[str, ...] = ()


def objectives_file(settings: Settings, told: Path | None = None) -> Path:
    """Return the set to use: the file that was told, else the custom one, else the default."""
    return told or settings.objectives_file or DEFAULT_FILE


def read_objectives(path: Path) -> ObjectiveSet:
    """Return the set in a file. Raises Unprocessable, naming every field that is wrong."""
    try:
        return ObjectiveSet.model_validate(read_object(path))
    except ValidationError as error:
        raise Unprocessable(f"{path}: {explain(error)}") from None


def push_objectives(
    client: TavusClient, settings: Settings, wanted: ObjectiveSet, *, dry_run: bool = False
) -> Pushed:
    """Make the set at Tavus, or change what differs in the one of its name.

    Raises Conflict when several have the name, and as `callback_url` and the client.
    """
    body = as_sent(wanted, callback_url(settings))
    listed = only(find_named(client, PATH, wanted.name, NAMES), wanted.name, IDS)
    if listed is None:
        answer = {"uuid": "-"} if dry_run else client.post(PATH, without_nothing(body))
        made = answer if isinstance(answer, dict) else {}
        return Pushed(id=id_of(made, IDS, wanted.name), name=wanted.name, outcome="created")
    id_ = id_of(listed, IDS, wanted.name)
    row = listed if isinstance(listed.get("data"), list) else read_one(client, PATH, id_)
    operations = differences(_as_named_now(row), body, whole=MAPS)
    if operations and not dry_run:
        client.patch(place(PATH, id_), operations)
    return Pushed(
        id=id_,
        name=wanted.name,
        outcome="changed" if operations else "current",
        fields=tuple(operation["path"] for operation in operations),
    )


def as_sent(wanted: ObjectiveSet, our_url: str) -> Row:
    """Return a set as Tavus is to have it; what is null there is to be nothing."""
    items = []
    for item in wanted.data:
        url = item.callback_url if "callback_url" in item.model_fields_set else our_url
        items.append({**item.model_dump(), "callback_url": url})
    return {"data": items, "allow_loops": wanted.allow_loops, "name": wanted.name}


def list_objectives(client: TavusClient, settings: Settings) -> Iterator[Row]:
    """Yield what Tavus has: each objective with where its completions are sent, shown as may be."""
    ours = _our_url(settings)
    for row in client.pages(PATH):
        id_ = id_of(row, IDS, "a set of objectives")
        whole = row if isinstance(row.get("data"), list) else read_one(client, PATH, id_)
        yield {
            "id": id_,
            "name": first_text(row, NAMES) or "unnamed",
            "objectives": [
                {
                    "name": first_text(item, ("objective_name",)) or "unnamed",
                    "output_variables": item.get("output_variables") or [],
                    "callback_url": shown(item.get("callback_url")),
                    "callback": judge(item.get("callback_url"), ours) if ours else None,
                }
                for item in whole.get("data") or []
                if isinstance(item, dict)
            ],
        }


def _our_url(settings: Settings) -> str | None:
    try:
        return callback_url(settings)
    except SettingsError:
        return None


def _as_named_now(row: Row) -> Row:
    """Return a set of Tavus's with the field names of 2026."""
    items = [_item_as_named_now(item) for item in row.get("data") or []]
    loops = bool(row.get("allow_loops"))
    return {**row, "data": items, "name": first_text(row, NAMES), "allow_loops": loops}


def _item_as_named_now(item: Json) -> Json:
    names = item.get("next_required_objectives") if isinstance(item, dict) else None
    if not isinstance(names, list) or len(names) != 1 or item.get("next_required_objective"):
        return item
    return {**item, "next_required_objective": names[0]}

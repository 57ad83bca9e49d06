"""Where in a payload a field is: Tavus, and who copies it, put the same field in several places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from services.effects import Json

ENVELOPE = ("conversation_id", "event_type", "timestamp", "seq", "turn_idx", "inference_id")


@dataclass(frozen=True, slots=True)
class At:
    """Where a field is found: dotted paths, of which the first that holds something counts."""

    paths: tuple[str, ...]

    def __init__(self, *paths: str) -> None:
        """Take the paths in the order in which they are tried."""
        object.__setattr__(self, "paths", paths)


def hoist(payload: dict[str, Json]) -> dict[str, Json]:
    """Return one flat object: `properties` over the top level over `data`, nulls left out.

    Tavus moves fields between the three. Only the envelope's own fields count from the top first.
    """
    envelope = {name: payload.get(name) for name in ENVELOPE}
    parts = (payload.get("data"), payload, payload.get("properties"), envelope)
    return {
        name: value
        for part in parts
        if isinstance(part, dict)
        for name, value in part.items()
        if value is not None
    }


def first(flat: dict[str, Json], places: tuple[str, ...]) -> Json:
    """Return what is at the first path that holds something, a blank text counting last."""
    blank = None
    for place in places:
        value = _dig(flat, place)
        if value is not None and not (isinstance(value, str) and not value.strip()):
            return value
        blank = value if blank is None else blank
    return blank


def _dig(flat: dict[str, Json], place: str) -> Json:
    value: Json = flat
    for name in place.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def places_of(name: str, metadata: list[Any]) -> tuple[str, ...]:
    """Return where a field is looked for: as its annotation says, else under its own name."""
    return next((item.paths for item in metadata if isinstance(item, At)), (name,))

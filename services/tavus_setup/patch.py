"""The differences between what Tavus has and what is wanted, as a JSON Patch (RFC 6902)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

Json = Any
Operation = dict[str, Json]


def differences(
    old: Mapping[str, Json],
    new: Mapping[str, Json],
    at: str = "",
    *,
    whole: Collection[str] = (),
) -> list[Operation]:
    """Return what makes `old` hold all that `new` says; what `new` is silent on stays.

    A field named in `whole` is to be as `new` has it, with nothing besides. Nothing is as good as
    null or an empty text, list or object: Tavus tells one for another.
    """
    return [
        operation
        for name, value in new.items()
        for operation in _difference(old, name, value, f"{at}/{_escaped(name)}", whole)
    ]


def without_nothing(value: Json) -> Json:
    """Return a value without the fields that say nothing."""
    if isinstance(value, list):
        return [without_nothing(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: without_nothing(item) for name, item in value.items() if not _nothing(item)}


def _difference(
    old: Mapping[str, Json], name: str, value: Json, at: str, whole: Collection[str]
) -> Iterator[Operation]:
    has = old.get(name)
    if has == value or (_nothing(has) and _nothing(value)):
        return
    if _nothing(value):
        yield {"op": "remove", "path": at}
    elif isinstance(has, dict) and isinstance(value, dict) and name not in whole:
        yield from differences(has, value, at, whole=whole)
    elif pairs := _pairs(has, value):
        for index, (before, after) in enumerate(pairs):
            yield from differences(before, after, f"{at}/{index}", whole=whole)
    else:
        # `replace` fails where there is nothing yet, and Tavus may leave out what is null.
        verb = "add" if has is None else "replace"
        yield {"op": verb, "path": at, "value": without_nothing(value)}


def _pairs(has: Json, value: Json) -> list[tuple[Json, Json]]:
    """Return what stands at the same places of two lists of as many objects, else nothing."""
    if not isinstance(has, list) or not isinstance(value, list) or len(has) != len(value):
        return []
    are_objects = all(isinstance(item, dict) for item in [*has, *value])
    return list(zip(has, value, strict=True)) if are_objects else []


def _nothing(value: Json) -> bool:
    return value is None or value in ("", [], {})


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")

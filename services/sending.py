"""Calls as senders make them: samples, with new identifiers, signed."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, cast

from services.effects import Json
from services.errors import NotFound
from services.provider import Call, Provider
from services.settings import Settings

Payload = dict[str, Json]


def sample_names(provider: Provider) -> list[str]:
    """Return the samples of a sender's events: `<event type>` or `<event type>-<variant>`."""
    return sorted(file.name.removesuffix(".json") for file in _files(provider))


def sample(provider: Provider, name: str) -> Payload:
    """Return the payload of a sample. Raises NotFound, naming those there are."""
    for file in _files(provider):
        if file.name == f"{name}.json":
            return cast(Payload, json.loads(file.read_text()))
    raise NotFound(
        f"{provider.name} has no sample {name!r}; there are: {', '.join(sample_names(provider))}."
    )


def renewed(provider: Provider, payload: Payload) -> Payload:
    """Return a payload about something that was never told of: its identifiers are new ones."""
    old = set(_identifiers(provider, payload))
    new = {text: _similar(text) for text in old}
    return cast(Payload, _replaced(payload, new))


def changed(payload: Payload, path: str, value: Json) -> Payload:
    """Return a payload with another value at a dotted path, which is made where it is missing."""
    first, _, rest = path.partition(".")
    if not rest:
        return {**payload, first: value}
    inner = payload.get(first)
    return {**payload, first: changed(inner if isinstance(inner, dict) else {}, rest, value)}


def call_of(provider: Provider, name: str, payload: Payload, settings: Settings) -> Call:
    """Return the signed call that tells a payload, to where senders reach this service."""
    entry = provider.events.get(name.partition("-")[0])
    path = (entry.path if entry else None) or provider.paths[0]
    call = Call(
        url=settings.public_base_url + path,
        body=provider.encode(payload),
        headers={"Content-Type": provider.content_type},
    )
    return provider.sign(call, settings)


def _files(provider: Provider) -> Iterable[Traversable]:
    folder = files("services") / "samples" / (provider.samples or provider.name)
    found = folder.iterdir() if folder.is_dir() else ()
    return [file for file in found if file.name.endswith(".json")]


def _identifiers(provider: Provider, value: Json) -> Iterable[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            if name in provider.identifiers and isinstance(item, str) and item:
                yield item
            yield from _identifiers(provider, item)
    elif isinstance(value, list):
        for item in value:
            yield from _identifiers(provider, item)


def _similar(text: str) -> str:
    """Return a text of the same length and beginning, its end made of random hex digits."""
    length = min(12, max(len(text) - 2, 6))
    return text[: max(len(text) - length, 2)] + secrets.token_hex(12)[:length]


def _replaced(value: Any, new: Mapping[str, str]) -> Any:
    """Put new identifiers in place of old ones, also where an address contains them."""
    if isinstance(value, dict):
        return {name: _replaced(item, new) for name, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, new) for item in value]
    if isinstance(value, str):
        for old in sorted(new, key=len, reverse=True):
            value = value.replace(old, new[old])
    return value

"""What of a call may stand on a terminal: its texts without secrets and without control signs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import fields
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote

from pydantic import BaseModel

from services.effects import Json
from services.inbound import Inbound
from services.plain import STARS, shown_path
from services.settings import Settings

SHORTEST, SHORTEST_PART = 4, 8
"""Characters of a presented value, or of a part of one, that is looked for elsewhere."""

_SECRET_NAME = re.compile(
    r"token|secret|passw|passphrase|authori[sz]ation|signature|credential|cookie"
    r"|(?:api|private|access|signing|shared).?key|card.?number|^(?:jwt|otp|pin|cvc|cvv)$",
    re.IGNORECASE,
)
_SECRET_SHAPES = re.compile(
    r"(?<=bearer )\S+|(?<=basic )\S+"
    r"|\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?"
    r"|\b(?:sk|pk|rk|whsec|sb_secret|sb_publishable|ghp|gho|xox[a-z]|AKIA)[_-]?[A-Za-z0-9_-]{8,}"
    r"|(?<=://)[^\s/@\"'<>]+:[^\s/@\"'<>]+(?=@)",
    re.IGNORECASE,
)
_URL_QUERY = re.compile(r"((?:https?|wss?)://[^\s?#\"'<>]*)[?#][^\s\"'<>]+", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z_.-]{1,24}")


def secrets_of(settings: Settings) -> frozenset[str]:
    """Return every secret that the settings hold: what is not in their `repr`."""
    hidden = (getattr(settings, field.name) for field in fields(settings) if not field.repr)
    return frozenset(text for value in hidden for text in _texts(value))


def presented(call: Inbound, harmless: Set[str]) -> frozenset[str]:
    """Return what a call may have as its proof: the values of its query and of odd headers."""
    odd = [value for name, value in call.headers.items() if name not in harmless]
    parts = (part for value in odd for part in re.split(r"[\s,;=]+", value))
    queried = (value for _, value in parse_qsl(call.target.partition("?")[2]))
    whole = (*call.query.values(), *queried, *odd)
    return frozenset(
        {
            *(text for text in whole if len(text) >= SHORTEST),
            *(text for text in parts if len(text) >= SHORTEST_PART),
        }
    )


def masked(text: str, secrets: frozenset[str]) -> str:
    """Return a text in which no secret can be read, as it is or percent-encoded, in any case."""
    pattern = _pattern(secrets)
    return pattern.sub(STARS, text) if pattern else text


def pretty(value: Json, secrets: frozenset[str]) -> str:
    """Return a parsed body as indented JSON in which no secret can be read."""
    return json.dumps(_masked_json(value, secrets), indent=2, ensure_ascii=False)


def shown_url(path: str, names: Iterable[str]) -> str:
    """Return a path and its query's names; a part that looks like a token is overwritten."""
    query = "&".join(f"{name if _NAME.fullmatch(name) else STARS}={STARS}" for name in names)
    return shown_path(path) + (f"?{query}" if query else "")


@lru_cache(64)
def _pattern(secrets: frozenset[str]) -> re.Pattern[str] | None:
    ways = (str, unquote, quote_plus, lambda secret: quote(secret, safe=""))
    written = {way(secret) for secret in secrets for way in ways} - {""}
    longest_first = sorted(written, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE) if written else None


def _masked_json(value: Json, secrets: frozenset[str]) -> Json:
    if isinstance(value, dict):
        return {
            masked(key, secrets): STARS
            if _SECRET_NAME.search(key) and value[key] is not None
            else _masked_json(item, secrets)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_masked_json(item, secrets) for item in value]
    if isinstance(value, str):
        return _without_shapes(masked(value, secrets))
    return value


def _without_shapes(text: str) -> str:
    return _SECRET_SHAPES.sub(STARS, _URL_QUERY.sub(rf"\1?{STARS}", text))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, BaseModel):
        yield from _texts(value.model_dump().get("secret"))
    elif isinstance(value, Mapping):
        yield from (text for item in value.values() for text in _texts(item))
    elif isinstance(value, tuple | list):
        yield from (text for item in value for text in _texts(item))

"""What the checks look at: the settings, and what Supabase said of itself when it was asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from services.database import Database
from services.errors import ConvohooksError
from services.settings import Settings

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """A database of ours, by its own account; `ahead` is its clock's lead in seconds."""

    version: str | None
    published: tuple[str, ...]
    ahead: float
    precision: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """One installation. What Supabase would not say is the error it gave instead."""

    settings: Settings
    texts: Mapping[str, str]
    schema: Schema | ConvohooksError
    backlog: Mapping[str, Any] | ConvohooksError
    operations: Mapping[str, Any] | ConvohooksError | None = None
    access: Mapping[str, Any] | ConvohooksError | None = None
    protocol: str | ConvohooksError | None = None


def meet(settings: Settings, texts: Mapping[str, str], *, is_hosted: bool = False) -> Patient:
    """Ask Supabase what the checks want to know of it; of a hosted one there is more to know."""
    database = Database(settings)
    try:
        schema = _answer(lambda: _schema(database))
        told = (schema, schema) if isinstance(schema, ConvohooksError) else _state_of(database)
        return Patient(
            settings=settings,
            texts=texts,
            schema=schema,
            backlog=told[0],
            operations=told[1],
            access=_answer(lambda: _access(database)) if is_hosted else None,
            protocol=_answer(database.protocol) if is_hosted else None,
        )
    finally:
        database.close()


def _answer(ask: Callable[[], Answer]) -> Answer | ConvohooksError:
    try:
        return ask()
    except ConvohooksError as error:
        return error


def _state_of(
    database: Database,
) -> tuple[Mapping[str, Any] | ConvohooksError, Mapping[str, Any] | ConvohooksError]:
    return _answer(database.backlog), _answer(lambda: _operations(database))


def _operations(database: Database) -> dict[str, Any]:
    told: dict[str, Any] = database.call("operations", {})
    return told


def _access(database: Database) -> dict[str, Any]:
    told: dict[str, Any] = database.call("describe_access", {})
    return told


def _schema(database: Database) -> Schema:
    # The first call pays for the connection, which would count as a wrong clock.
    database.describe_schema()
    asked = time.time()
    told = database.describe_schema()
    answered = time.time()
    there = datetime.fromisoformat(told["now"]).timestamp()
    return Schema(
        version=told["version"],
        published=tuple(told["published"]),
        ahead=there - (asked + answered) / 2,
        precision=(answered - asked) / 2,
    )

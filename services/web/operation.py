"""What a route declares of itself: who may call it, what it reads, what it answers.

The declaration stands at the route and is all that /openapi.json is made of. What serves people
(`services/web/api/declared.py`) reads and answers by it, so that it cannot say anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from pydantic import BaseModel

from services.provider import Proof

Who = Literal["anyone", "person", "admin", "operator", "sender"]
View = TypeVar("View", bound=Callable[..., Any])

OF_A_BODY = (400, 408, 413, 415)
OF_WHO: Mapping[Who, tuple[int, ...]] = {
    "anyone": (),
    "person": (401, 429),
    "admin": (401, 403, 429),
    "operator": (401, 404),
    "sender": (401, 429),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A body or an answer that is no JSON of a model of ours."""

    media_type: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})


Content = Any
"""A model, a union of models, a Text, or None for no content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A route's declaration; its name, summary and description are those of its function."""

    name: str
    told: str
    """The docstring: its first line is the summary."""
    tag: str
    who: Who
    answers: Mapping[int, Content]
    """What each good status holds; the first is meant where a view names none."""
    query: type[BaseModel] | None = None
    body: type[BaseModel] | Text | None = None
    is_optional: bool = False
    """Whether the body may be left out; then it is an empty object."""
    is_idempotent: bool = False
    """Whether it takes an Idempotency-Key."""
    largest: int | None = None
    """Bytes of the largest body, where it is less than any route takes."""
    location: str = ""
    """Where what was made is found, with its `{id}`."""
    errors: tuple[int, ...] = ()
    """The statuses that it alone can answer, besides those that follow from the rest."""
    proofs: tuple[Proof, ...] = ()
    """What of a sender's call proves it, each enough by itself; for others `who` says it."""
    example: Any = None
    """A body, made up; or what makes one."""
    more: str = ""
    """A page that says more."""
    is_listed: bool = True
    """Whether the API's description has it; not what one deployment alone has."""

    @property
    def statuses(self) -> list[int]:
        """Return every status that it can answer with problem details."""
        read = (400,) if self.query else ()
        body = OF_A_BODY if self.body else ()
        wrong = (422,) if isinstance(self.body, type) or self.is_idempotent else ()
        return sorted({*OF_WHO[self.who], *read, *body, *wrong, *self.errors, 500, 503})


def declare(operation: Operation) -> Callable[[View], View]:
    """Attach a declaration to a view that reads and answers by itself."""

    def attach(view: View) -> View:
        view.operation = operation  # type: ignore[attr-defined]
        return view

    return attach

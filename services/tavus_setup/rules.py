"""What Tavus wants of a set of objectives, checked before it is sent.

https://docs.tavus.io/api-reference/objectives/create-objectives
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

Json = Any

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]+$", max_length=255)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


def _web_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("is no http(s) address")
    return url


class Objective(BaseModel):
    """One objective. Without a `callback_url` it gets ours; null means that nobody is called."""

    model_config = ConfigDict(extra="forbid")

    objective_name: Name
    objective_prompt: Text
    confirmation_mode: Literal["auto", "manual"] = "auto"
    output_variables: list[Name] = Field(default=[], max_length=50)
    modality: Literal["verbal", "visual", "audio"] = "verbal"
    next_required_objective: Name | None = None
    next_conditional_objectives: dict[Name, Text] | None = None
    callback_url: Annotated[str, Field(max_length=2048), AfterValidator(_web_address)] | None = None
    tool_call: dict[str, Json] | None = None

    @property
    def next_names(self) -> tuple[str, ...]:
        """The objectives that may follow."""
        required = (self.next_required_objective,) if self.next_required_objective else ()
        return (*required, *(self.next_conditional_objectives or ()))

    @model_validator(mode="before")
    @classmethod
    def _take_the_older_list(cls, told: Json) -> Json:
        if not isinstance(told, dict) or "next_required_objectives" not in told:
            return told
        names = told["next_required_objectives"]
        if not isinstance(names, list) or len(names) > 1:
            raise ValueError("next_required_objectives must be a list of one name")
        if names and told.get("next_required_objective") not in (None, names[0]):
            raise ValueError("next_required_objective and next_required_objectives differ")
        rest = {name: value for name, value in told.items() if name != "next_required_objectives"}
        return {**rest, "next_required_objective": names[0]} if names else rest

    @model_validator(mode="after")
    def _check_what_follows(self) -> Self:
        if self.next_required_objective and self.next_conditional_objectives:
            raise ValueError("one of next_required_objective and next_conditional_objectives only")
        if len(set(self.output_variables)) < len(self.output_variables):
            raise ValueError("output_variables repeats a name")
        return self


class ObjectiveSet(BaseModel):
    """A set of objectives as Tavus takes it; the first to be met is the one that follows none."""

    model_config = ConfigDict(extra="forbid")

    name: Text
    data: list[Objective] = Field(min_length=1, max_length=50)
    allow_loops: bool = False

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        counts = Counter(item.objective_name for item in self.data)
        repeated = [name for name, count in counts.items() if count > 1]
        if repeated:
            raise ValueError(f"two objectives are named {repeated[0]!r}")
        for item in self.data:
            for name in item.next_names:
                if name not in counts:
                    raise ValueError(f"{item.objective_name!r} is followed by unknown {name!r}")
        return self

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        roots = self._roots()
        if len(roots) != 1 and not (self.allow_loops and not roots):
            told = ", ".join(map(repr, roots)) or "none"
            raise ValueError(f"one objective must be the first, following no other; found {told}")
        reached = set(self._walk(roots[0] if roots else self.data[0].objective_name))
        for item in self.data:
            if item.objective_name not in reached:
                raise ValueError(f"{item.objective_name!r} is never reached")
        if not self.allow_loops and self._has_loop():
            raise ValueError("objectives follow each other in a circle, and allow_loops is false")
        return self

    def _roots(self) -> list[str]:
        followers = {name for item in self.data for name in item.next_names}
        return [i.objective_name for i in self.data if i.objective_name not in followers]

    def _walk(self, first: str) -> Iterator[str]:
        following = {item.objective_name: item.next_names for item in self.data}
        waiting, seen = [first], {first}
        while waiting:
            name = waiting.pop()
            yield name
            waiting += [n for n in following[name] if n not in seen]
            seen.update(following[name])

    def _has_loop(self) -> bool:
        """Tell whether some objectives remain when those that nothing left follows are removed."""
        left = {item.objective_name: set(item.next_names) for item in self.data}
        while ends := {name for name, following in left.items() if not following & left.keys()}:
            left = {name: following for name, following in left.items() if name not in ends}
        return bool(left)

"""What a Dockerfile says: its stages, and the steps of each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VARIABLE = re.compile(r"\$(?:\{(\w+)(?::-([^}]*))?\}|(\w+))")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An instruction; `is_exec` where its words are a JSON list, and no shell reads them."""

    name: str
    words: tuple[str, ...]
    flags: Mapping[str, str]
    is_exec: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A FROM and what follows it, as far as the next."""

    name: str
    steps: tuple[Step, ...]


def read_recipe(path: Path) -> tuple[Mapping[str, str], list[Stage]]:
    """Return the arguments before the first FROM, and the stages."""
    # Imported here because there are wheels of it for Linux on x86_64 alone.
    import dockerfile  # type: ignore[import-not-found]

    steps = [_step(command) for command in dockerfile.parse_string(path.read_text())]
    starts = [place for place, step in enumerate(steps) if step.name == "FROM"]
    given = dict(argument(step) for step in steps[: starts[0]])
    ends = [*starts[1:], len(steps)]
    return given, [_stage(steps[start:end]) for start, end in zip(starts, ends, strict=True)]


def argument(step: Step) -> tuple[str, str]:
    """Return the name of an ARG and its default."""
    name, _, default = step.words[0].partition("=")
    return name, unquoted(default, {})


def pairs(step: Step, values: Mapping[str, str]) -> dict[str, str]:
    """Return the names and values of an ENV or a LABEL."""
    names, texts = step.words[::2], step.words[1::2]
    return {
        unquoted(name, values): unquoted(text, values)
        for name, text in zip(names, texts, strict=True)
    }


def unquoted(text: str, values: Mapping[str, str]) -> str:
    """Return a word with its variables put in, without the quotes around it."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    return VARIABLE.sub(lambda m: values.get(m[1] or m[3]) or m[2] or "", text)


def _stage(steps: Sequence[Step]) -> Stage:
    words = steps[0].words
    return Stage(name=words[2] if len(words) == 3 else "", steps=tuple(steps[1:]))


def _step(command: Any) -> Step:
    flags = (flag.removeprefix("--").partition("=") for flag in command.flags)
    return Step(
        name=command.cmd.upper(),
        words=tuple(command.value),
        flags={name: value for name, _, value in flags},
        is_exec=command.json,
        text=command.original,
    )

"""What a check found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from services.doctor.patient import Patient

State = Literal["ok", "warn", "fail", "skip"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was looked at, how it is, what was seen, and what to do about it."""

    name: str
    state: State
    seen: str
    mend: str = ""


Check: TypeAlias = Callable[[Patient], Finding | None]
"""Looks at one thing; None where that thing is not there to be looked at."""


def ok(name: str, seen: str) -> Finding:
    """Return that a thing is as it should be."""
    return Finding(name=name, state="ok", seen=seen)


def warn(name: str, seen: str, mend: str) -> Finding:
    """Return that a thing works, but one should know."""
    return Finding(name=name, state="warn", seen=seen, mend=mend)


def fail(name: str, seen: str, mend: str) -> Finding:
    """Return that a thing does not work."""
    return Finding(name=name, state="fail", seen=seen, mend=mend)


def skip(name: str, seen: str) -> Finding:
    """Return that a thing could not be looked at from here, which is no failure."""
    return Finding(name=name, state="skip", seen=seen)

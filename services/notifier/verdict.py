"""A verdict on one thing, and the rules that come to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from services.notifier.thresholds import Thresholds

CLEAR = 0.8
"""What began at a threshold ends below this share of it, so that it does not come and go there."""

Reading = Mapping[str, Any]
State = Literal["wrong", "right", "unsure"]
Severity = Literal["critical", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was measured of a sender or host, or of the whole; `state` is for what the threshold
    alone does not decide.
    """

    value: float
    detail: str
    subject: str = ""
    state: State | None = None


Measure = Callable[[Reading, Thresholds], Iterator[Found]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A thing to be judged, named as its threshold: for how long it must be wrong, or right."""

    name: str
    title: str
    measure: Measure
    severity: Severity = "warning"
    hold_seconds: float = 0.0
    clear_seconds: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is to be said of one thing; `name` is the rule's, with the sender or host."""

    name: str
    state: State
    severity: Severity
    title: str
    detail: str
    figures: Mapping[str, float]
    hold_seconds: float
    clear_seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return it as `judge_alerts` takes it."""
        return asdict(self)


def verdict(rule: Rule, found: Found, threshold: float) -> Verdict:
    """Return what a rule says of what it has found."""
    return Verdict(
        name=f"{rule.name}:{found.subject}" if found.subject else rule.name,
        state=found.state or state_of(found.value, threshold),
        severity=rule.severity,
        title=rule.title.format(found.subject),
        detail=found.detail,
        figures={"value": round(found.value, 4), "threshold": threshold},
        hold_seconds=rule.hold_seconds,
        clear_seconds=rule.clear_seconds,
    )


def state_of(value: float, threshold: float) -> State:
    """Return what a value is, beside a threshold that is wrong to reach."""
    if value >= threshold:
        return "wrong"
    return "right" if value < CLEAR * threshold else "unsure"


def lasting(long: float, short: float | None, threshold: float) -> State:
    """Return what a value is that was measured over a long time, and over the last minutes alone.

    Both must be wrong: the long one, or it is too little to speak of; the short one, or it is over.
    With None nothing happened lately, and nobody can tell whether it is.
    """
    whole = state_of(long, threshold)
    if whole == "right":
        return "right"
    now = "unsure" if short is None else state_of(short, threshold)
    return whole if now == "wrong" else now


def alive(reading: Reading) -> Iterator[Mapping[str, Any]]:
    """Yield the processes that have reported just now."""
    return (process for process in reading["operations"]["processes"] if process["alive"])

"""A figure, what it was measured against, and whether it is what we want."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median, quantiles
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A bound: at least (`≥`) or at most (`≤`)."""

    sign: Literal["≥", "≤"]
    bound: float

    def holds(self, value: float) -> bool:
        """Tell whether a value is within the bound."""
        return value >= self.bound if self.sign == "≥" else value <= self.bound

    def __str__(self) -> str:
        """Return it as a reader writes it."""
        return f"{self.sign} {self.bound:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Both sides of a ratio, round by round."""

    ours: tuple[float, ...]
    against: str
    theirs: tuple[float, ...]
    unit: str

    @property
    def ratio(self) -> float:
        """The median of the rounds' ratios: neighbours in time, so a busy moment hits both."""
        return median(mine / other for mine, other in zip(self.ours, self.theirs, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One row of the table."""

    name: str
    value: float
    unit: str
    goal: Goal | None = None
    pair: Pair | None = None

    @property
    def holds(self) -> bool | None:
        """Tell whether the goal is reached; None where there is none."""
        return self.goal.holds(self.value) if self.goal else None

    def record(self) -> dict[str, object]:
        """Return it as results.json has it."""
        return {
            "name": self.name,
            "value": round(self.value, 3),
            "unit": self.unit,
            "goal": str(self.goal) if self.goal else None,
            "holds": self.holds,
            "pair": asdict(self.pair) if self.pair else None,
        }

    def cells(self) -> tuple[str, str, str, str, str]:
        """Return what, the figure, both sides, the goal, the verdict."""
        value = f"{number(self.value)} {self.unit}"
        return self.name, value, self._sides(), str(self.goal or ""), VERDICTS[self.holds]

    def _sides(self) -> str:
        if self.pair is None:
            return ""
        ours, theirs = median(self.pair.ours), median(self.pair.theirs)
        return f"{number(ours)} : {number(theirs)} {self.pair.unit} ({self.pair.against})"


VERDICTS = {True: "yes", False: "no", None: ""}
HEADINGS = ("what", "measured", "ours : against", "goal", "holds")


def compared(name: str, goal: Goal, pair: Pair) -> Result:
    """Return the row of a ratio."""
    return Result(name=name, value=pair.ratio, unit="times", goal=goal, pair=pair)


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the value below which so many percent of the values lie."""
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def number(value: float) -> str:
    """Return a number as one reads it: 1,234 or 12.3 or 0.53."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def to_json(results: Iterable[Result]) -> str:
    """Return the content of results.json."""
    return json.dumps([result.record() for result in results], indent=2, ensure_ascii=False) + "\n"


def to_text(results: Sequence[Result]) -> str:
    """Return a table for a terminal."""
    return table([HEADINGS, *(result.cells() for result in results)])


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as lines, each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def to_markdown(results: Sequence[Result]) -> str:
    """Return a table for a page."""
    rows = [HEADINGS, ("---",) * len(HEADINGS), *(result.cells() for result in results)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)

"""Is one side slower, or was it the machine? A verdict from paired rounds.

The rounds' ratios have a median; the interval in which it lies follows from how many ratios lie
on its either side, as heads and tails do, whatever their spread looks like (a sign test).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from statistics import median
from typing import Literal

DOUBT = 0.05
"""How often at most an interval may miss the true median."""
SLOWER_BELOW = 0.95
FINE_ABOVE = 0.90

Word = Literal["slower", "no regression", "cannot tell"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One measure of both trees, round by round; `more_is_better` as with a rate."""

    name: str
    unit: str
    now: tuple[float, ...]
    base: tuple[float, ...]
    more_is_better: bool

    @property
    def speeds(self) -> list[float]:
        """How fast this tree was in each round, the base being 1."""
        pairs = zip(self.now, self.base, strict=True)
        return [now / base if self.more_is_better else base / now for now, base in pairs]

    @property
    def interval(self) -> tuple[float, float]:
        """Where the median speed lies with a doubt of at most DOUBT."""
        return interval(self.speeds)

    @property
    def word(self) -> Word:
        """The verdict: `slower` only where the whole interval says so."""
        low, high = self.interval
        if high < SLOWER_BELOW:
            return "slower"
        return "no regression" if low > FINE_ABOVE else "cannot tell"

    def cells(self) -> tuple[str, ...]:
        """Return its row of the table."""
        low, high = self.interval
        return (
            self.name,
            f"{median(self.now):,.1f} {self.unit}",
            f"{median(self.base):,.1f} {self.unit}",
            f"{median(self.speeds):.2f} times",
            f"{low:.2f} … {high:.2f}",
            self.word,
        )


HEADINGS = ("what", "this tree", "base", "as fast", "between", "verdict")


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return two of the values, between which the median lies with a doubt of at most DOUBT.

    Too few values (under six) say nothing: the interval is then without bounds.
    """
    ordered, beyond = sorted(values), _left_out_on_each_side(len(values))
    if beyond is None:
        return 0.0, float("inf")
    return ordered[beyond], ordered[-1 - beyond]


def _left_out_on_each_side(count: int) -> int | None:
    """Return how many of the outermost values may be left out, None when all are too few."""
    doubt, beyond = 0.0, None
    for number in range(count // 2):
        doubt += 2 * comb(count, number) / 2**count
        if doubt > DOUBT:
            break
        beyond = number
    return beyond

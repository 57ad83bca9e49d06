"""The tone of the user's lines, by TextBlob's lexicon of English adjectives.

The lexicon ships with the package: nothing is downloaded. https://textblob.readthedocs.io
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from services.effects import Json
from services.feedback.language import Language
from services.feedback.talk import Line

MAX_CHARACTERS = 20_000
POSITIVE, NEGATIVE = 0.1, -0.1
"""Polarity above or below which a tone is called so; in between it is neutral."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentiment:
    """Polarity from -1 to 1, subjectivity from 0 to 1, and the lines at both ends."""

    polarity: float
    subjectivity: float
    warmest: Line
    coldest: Line
    by_line: tuple[float, ...]

    @property
    def label(self) -> str:
        """Return the polarity in a word."""
        if self.polarity >= POSITIVE:
            return "positive"
        return "negative" if self.polarity <= NEGATIVE else "neutral"

    def as_json(self) -> dict[str, Json]:
        """Return what the analysis says of it."""
        return {
            "label": self.label,
            "polarity": round(self.polarity, 3),
            "subjectivity": round(self.subjectivity, 3),
            "language": "en",
        }


def sentiment(lines: Sequence[Line], spoken: Language) -> Sentiment | None:
    """Return the tone of English lines, longer ones weighing more; None for any other language."""
    read = _beginning(lines)
    if spoken != "en" or not read:
        return None
    tones = [_tone(line.plain) for line in read]
    weights = [len(line.words) for line in read]
    polarities = [polarity for polarity, _ in tones]
    return Sentiment(
        polarity=_mean(polarities, weights),
        subjectivity=_mean([subjectivity for _, subjectivity in tones], weights),
        warmest=read[polarities.index(max(polarities))],
        coldest=read[polarities.index(min(polarities))],
        by_line=tuple(polarities),
    )


def _beginning(lines: Sequence[Line]) -> list[Line]:
    left, read = MAX_CHARACTERS, []
    for line in lines:
        left -= len(line.plain)
        if left < 0:
            break
        read.append(line)
    return read


def _mean(values: Sequence[float], weights: Sequence[int]) -> float:
    return sum(v * w for v, w in zip(values, weights, strict=True)) / sum(weights)


def _tone(text: str) -> tuple[float, float]:
    polarity, subjectivity = _lexicon()(text)
    return max(-1.0, min(1.0, float(polarity))), max(0.0, min(1.0, float(subjectivity)))


@cache
def _lexicon() -> Any:
    # Loaded when first asked: most processes never score, and it takes half a second.
    return import_module("textblob.en").sentiment

"""The three scores that every talk gets, each from parts that can be explained in a sentence."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.feedback import phrases
from services.feedback.language import Language
from services.feedback.sentiment import Sentiment
from services.feedback.talk import Citation, Line, Search, Talk, citations

TAKING_PART = 20
"""What a score is for having spoken at all; the rest is earned."""
ENOUGH_WORDS = 50
"""Words from which a talk says as much as it can about who spoke; fewer earn less."""
MONOLOGUE = 40
"""The most that a score is when nobody else spoke: listening cannot be seen."""
PENALTY = 12
"""What each line costs that is hostile, or gives up."""
MOST_HITS = 4
"""Hits beyond which more of the same earn nothing, however long the talk."""
DETAILED_LINE, RAMBLING_LINE, WHOLE_SENTENCE = 14, 90, 5
"""Words per line: a detailed answer, one that nobody follows, the shortest whole sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What the parts are read from."""

    lines: tuple[Line, ...]
    language: Language
    tone: Sentiment | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How much of a part was there (0 to 1), the lines that show it, and one that lacks it."""

    share: float
    found: tuple[Citation, ...] = ()
    lacking: Line | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a score; `read` returns None where it cannot be told."""

    weight: int
    praise: str
    advice: str
    read: Callable[[Heard], Reading | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """A score: its parts, and what is held against it."""

    name: str
    parts: tuple[Part, ...]
    fault: re.Pattern[str] | None = None
    reproof: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A score with what was found for and against it."""

    score: int
    readings: tuple[tuple[Part, Reading], ...] = ()
    faults: tuple[Citation, ...] = ()


def phrase(pattern: re.Pattern[str], one_in: int) -> Callable[[Heard], Reading | None]:
    """Return how to read a part that English phrases show, wanted in one line of so many."""

    def read(heard: Heard) -> Reading | None:
        return None if heard.language == "other" else _hits(heard.lines, pattern.search, one_in)

    return read


def _detail(heard: Heard) -> Reading:
    by_length = sorted(heard.lines, key=lambda line: len(line.words))
    mean = sum(len(line.words) for line in heard.lines) / len(heard.lines)
    share = min(1.0, mean / DETAILED_LINE, RAMBLING_LINE / mean)
    return Reading(share=share, found=(Citation(by_length[-1]),), lacking=by_length[0])


def _clarity(heard: Heard) -> Reading | None:
    if heard.language == "other":
        return None

    def is_clear(line: Line) -> bool:
        return len(line.words) >= WHOLE_SENTENCE and not phrases.FILLERS.search(line.plain)

    clear = tuple(Citation(line) for line in heard.lines if is_clear(line))
    unclear = [line for line in heard.lines if not is_clear(line)]
    return Reading(
        share=min(1.0, len(clear) / len(heard.lines) / 0.7),
        found=clear,
        lacking=unclear[0] if unclear else None,
    )


def _questions(heard: Heard) -> Reading:
    return _hits(heard.lines, phrases.QUESTION.search, one_in=4)


def _tone(heard: Heard) -> Reading | None:
    if heard.tone is None:
        return None
    # Level talk earns half of it; -0.2 and less earn nothing, 0.2 and more all.
    share = max(0.0, min(1.0, (heard.tone.polarity + 0.2) / 0.4))
    # A cold line is worth a remark only where the whole is cold: single ones are often misread.
    coldest = heard.tone.coldest if heard.tone.label == "negative" else None
    return Reading(share=share, found=(Citation(heard.tone.warmest),), lacking=coldest)


def _hits(lines: Sequence[Line], search: Search, one_in: int) -> Reading:
    found = citations(lines, search)
    shown = {citation.line.number for citation in found}
    lacking = [line for line in lines if line.number not in shown]
    wanted = min(MOST_HITS, math.ceil(len(lines) / one_in))
    longest = max(lacking, key=lambda line: len(line.words)) if lacking else None
    return Reading(share=min(1.0, len(found) / wanted), found=found, lacking=longest)


DIMENSIONS = (
    Dimension(
        name="communication",
        parts=(
            Part(weight=45, read=_detail, praise="Gave clear, detailed answers",
                 advice="Consider more detailed responses"),
            Part(weight=30, read=_clarity, praise="Spoke in whole, clear sentences",
                 advice="Say it in a whole sentence, without filler words"),
            Part(weight=25, read=phrase(phrases.CONNECTIONS, 3),
                 praise="Gave reasons and an order to follow",
                 advice="Say why, and in what order: because, first, for example"),
        ),
    ),
    Dimension(
        name="empathy",
        parts=(
            Part(weight=45, read=phrase(phrases.ACKNOWLEDGEMENTS, 3),
                 praise="Acknowledged the other side",
                 advice="Acknowledge what the other side says and feels"),
            Part(weight=35, read=phrase(phrases.CARE, 4),
                 praise="Asked after the other side and offered help",
                 advice="Ask how the other side is and what would help them"),
            Part(weight=20, read=_tone, praise="Kept a warm tone", advice="Choose warmer words"),
        ),
        fault=phrases.HOSTILITY,
        reproof="Stay respectful: this pushes the other side away",
    ),
    Dimension(
        name="problem_solving",
        parts=(
            Part(weight=30, read=_questions, praise="Asked questions to understand",
                 advice="Ask more questions and suggest next steps"),
            Part(weight=20, read=phrase(phrases.CAUSES, 5), praise="Looked for the cause",
                 advice="Look for the cause before the cure"),
            Part(weight=30, read=phrase(phrases.OFFERS, 4), praise="Explored solutions",
                 advice="Offer ways forward: what if, we could, another way"),
            Part(weight=20, read=phrase(phrases.COMMITMENTS, 5), praise="Agreed on next steps",
                 advice="Say who does what by when"),
        ),
        fault=phrases.RESIGNATION,
        reproof="Stay with the problem instead of giving it up",
    ),
)  # fmt: skip


def evidence(talk: Talk) -> float:
    """Return how far the words said can carry a score, 0 to 1."""
    return min(1.0, talk.words / ENOUGH_WORDS)


def measure(dimension: Dimension, talk: Talk, heard: Heard) -> Scored:
    """Return a dimension's score of a talk in which the user spoke."""
    told = ((part, part.read(heard)) for part in dimension.parts)
    readings = tuple((part, reading) for part, reading in told if reading)
    weights = sum(part.weight for part, _ in readings)
    earned = sum(part.weight * reading.share for part, reading in readings) / max(1, weights)
    pattern = dimension.fault
    faults = citations(heard.lines, pattern.search) if pattern else ()
    reached = TAKING_PART + (100 - TAKING_PART) * earned * evidence(talk) - PENALTY * len(faults)
    most = MONOLOGUE if talk.outcome == "monologue" else 100
    return Scored(score=max(0, min(most, round(reached))), readings=readings, faults=faults)

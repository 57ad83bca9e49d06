"""Remarks in words, each with the user's lines that it rests on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.effects import Json
from services.feedback import phrases
from services.feedback.dimensions import DIMENSIONS, Part, Reading, Scored, evidence
from services.feedback.sentiment import Sentiment
from services.feedback.talk import Citation, Talk, citations, cited

STRONG, WEAK = 0.75, 0.5
"""The share of a part from which it is praised, and below which it is advised."""
ENOUGH = 0.4
"""The evidence below which a talk is too short for praise: some twenty words."""
MOST = 5
MOST_CITED = 2
TURN = 0.25
"""How much the tone of the two halves differs before it is worth a remark."""


@dataclass(frozen=True, slots=True)
class Remark:
    """A sentence and the lines that it cites; only what is said of silence cites none."""

    text: str
    lines: tuple[Citation, ...] = ()

    def __str__(self) -> str:
        """Return the remark as it is shown."""
        return cited(self.text, self.lines[:MOST_CITED])

    def citations(self) -> list[Json]:
        """Return the places and the words that it cites."""
        return [{"line": c.line.number, "quote": c.quote} for c in self.lines[:MOST_CITED]]


def as_json(**lists: Sequence[Remark]) -> dict[str, Json]:
    """Return lists of remarks as shown, and under `citations` what each of them cites."""
    shown: dict[str, Json] = {name: [str(r) for r in lists[name]] for name in lists}
    return {**shown, "citations": {n: [r.citations() for r in lists[n]] for n in lists}}


def strengths(talk: Talk, scored: Mapping[str, Scored]) -> list[Remark]:
    """Return what was good: only what a line shows, and nothing of a talk too short to tell."""
    if talk.outcome != "talk" or evidence(talk) < ENOUGH:
        return []
    praised = [
        Remark(part.praise, reading.found)
        for part, reading in _readings(scored)
        if reading.share >= STRONG and reading.found
    ]
    return [
        Remark("Completed the conversation", (Citation(talk.distinct[-1]),)),
        *praised[: MOST - 1],
    ]


def improvements(talk: Talk, scored: Mapping[str, Scored]) -> list[Remark]:
    """Return what to do better, faults first, then what weighs most."""
    if talk.outcome == "silent":
        return [Remark("Answer: nothing was heard from you")]
    faults = [
        Remark(dimension.reproof, scored[dimension.name].faults)
        for dimension in DIMENSIONS
        if scored[dimension.name].faults
    ]
    advised = [
        Remark(part.advice, (Citation(reading.lacking),))
        for part, reading in _readings(scored)
        if reading.share < WEAK and reading.lacking
    ]
    return [*faults, *advised][:MOST]


def insights(talk: Talk, tone: Sentiment | None) -> list[Remark]:
    """Return what a reader may not have noticed."""
    if talk.outcome == "silent":
        return [Remark(f"None of the {talk.lines} lines was yours")]
    return [_share(talk), *_questions(talk), *_tone(tone), *_turn(talk, tone)][:MOST]


def _readings(scored: Mapping[str, Scored]) -> list[tuple[Part, Reading]]:
    readings: Iterable[tuple[Part, Reading]] = (
        reading for value in scored.values() for reading in value.readings
    )
    return sorted(readings, key=lambda pair: -pair[0].weight)


def _share(talk: Talk) -> Remark:
    words = sum(len(line.words) for line in talk.said)
    share = round(100 * words / (words + talk.words_of_others))
    longest = max(talk.said, key=lambda line: len(line.words))
    return Remark(
        f"You spoke {len(talk.said)} of {talk.lines} lines and {share} % of the words,"
        " most at once here",
        (Citation(longest),),
    )


def _questions(talk: Talk) -> list[Remark]:
    asked = citations(talk.said, phrases.QUESTION.search)
    count = sum(len(phrases.QUESTION.findall(line.plain)) for line in talk.said)
    noun = "question" if count == 1 else "questions"
    return [Remark(f"You asked {count} {noun}", asked)] if asked else []


def _tone(tone: Sentiment | None) -> list[Remark]:
    if tone is None:
        return []
    telling = tone.coldest if tone.label == "negative" else tone.warmest
    return [Remark(f"Your tone was {tone.label} on the whole, as here", (Citation(telling),))]


def _turn(talk: Talk, tone: Sentiment | None) -> list[Remark]:
    """Return how the tone of the second half differs from the first, in a talk of four lines."""
    if tone is None or len(tone.by_line) < 4:
        return []
    middle = len(tone.by_line) // 2
    before, after = tone.by_line[:middle], tone.by_line[middle:]
    change = sum(after) / len(after) - sum(before) / len(before)
    if abs(change) < TURN:
        return []
    ends = Citation(talk.distinct[0]), Citation(talk.distinct[len(tone.by_line) - 1])
    return [Remark(f"Your tone {'rose' if change > 0 else 'fell'} from the first half on", ends)]

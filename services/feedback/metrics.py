"""A scenario's own metrics: what it wants scored, in whatever shape it says so."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from services.effects import Json
from services.feedback.language import COMMON
from services.feedback.talk import WORD, Line, Talk, plain_of
from services.provider import Scenario

MOST = 20
MOST_PHRASES = 40
LONGEST_NAME = 100
LONGEST_PHRASE = 200
A_PHRASE = 4
"""Words up to which a text is looked for as it stands; of a longer one its single words are."""
LONG_WORD = 4
PHRASE_FIELDS = ("keywords", "phrases", "look_for", "lookFor", "what_to_look_for")
PROSE_FIELDS = ("description", "criteria")
WORDS_WANTED = 0.5
"""The share of a description's words that is full marks: nobody says all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What to look for: whole phrases, or the single words of a description, or neither."""

    name: str
    weight: float = 1.0
    phrases: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricScore:
    """How a metric was met, and the lines that meet it; no score where rules cannot tell."""

    metric: Metric
    score: int | None
    found: tuple[str, ...] = ()
    lines: tuple[Line, ...] = ()

    def as_json(self) -> dict[str, Json]:
        """Return what the analysis says of it."""
        return {
            "name": self.metric.name,
            "weight": self.metric.weight,
            "score": self.score,
            "found": list(self.found),
            "lines": [line.number for line in self.lines[:5]],
        }


def read_metrics(scenario: Scenario | None) -> tuple[tuple[Metric, ...], list[str]]:
    """Return a scenario's metrics, and a sentence on each that cannot be used."""
    told = scenario.metrics if scenario else None
    if told is None:
        return (), []
    if not isinstance(told, (dict, list)):
        return (), ["The scenario's metrics were ignored: they are neither a list nor an object."]
    metrics: dict[str, Metric] = {}
    notes: list[str] = []
    for name, entry in _entries(told):
        metric = _metric(name, entry)
        if isinstance(metric, str):
            notes.append(metric)
        elif metric.name in metrics:
            notes.append(f"A second metric “{metric.name}” was ignored.")
        else:
            metrics[metric.name] = metric
    if len(metrics) > MOST or len(notes) > MOST:
        notes = [*notes[:MOST], f"Only the first {MOST} metrics were read."]
    return tuple(metrics.values())[:MOST], notes


def score_metric(metric: Metric, talk: Talk, known: Mapping[str, int]) -> MetricScore:
    """Return how far the user met a metric; one that names a known score has that one."""
    if metric.phrases:
        return _percent(metric, metric.phrases, talk, 1.0)
    if metric.words:
        return _percent(metric, metric.words, talk, WORDS_WANTED)
    return MetricScore(metric=metric, score=known.get(_identifier(metric.name)))


def weighted(scores: Sequence[tuple[float, int]]) -> float | None:
    """Return the mean of scores by their weights; None where nothing weighs anything."""
    total = sum(weight for weight, _ in scores)
    return sum(weight * score for weight, score in scores) / total if total else None


def _entries(told: Json) -> Iterator[tuple[str | None, Json]]:
    inner = told.get("metrics") if isinstance(told, dict) and len(told) == 1 else None
    if isinstance(inner, dict) or _holds_objects(inner):
        told = inner
    entries = told.items() if isinstance(told, dict) else ((None, entry) for entry in told)
    for n, entry in enumerate(entries):
        if n > 2 * MOST:
            return
        yield entry


def _holds_objects(told: Json) -> bool:
    return isinstance(told, list) and any(isinstance(item, dict) for item in told)


def _metric(name: str | None, entry: Json) -> Metric | str:
    """Return a metric, or the sentence on why it is none."""
    fields = entry if isinstance(entry, dict) else {}
    is_name = name is None
    if is_name:
        name = entry if isinstance(entry, str) else _text(fields.get("name") or fields.get("title"))
    name = " ".join((name or "").split())[:LONGEST_NAME]
    if not name:
        return "A metric without a name was ignored."
    weight = _weight(fields.get("weight", 1))
    if weight is None:
        return f"The metric “{name}” was ignored: its weight is no number from 0 to 1000."
    if fields or (isinstance(entry, str) and is_name):
        return _from_fields(name, weight, fields)
    phrases, words = _wanted(entry)
    if not phrases and not words:
        return f"The metric “{name}” was ignored: it says nothing to look for."
    return Metric(name=name, phrases=phrases, words=words)


def _from_fields(name: str, weight: float, fields: dict[str, Json]) -> Metric:
    phrases: list[str] = []
    words: list[str] = []
    for field in PHRASE_FIELDS:
        told = _wanted(fields.get(field))
        phrases, words = [*phrases, *told[0]], [*words, *told[1]]
    description = _text(next((fields[f] for f in PROSE_FIELDS if fields.get(f)), ""))
    if not phrases and not words:
        words = _single_words(description)
    return Metric(
        name=name,
        weight=weight,
        phrases=_unique(phrases),
        words=_unique(words),
        description=description[:500],
    )


def _weight(told: Json) -> float | None:
    if isinstance(told, bool) or not isinstance(told, (int, float, str)):
        return None
    try:
        weight = float(told)
    except (ValueError, OverflowError):
        return None
    return weight if math.isfinite(weight) and 0 <= weight <= 1000 else None


def _wanted(told: Json) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the phrases and the single words that a list of phrases, or a text, asks for."""
    if isinstance(told, list):
        texts = [item for item in told[:MOST_PHRASES] if isinstance(item, str)]
        return _unique(plain_of(text) for text in texts), ()
    text = _text(told)
    pieces = [piece for piece in re.split(r"[,;\n|]", text) if WORD.search(piece)]
    if pieces and all(len(WORD.findall(piece)) <= A_PHRASE for piece in pieces):
        return _unique(plain_of(piece) for piece in pieces), ()
    return (), tuple(_single_words(text))


def _single_words(text: str) -> list[str]:
    found = WORD.findall(plain_of(text[:2000]))
    return [word for word in found if len(word) >= LONG_WORD and word not in COMMON]


def _unique(texts: Sequence[str] | Iterator[str]) -> tuple[str, ...]:
    kept = dict.fromkeys(text[:LONGEST_PHRASE] for text in texts if WORD.search(text))
    return tuple(kept)[:MOST_PHRASES]


def _percent(metric: Metric, wanted: tuple[str, ...], talk: Talk, full: float) -> MetricScore:
    found: list[str] = []
    lines: dict[int, Line] = {}
    for text in wanted:
        # Open at its end: "deadline" is heard in "deadlines" too.
        pattern = re.compile(rf"(?<!\w){re.escape(_stem(text) if full < 1 else text)}")
        heard = [line for line in talk.said if pattern.search(line.plain)]
        found += [text] if heard else []
        lines |= {line.number: line for line in heard[:2]}
    score = min(100, round(100 * len(found) / len(wanted) / full))
    in_order = tuple(lines[number] for number in sorted(lines))
    return MetricScore(metric=metric, score=score, found=tuple(found), lines=in_order)


def _stem(word: str) -> str:
    return re.sub(r"(?:ing|ed|es|s|e)$", "", word) if len(word) > LONG_WORD + 1 else word


def _identifier(name: str) -> str:
    return re.sub(r"\W+", "_", plain_of(name)).strip("_")


def _text(told: Json) -> str:
    return told.strip() if isinstance(told, str) else ""

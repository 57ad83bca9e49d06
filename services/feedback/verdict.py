"""What a language model may answer, and how much of it is believed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from services.effects import Json
from services.feedback.metrics import Metric
from services.feedback.talk import Talk
from services.validation import storable

MOST = 5
MOST_CITED = 3
LONGEST_REMARK = 300
LONGEST_QUOTE = 160
FEWEST_WORDS = 2

Score = Annotated[int, Field(ge=0, le=100, strict=True)]


class _Answered(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Cited(_Answered):
    """A place in the transcript."""

    line: int
    quote: str


class Remarked(_Answered):
    """A sentence and what it rests on."""

    remark: str
    citations: list[Cited]


class MetricVerdict(_Answered):
    """How far a metric was met."""

    name: str
    score: Score


class Verdict(_Answered):
    """A whole answer. A score that is no whole number from 0 to 100 makes it none."""

    communication_score: Score
    empathy_score: Score
    problem_solving_score: Score
    strengths: list[Remarked]
    areas_for_improvement: list[Remarked]
    key_insights: list[Remarked]
    metrics: list[MetricVerdict]


def schema(metrics: Sequence[Metric]) -> dict[str, Json]:
    """Return the JSON schema to ask for: the subset that strict mode takes everywhere."""
    remark = _object(
        remark={"type": "string"},
        citations=_list(_object(line={"type": "integer"}, quote={"type": "string"})),
    )
    name: dict[str, Json] = {"type": "string"}
    if metrics:
        name["enum"] = [metric.name for metric in metrics]
    return _object(
        communication_score={"type": "integer"},
        empathy_score={"type": "integer"},
        problem_solving_score={"type": "integer"},
        strengths=_list(remark),
        areas_for_improvement=_list(remark),
        key_insights=_list(remark),
        metrics=_list(_object(name=name, score={"type": "integer"})),
    )


def remarks(told: Sequence[Remarked], talk: Talk) -> tuple[list[Json], list[Json]]:
    """Return the remarks that cite what the user really said, and the citations of each."""
    shown: list[Json] = []
    citations: list[Json] = []
    for remark in told:
        text = _tidy(remark.remark, LONGEST_REMARK)
        found = [place for cited in remark.citations if (place := _found(cited, talk))]
        if text and found and len(shown) < MOST:
            places = "; ".join(f"line {p['line']}: “{p['quote']}”" for p in found[:MOST_CITED])
            shown.append(f"{text} ({places})")
            citations.append(found[:MOST_CITED])
    return shown, citations


def _found(cited: Cited, talk: Talk) -> dict[str, Json] | None:
    """Return a citation as the user really said it, in which line ever; None when in none."""
    words = re.findall(r"\w+", cited.quote[:LONGEST_QUOTE])
    # Models change quotation marks, dashes and capitals, so only the words are compared.
    phrase = r"\W+".join(re.escape(word) for word in words)
    wanted = re.compile(rf"(?<!\w){phrase}(?!\w)", re.IGNORECASE)
    for line in sorted(talk.said, key=lambda line: line.number != cited.line):
        match = wanted.search(line.text) if words else None
        if match and len(words) >= min(FEWEST_WORDS, len(line.words)):
            return {"line": line.number, "quote": match.group()}
    return None


def _tidy(text: str, most: int) -> str:
    return storable(" ".join(text.split()).strip(' “”"…'))[:most]


def _object(**properties: Any) -> dict[str, Json]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(items: Json) -> dict[str, Json]:
    return {"type": "array", "items": items}

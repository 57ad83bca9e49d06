"""The analyzer that is always there: rules that look for English phrases.

They are a first reading, not a judgement; docs/feedback.md says what each score means and why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.effects import Feedback, Json, Message
from services.feedback import phrases, remarks
from services.feedback.dimensions import DIMENSIONS, Heard, Scored, measure
from services.feedback.language import Language, language
from services.feedback.metrics import MetricScore, read_metrics, score_metric, weighted
from services.feedback.sentiment import Sentiment, sentiment
from services.feedback.talk import Talk, read
from services.provider import Scenario

ANALYZER = "rules-2"
OWN_SHARE = 0.5
"""How much of the overall score a scenario's own metrics make up, where it has any."""


@dataclass(frozen=True, slots=True)
class RulesAnalyzer:
    """`score`, as an `Analyzer`."""

    name: str = ANALYZER

    def analyze(self, transcript: Sequence[Message], scenario: Scenario | None) -> Feedback | None:
        """Return feedback on what the user said; None for an empty transcript."""
        return score(transcript, scenario)


def score(transcript: Sequence[Message], scenario: Scenario | None) -> Feedback | None:
    """Return feedback on what the user said; None for an empty transcript.

    A user who said nothing gets 0. `scenario.metrics` may name what else to score.
    """
    if not transcript:
        return None
    talk = read(transcript)
    spoken = language(word for line in talk.distinct for word in line.words)
    tone = sentiment(talk.distinct, spoken)
    scored = _scored(talk, spoken, tone)
    metrics, notes = read_metrics(scenario)
    scores = {name: value.score for name, value in scored.items()}
    measured = [score_metric(metric, talk, scores) for metric in metrics]
    total = overall(scores, measured, spoken)
    analysis: dict[str, Json] = {
        **_remarks(talk, scored, tone),
        **named(scores, total),
        **as_metrics(measured),
        "sentiment": tone.as_json() if tone else None,
        "language": spoken,
        "outcome": talk.outcome,
        "notes": [*notes_on(talk, spoken), *unscored(measured), *notes],
    }
    return Feedback(score=total, analysis=analysis, analyzer=ANALYZER)


def named(scores: Mapping[str, int], total: int) -> dict[str, Json]:
    """Return the scores by the names that browsers know them by."""
    return {
        "communicationScore": scores["communication"],
        "empathyScore": scores["empathy"],
        "problemSolvingScore": scores["problem_solving"],
        "overallScore": total,
    }


def as_metrics(measured: Iterable[MetricScore]) -> dict[str, Json]:
    """Return a scenario's metrics: each score by its name, and beside them how it came about."""
    told = list(measured)
    return {
        "metrics": {m.metric.name: m.score for m in told if m.score is not None},
        "metricDetails": [m.as_json() for m in told],
    }


def overall(
    scores: Mapping[str, int], metrics: Iterable[MetricScore], spoken: Language = "en"
) -> int:
    """Return the mean of the scores; a scenario's metrics, by their weights, are half of it.

    Empathy is left out where it cannot be read, in a language other than English.
    """
    read = [value for name, value in scores.items() if spoken != "other" or name != "empathy"]
    general = sum(read) / len(read)
    own = weighted([(m.metric.weight, m.score) for m in metrics if m.score is not None])
    return round(general if own is None else (1 - OWN_SHARE) * general + OWN_SHARE * own)


def notes_on(talk: Talk, spoken: Language) -> list[str]:
    """Return what a reader has to know of how the talk was read."""
    notes = {
        "Only the beginning was read: the user's lines are longer than the limit.": talk.is_cut,
        "Nobody else spoke: scores stop at 40, since listening cannot be seen.": (
            talk.outcome == "monologue"
        ),
        "This seems not to be English: the phrases of the rules and the tone could not be read, so"
        " the scores rest on length and questions, and empathy does not count.": spoken == "other",
        "Too few words to tell the tone.": spoken == "unknown" and talk.outcome == "talk",
    }
    return [*(note for note, is_so in notes.items() if is_so), *asides(talk)]


def asides(talk: Talk) -> list[str]:
    """Return a sentence on each line that speaks to whoever scores."""
    found = [line for line in talk.distinct if phrases.TO_THE_SCORER.search(line.plain)]
    return [f"Line {line.number} seems to speak to the scorer." for line in found[:3]]


def unscored(measured: Iterable[MetricScore]) -> list[str]:
    """Return a sentence on each metric that rules cannot score."""
    return [
        f"The metric “{m.metric.name}” names nothing that rules can look for."
        for m in measured
        if m.score is None
    ]


def _scored(talk: Talk, spoken: Language, tone: Sentiment | None) -> dict[str, Scored]:
    if not talk.said:
        return {dimension.name: Scored(score=0) for dimension in DIMENSIONS}
    heard = Heard(lines=talk.distinct, language=spoken, tone=tone)
    return {dimension.name: measure(dimension, talk, heard) for dimension in DIMENSIONS}


def _remarks(talk: Talk, scored: Mapping[str, Scored], tone: Sentiment | None) -> dict[str, Json]:
    return remarks.as_json(
        strengths=remarks.strengths(talk, scored),
        areasForImprovement=remarks.improvements(talk, scored),
        keyInsights=remarks.insights(talk, tone),
    )

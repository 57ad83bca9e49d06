"""The analyzer that asks a language model, and believes only what it can check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from pydantic import ValidationError

from services.effects import Feedback, Json, Message
from services.errors import BadGateway
from services.feedback import rules, verdict
from services.feedback.metrics import MetricScore, read_metrics, score_metric
from services.feedback.prompt import SYSTEM, content
from services.feedback.talk import Talk, read
from services.feedback.verdict import Verdict
from services.provider import Scenario

LEFT_OUT = "Lines in the middle, or ends of long lines, were left out: the talk is too long."


class Model(Protocol):
    """Who answers in JSON: `ChatClient`."""

    @property
    def model(self) -> str:
        """Return the model's name."""

    def complete(self, system: str, user: str, name: str, schema: Mapping[str, Json]) -> Json:
        """Return the JSON value that the model answers, of this schema."""


@dataclass(frozen=True, slots=True)
class LlmAnalyzer:
    """An `Analyzer`; what it cannot improve on (silence, a monologue) it leaves to the rules."""

    client: Model

    @property
    def name(self) -> str:
        """Return what the column `analyzer` says."""
        return f"llm:{self.client.model}"

    def analyze(self, transcript: Sequence[Message], scenario: Scenario | None) -> Feedback | None:
        """Return the model's feedback, with what only rules tell: tone, language, notes.

        Raises Unavailable or BadGateway when there is no answer, or none that can be used.
        """
        by_rules = rules.score(transcript, scenario)
        if by_rules is None or by_rules.analysis["outcome"] != "talk":
            return by_rules
        metrics, notes = read_metrics(scenario)
        shown, is_cut = content(transcript, scenario, metrics)
        answer = self.client.complete(SYSTEM, shown, "feedback", verdict.schema(metrics))
        judged, talk = _verdict(answer), read(transcript)
        scores = _scores(judged)
        told = {metric.name: metric.score for metric in judged.metrics}
        measured = [_measured(score_metric(m, talk, scores), told.get(m.name)) for m in metrics]
        total = rules.overall(scores, measured)
        notes = [*rules.asides(talk), *rules.unscored(measured), *notes]
        analysis = {
            **by_rules.analysis,
            **_remarks(judged, talk),
            **rules.named(scores, total),
            **rules.as_metrics(measured),
            "notes": [LEFT_OUT, *notes] if is_cut else notes,
        }
        return replace(by_rules, score=total, analysis=analysis, analyzer=self.name)


def _scores(judged: Verdict) -> dict[str, int]:
    return {
        "communication": judged.communication_score,
        "empathy": judged.empathy_score,
        "problem_solving": judged.problem_solving_score,
    }


def _remarks(judged: Verdict, talk: Talk) -> dict[str, Json]:
    """Return the lists of remarks as shown, and under `citations` what each of them cites."""
    lists = {
        "strengths": verdict.remarks(judged.strengths, talk),
        "areasForImprovement": verdict.remarks(judged.areas_for_improvement, talk),
        "keyInsights": verdict.remarks(judged.key_insights, talk),
    }
    shown: dict[str, Json] = {name: remarks for name, (remarks, _) in lists.items()}
    return {**shown, "citations": {name: places for name, (_, places) in lists.items()}}


def _measured(by_rules: MetricScore, told: int | None) -> MetricScore:
    return by_rules if told is None else replace(by_rules, score=told)


def _verdict(answer: Json) -> Verdict:
    try:
        return Verdict.model_validate(answer)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors(include_input=False)[0]["loc"])
        raise BadGateway(
            f"The language model answered what was not asked for, at {where or 'the top'}."
        ) from None

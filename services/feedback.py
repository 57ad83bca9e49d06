"""Scores of a transcript, by rules that can be explained in a sentence each.

The rules look for English phrases. They are a first reading, not a judgement: every session names
its analyzer, so that a better one can replace it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from services.effects import Feedback, Json, Message
from services.provider import Scenario

ANALYZER = "simple-1"

TAKING_PART = 40
"""What a score is for having spoken at all; the rest is earned."""
STRONG, WEAK = 75, 60
DETAILED_LINE = 15
"""Words per line from which an answer counts as detailed."""

EMPATHY = re.compile(
    r"\b(thank|thanks|sorry|understand|appreciate|feel|feeling|hear you|i see|makes sense"
    r"|of course|that must|how are you|glad|happy to)\b",
    re.IGNORECASE,
)
SOLVING = re.compile(
    r"\b(because|could|would|should|let's|suggest|propose|plan|option|try|instead|next step"
    r"|solution|solve|help|if we|what if|how)\b|\?",
    re.IGNORECASE,
)

REMARKS = {
    "communication": ("Gave clear, detailed answers", "Consider more detailed responses"),
    "empathy": ("Acknowledged the other side", "Acknowledge what the other side says and feels"),
    "problem_solving": ("Explored solutions", "Ask more questions and suggest next steps"),
}


def score(transcript: Sequence[Message], scenario: Scenario | None) -> Feedback | None:
    """Return feedback on what the user said; None for an empty transcript.

    A user who said nothing gets 0. `scenario.metrics` may name phrases to look for, by metric.
    """
    if not transcript:
        return None
    said = [message.content for message in transcript if message.role == "user"]
    scores = _scores(said, transcript)
    overall = round(sum(scores.values()) / len(scores))
    analysis: dict[str, Json] = {
        "strengths": _strengths(said, scores),
        "areasForImprovement": _improvements(said, scores),
        "keyInsights": _insights(said, transcript),
        "communicationScore": scores["communication"],
        "empathyScore": scores["empathy"],
        "problemSolvingScore": scores["problem_solving"],
        "overallScore": overall,
        "metrics": _metrics(said, scenario),
    }
    return Feedback(score=overall, analysis=analysis, analyzer=ANALYZER)


def _scores(said: list[str], transcript: Sequence[Message]) -> dict[str, int]:
    if not said:
        return dict.fromkeys(REMARKS, 0)
    detail = min(1.0, _words(said) / len(said) / DETAILED_LINE)
    balance = min(1.0, 2 * _words(said) / max(1, _words(line.content for line in transcript)))
    return {
        "communication": _earned((2 * detail + balance) / 3),
        "empathy": _earned(3 * _hits(EMPATHY, said) / len(said)),
        "problem_solving": _earned(2 * _hits(SOLVING, said) / len(said)),
    }


def _earned(share: float) -> int:
    return TAKING_PART + round((100 - TAKING_PART) * min(1.0, share))


def _hits(pattern: re.Pattern[str], said: list[str]) -> int:
    return sum(1 for line in said if pattern.search(line))


def _words(contents: Iterable[str]) -> int:
    return sum(len(content.split()) for content in contents)


def _strengths(said: list[str], scores: dict[str, int]) -> list[str]:
    praise = [REMARKS[name][0] for name, value in scores.items() if value >= STRONG]
    return ["Completed the conversation", *praise] if said else []


def _improvements(said: list[str], scores: dict[str, int]) -> list[str]:
    if not said:
        return ["Answer: nothing was heard from you"]
    return [REMARKS[name][1] for name, value in scores.items() if value < WEAK]


def _insights(said: list[str], transcript: Sequence[Message]) -> list[str]:
    share = round(100 * _words(said) / max(1, _words(line.content for line in transcript)))
    questions = sum(line.count("?") for line in said)
    return [
        f"You spoke {len(said)} of {len(transcript)} lines and {share} % of the words",
        f"You asked {questions} {'question' if questions == 1 else 'questions'}",
    ]


def _metrics(said: list[str], scenario: Scenario | None) -> dict[str, int]:
    """Return, by metric, how many percent of its phrases the user said."""
    wanted = scenario.metrics if scenario and isinstance(scenario.metrics, dict) else {}
    heard = " ".join(said).casefold()
    phrases = {name: _phrases(value) for name, value in wanted.items()}
    return {name: _percent(heard, named) for name, named in phrases.items() if named}


def _phrases(value: Json) -> list[str]:
    items = value if isinstance(value, list) else [value]
    return [item.casefold() for item in items if isinstance(item, str) and item.strip()]


def _percent(heard: str, phrases: list[str]) -> int:
    return round(100 * sum(phrase in heard for phrase in phrases) / len(phrases))

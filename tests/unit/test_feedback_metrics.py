"""A scenario's own metrics: scored and weighted; what cannot be used is ignored and named."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.effects import Feedback, Message
from services.feedback import score
from services.provider import Scenario
from tests.unit.transcripts import LABELLED, SPECIAL

GOOD = LABELLED["late-release", "good"]
GENERAL = 292 / 3  # 100 for communication, 92 for empathy, 100 for problem solving
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["name", "weight", "look_for", "keywords", "description", "metrics"])
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def scored(metrics: Any, talk: list[Message] = GOOD) -> Feedback:
    feedback = score(talk, Scenario(id="s1", metrics=metrics))
    assert feedback
    return feedback


def test_phrases_by_name_are_looked_for() -> None:
    feedback = scored({"closing": ["new plan", "goodbye"], "odd": 7})

    assert feedback.analysis["metrics"] == {"closing": 50}
    assert feedback.analysis["notes"] == [
        "The metric “odd” was ignored: it says nothing to look for."
    ]


def test_general_scores_and_own_metrics_are_half_and_half() -> None:
    assert scored(None).score == round(GENERAL)
    assert scored({"closing": ["new plan"]}).score == round((GENERAL + 100) / 2)
    assert scored({"closing": ["goodbye"]}).score == round(GENERAL / 2)


@pytest.mark.parametrize("scale", [1, 0.01, 10, "2"])
def test_metrics_weigh_what_they_say_whatever_the_scale(scale: Any) -> None:
    scale = float(scale)
    metrics = [
        {"name": "plan", "weight": 3 * scale, "keywords": ["new plan"]},
        {"name": "bye", "weight": scale, "keywords": ["goodbye"]},
    ]

    assert scored(metrics).score == round((GENERAL + 75) / 2)


def test_details_say_what_was_found_where() -> None:
    [detail] = scored(
        [{"name": "Plan", "weight": 2, "look_for": "new plan, by thursday, by friday"}]
    ).analysis["metricDetails"]

    assert detail == {
        "name": "Plan", "weight": 2.0, "score": 67, "found": ["new plan", "by thursday"],
        "lines": [8],
    }  # fmt: skip


def test_a_description_is_looked_for_by_its_words() -> None:
    met = {"name": "a", "description": "Moves reports to another release and speaks to customers"}
    unmet = {"name": "b", "description": "Mentions invoices, insurance and a warranty certificate"}

    analysis = scored([met, unmet]).analysis

    assert analysis["metrics"] == {"a": 100, "b": 0}


def test_a_metric_may_name_a_general_score() -> None:
    analysis = scored(["Empathy", {"name": "Problem solving", "weight": 2}]).analysis

    assert analysis["metrics"] == {
        "Empathy": analysis["empathyScore"], "Problem solving": analysis["problemSolvingScore"],
    }  # fmt: skip


def test_what_only_a_model_can_score_is_said_and_does_not_count() -> None:
    feedback = scored([{"name": "Charisma", "weight": 5}])

    assert feedback.analysis["metrics"] == {}
    assert feedback.score == round(GENERAL)
    assert "“Charisma” names nothing that rules can look for" in feedback.analysis["notes"][0]


@pytest.mark.parametrize("weight", [-1, True, None, "much", float("nan"), float("inf"), 1001, [1]])
def test_bad_weights_are_ignored_and_said(weight: Any) -> None:
    feedback = scored([{"name": "plan", "weight": weight, "keywords": ["goodbye"]}])

    assert feedback.score == round(GENERAL)
    assert feedback.analysis["notes"] == [
        "The metric “plan” was ignored: its weight is no number from 0 to 1000."
    ]


def test_a_metric_of_no_weight_is_shown_and_does_not_count() -> None:
    feedback = scored([{"name": "plan", "weight": 0, "keywords": ["goodbye"]}])

    assert feedback.score == round(GENERAL)
    assert feedback.analysis["metrics"] == {"plan": 0}


@pytest.mark.parametrize(
    "metrics",
    [
        {"metrics": [{"name": "plan", "keywords": ["new plan"]}]},
        {"plan": {"keywords": ["new plan"], "weight": 2}},
        {"plan": "new plan"},
        [{"name": "plan", "phrases": ["New   PLAN"]}, {"name": "plan"}, {"weight": 1}, 7, None],
        [{"title": "plan", "lookFor": "new plan"}],
    ],
)
def test_metrics_come_in_many_shapes(metrics: Any) -> None:
    assert scored(metrics).analysis["metrics"] == {"plan": 100}


@pytest.mark.parametrize("metrics", ["empathy", 7, True])
def test_what_holds_no_metrics_is_ignored_and_said(metrics: Any) -> None:
    assert "neither a list nor an object" in scored(metrics).analysis["notes"][0]


def test_only_the_first_twenty_are_read() -> None:
    feedback = scored({f"m{n}": ["new plan"] for n in range(1000)})

    assert len(feedback.analysis["metrics"]) == 20
    assert "Only the first 20 metrics were read." in feedback.analysis["notes"]


def test_what_the_agent_says_meets_no_metric() -> None:
    assert scored({"cause": ["find a solution"]}, SPECIAL["eloquent_agent"]).analysis[
        "metrics"
    ] == {"cause": 0}


def test_silence_meets_no_metric() -> None:
    feedback = scored({"cause": ["wait"], "empathy": {"weight": 1}}, SPECIAL["says_nothing"])

    assert feedback.score == 0
    assert feedback.analysis["metrics"] == {"cause": 0, "empathy": 0}


def test_half_words_are_no_phrase_but_endings_are() -> None:
    talk = [Message(role="assistant", content="?"), Message(role="user", content="My deadlines")]

    assert scored({"a": ["deadline"], "b": ["line"]}, talk).analysis["metrics"] == {
        "a": 100,
        "b": 0,
    }


@given(ANYTHING)
def test_any_metrics_leave_scores_in_their_range(metrics: Any) -> None:
    feedback = scored(metrics)

    assert 0 <= feedback.score <= 100
    assert all(0 <= value <= 100 for value in feedback.analysis["metrics"].values())
    assert len(feedback.analysis["metricDetails"]) <= 20
    assert len(feedback.analysis["notes"]) <= 45

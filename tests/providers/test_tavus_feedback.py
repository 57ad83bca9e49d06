"""Scores that can be explained."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.effects import Message
from services.feedback import score
from services.provider import Scenario

SEED_KEYS = {
    "strengths", "areasForImprovement", "keyInsights", "communicationScore", "empathyScore",
    "problemSolvingScore", "overallScore",
}  # fmt: skip
TALKS = st.lists(
    st.builds(Message, role=st.sampled_from(["user", "assistant"]), content=st.text(min_size=1)),
    min_size=1,
)


def talk(*lines: str) -> list[Message]:
    roles = ("assistant", "user")
    return [Message(role=roles[n % 2], content=line) for n, line in enumerate(lines)]


def test_an_empty_transcript_has_no_score() -> None:
    assert score([], None) is None


def test_who_says_nothing_scores_nothing() -> None:
    feedback = score(talk("Hello?"), None)

    assert feedback
    assert feedback.score == 0
    assert feedback.analysis["strengths"] == []
    assert feedback.analysis["areasForImprovement"]


def test_a_thoughtful_talk_scores_higher_than_a_curt_one() -> None:
    curt = score(talk("How are you?", "Fine.", "Shall we plan?", "No."), None)
    kind = score(
        talk(
            "I am worried about the release.",
            "I understand, thank you for telling me. What if we moved the date, because the team "
            "could then finish the tests?",
        ),
        None,
    )

    assert curt
    assert kind
    assert kind.score > curt.score
    completed, *_ = kind.analysis["strengths"]
    detail, *_ = curt.analysis["areasForImprovement"]
    assert completed.startswith("Completed the conversation (line 2: “I understand, thank you")
    assert detail == "Consider more detailed responses (line 2: “Fine.”)"


def test_a_scenario_may_name_phrases_to_look_for() -> None:
    scenario = Scenario(id="1", metrics={"closing": ["next step", "Thank you"], "odd": 7})

    feedback = score(talk("Bye.", "thank you, bye"), scenario)

    assert feedback
    assert feedback.analysis["metrics"] == {"closing": 50}


@given(TALKS)
def test_every_talk_gets_the_seeds_keys_and_scores_from_0_to_100(talked: list[Message]) -> None:
    feedback = score(talked, None)

    assert feedback
    assert feedback == score(talked, None)
    assert set(feedback.analysis) >= SEED_KEYS
    assert feedback.score == feedback.analysis["overallScore"]
    scores = [value for name, value in feedback.analysis.items() if name.endswith("Score")]
    assert all(isinstance(value, int) and 0 <= value <= 100 for value in scores)

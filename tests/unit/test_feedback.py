"""Feedback by rules: better talks score higher, and every remark rests on what the user said."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.effects import Feedback, Message
from services.feedback import ANALYZER, RulesAnalyzer, score
from services.feedback.dimensions import (
    DETAILED_LINE,
    DIMENSIONS,
    ENOUGH_WORDS,
    MONOLOGUE,
    PENALTY,
    RAMBLING_LINE,
    TAKING_PART,
)
from services.feedback.language import language
from services.feedback.talk import WORD, plain_of
from services.provider import Scenario
from tests.unit.transcripts import LABELLED, SPECIAL, TIERS, TOPICS

SCORES = ("communicationScore", "empathyScore", "problemSolvingScore", "overallScore")
LISTS = ("strengths", "areasForImprovement", "keyInsights")
TALKS = st.lists(
    st.builds(
        Message,
        role=st.sampled_from(["user", "assistant", "system", "tool", "User ", ""]),
        content=st.one_of(
            st.text(), st.sampled_from(["I understand.", "What if we could?", "No."])
        ),
    ),
    min_size=1,
)


def scored(talk: list[Message], scenario: Scenario | None = None) -> Feedback:
    feedback = score(talk, scenario)
    assert feedback
    return feedback


def scores(talk: list[Message]) -> dict[str, int]:
    return {name: scored(talk).analysis[name] for name in SCORES}


def test_there_are_a_dozen_labelled_talks_and_more() -> None:
    assert len(LABELLED) >= 12
    assert {tier for _, tier in LABELLED} == set(TIERS)


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize("name", SCORES)
def test_of_one_topic_the_better_talk_scores_higher(topic: str, name: str) -> None:
    by_tier = [scored(LABELLED[topic, tier]).analysis[name] for tier in TIERS]

    assert all(better > worse for better, worse in pairwise(by_tier)), by_tier


@pytest.mark.parametrize("name", SCORES)
def test_every_good_talk_is_above_every_poor_one_by_far(name: str) -> None:
    good = [scored(LABELLED[topic, "good"]).analysis[name] for topic in TOPICS]
    poor = [scored(LABELLED[topic, "poor"]).analysis[name] for topic in TOPICS]

    assert min(good) >= max(poor) + 30


def test_the_tiers_do_not_overlap_overall() -> None:
    of = {tier: [scored(LABELLED[topic, tier]).score for topic in TOPICS] for tier in TIERS}

    assert min(of["good"]) > max(of["fair"])
    assert min(of["fair"]) > max(of["poor"])


@pytest.mark.parametrize(("topic", "tier"), LABELLED)
def test_every_remark_cites_lines_of_the_user_word_for_word(topic: str, tier: str) -> None:
    talk = LABELLED[topic, tier]
    analysis = scored(talk).analysis

    for name in LISTS:
        assert len(analysis[name]) == len(analysis["citations"][name])
        for remark, places in zip(analysis[name], analysis["citations"][name], strict=True):
            assert places
            for place in places:
                line = talk[place["line"] - 1]
                assert line.role == "user"
                assert place["quote"].strip("…") in line.content
                assert f"line {place['line']}: “{place['quote']}”" in remark
    assert analysis["keyInsights"]


@pytest.mark.parametrize("topic", TOPICS)
def test_poor_talks_are_told_what_to_do_and_are_not_praised(topic: str) -> None:
    analysis = scored(LABELLED[topic, "poor"]).analysis

    assert analysis["areasForImprovement"]
    assert analysis["strengths"] == []


def test_each_hostile_line_costs_twelve() -> None:
    talk = LABELLED["late-release", "good"]
    polite, rude = scores(talk), scores([*talk, Message(role="user", content="Calm down now!")])
    ruder = scores([*talk, *(Message(role="user", content=w) for w in ("Shut up.", "Idiot!"))])

    assert rude["empathyScore"] <= polite["empathyScore"] - 10
    assert ruder["empathyScore"] <= rude["empathyScore"] - 10
    assert abs(rude["problemSolvingScore"] - polite["problemSolvingScore"]) < 10


def test_a_fault_is_named_first_with_its_line() -> None:
    analysis = scored(LABELLED["angry-customer", "poor"]).analysis

    assert analysis["areasForImprovement"][0].startswith("Stay respectful")
    assert {"line": 4, "quote": "Calm down."} in analysis["citations"]["areasForImprovement"][0]


def test_a_long_line_is_quoted_where_it_matters() -> None:
    line = "The room was full and the talk went on for long. " * 4 + "How are you holding up today?"
    talk = [*LABELLED["late-release", "fair"], Message(role="user", content=line)]
    remarks = scored(talk).analysis["keyInsights"]

    assert any("How are you holding up today?" in remark for remark in remarks)


def test_whoever_says_nothing_gets_nothing_and_no_praise() -> None:
    for name in ("says_nothing", "only_noise"):
        feedback = scored(SPECIAL[name])

        assert set(scores(SPECIAL[name]).values()) == {0}
        assert feedback.analysis["outcome"] == "silent"
        assert feedback.analysis["strengths"] == []
        assert feedback.analysis["areasForImprovement"] == ["Answer: nothing was heard from you"]


def test_an_empty_transcript_has_no_feedback() -> None:
    assert score([], None) is None


def test_a_monologue_stops_at_40_and_is_not_praised() -> None:
    talk = SPECIAL["only_the_user"]
    answered = [Message(role="assistant", content="I see."), *talk]
    analysis = scored(talk).analysis

    assert analysis["outcome"] == "monologue"
    assert analysis["strengths"] == []
    assert max(scores(talk).values()) <= 40 < min(scores(answered).values())
    assert any("Nobody else spoke" in note for note in analysis["notes"])


@pytest.mark.parametrize("name", ["eloquent_agent", "prompt_and_tools"])
def test_what_agent_prompt_and_tools_say_earns_nothing(name: str) -> None:
    curt = [Message(role="assistant", content="Hi."), *said(SPECIAL[name])]

    assert scores(SPECIAL[name]) == scores(curt)
    assert scored(SPECIAL[name]).score <= 25


def said(talk: list[Message]) -> list[Message]:
    return [line for line in talk if line.role == "user"]


@pytest.mark.parametrize(("topic", "tier"), LABELLED)
def test_other_words_of_the_agent_change_no_score(topic: str, tier: str) -> None:
    talk = LABELLED[topic, tier]
    other = [
        line if line.role == "user" else replace(line, content="I hate you, you stupid idiot!")
        for line in talk
    ]

    assert scores(talk) == scores(other)


def test_saying_a_line_thirty_times_is_saying_it_once() -> None:
    again = SPECIAL["same_line_again"]

    assert scores(again) == scores(again[:2])
    assert scored(again).score < 50


@pytest.mark.parametrize("name", ["german", "spanish", "french", "japanese"])
def test_other_languages_get_no_tone_and_are_told_so(name: str) -> None:
    feedback = scored(SPECIAL[name])
    read = [feedback.analysis["communicationScore"], feedback.analysis["problemSolvingScore"]]

    assert feedback.analysis["language"] == "other"
    assert feedback.analysis["sentiment"] is None
    assert any("not to be English" in note for note in feedback.analysis["notes"])
    assert feedback.score == round(sum(read) / 2)
    assert feedback.score > 20


@pytest.mark.parametrize(("topic", "tier"), LABELLED)
def test_english_is_known_as_english(topic: str, tier: str) -> None:
    words = WORD.findall(plain_of(" ".join(line.content for line in said(LABELLED[topic, tier]))))

    assert language(words) == ("en" if len(words) >= 8 else "unknown")


@pytest.mark.parametrize(
    "text",
    [
        "Ich war in der Stadt und die Frau hat mir den Weg zum Bahnhof gezeigt, so war das",
        "Io non so che cosa fare con questo problema perché il capo non mi risponde mai",
        "Eu não sei o que fazer com este problema porque o chefe não me responde nunca",
        "Ik weet niet wat ik met dit probleem moet doen, want mijn baas geeft nooit antwoord",
        "Nie wiem co mam zrobić z tym problemem, bo szef do mnie nigdy nie dzwoni i tak to jest",
        "Jag vet inte vad jag ska göra med det här problemet, men jag har inte fått svar",
        "Мне надо знать, что делать дальше, потому что начальник мне не отвечает",
    ],
)
def test_other_languages_are_not_taken_for_english(text: str) -> None:
    assert language(WORD.findall(plain_of(text))) == "other"


def test_the_tone_follows_the_words() -> None:
    def tone(text: str) -> str:
        talk = [Message(role="assistant", content="And?"), Message(role="user", content=text)]
        return str(scored(talk).analysis["sentiment"]["label"])

    assert (
        tone("I think this is a wonderful idea and I am very happy that you are here") == "positive"
    )
    assert tone("I think this is a terrible idea and I am very angry that you did it") == "negative"
    assert tone("We are in the room at the end of the floor and the door is to the left of it") == (
        "neutral"
    )


def test_the_lexicon_is_there_without_a_download() -> None:
    """TextBlob's tone needs no corpus: it works with no network and no folder of NLTK's."""
    code = (
        "import socket, sys\n"
        "def refuse(*_): raise OSError('no network')\n"
        "socket.socket.connect = refuse\n"
        "sys.path.insert(0, '.')\n"
        "import nltk; nltk.data.path.clear()\n"
        "from textblob.en import sentiment\n"
        "print(round(sentiment('this is wonderful')[0], 3))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={}
    )

    assert ran.stdout.strip() == "1.0"


def test_who_speaks_to_the_scorer_earns_nothing_by_it() -> None:
    feedback = scored(SPECIAL["speaks_to_the_scorer"])

    assert feedback.score < 50
    assert "Line 2 seems to speak to the scorer." in feedback.analysis["notes"]


def test_feedback_names_its_analyzer() -> None:
    talk = LABELLED["late-release", "good"]

    assert scored(talk).analyzer == ANALYZER == RulesAnalyzer().name == "rules-2"
    assert RulesAnalyzer().analyze(talk, None) == scored(talk)


@given(TALKS)
def test_any_talk_has_the_same_scores_twice_and_each_in_its_range(talk: list[Message]) -> None:
    feedback = scored(talk)

    assert feedback == scored(talk)
    assert feedback.score == feedback.analysis["overallScore"]
    for name in SCORES:
        assert type(feedback.analysis[name]) is int
        assert 0 <= feedback.analysis[name] <= 100
    json.dumps(feedback.analysis)
    users = {n for n, line in enumerate(talk, start=1) if line.role.strip().lower() == "user"}
    places = [p for name in LISTS for cited in feedback.analysis["citations"][name] for p in cited]
    assert {place["line"] for place in places} <= users


@pytest.mark.parametrize(
    "text",
    [
        "a" * 9_000_000,
        "? " * 1_000_000,
        "i understand " * 500_000,
        "um" * 2_000_000,
        "\n" * 9_000_000,
    ],
)
def test_huge_lines_take_little_time(text: str) -> None:
    talk = [Message(role="assistant", content="Hm?"), Message(role="user", content=text)]
    started = time.perf_counter()

    analysis = scored(talk).analysis

    assert time.perf_counter() - started < 3
    assert any("Only the beginning" in note for note in analysis["notes"])
    assert len(json.dumps(analysis)) < 10_000


def test_many_lines_take_little_time() -> None:
    lines = [(f"I understand that {n} is hard, what if we moved it?", n % 2) for n in range(50_000)]
    talk = [Message(role=("user", "assistant")[odd], content=text) for text, odd in lines]
    started = time.perf_counter()

    scored(talk)

    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(("topic", "name"), list(product(TOPICS, LISTS)))
def test_remarks_are_few_and_short(topic: str, name: str) -> None:
    remarks = scored(LABELLED[topic, "good"]).analysis[name]

    assert len(remarks) <= 6
    assert all(len(remark) < 400 for remark in remarks)


def test_the_page_names_every_part_with_its_weight() -> None:
    page = Path("docs/feedback.md").read_text()

    for dimension in DIMENSIONS:
        for part in dimension.parts:
            assert f"| {dimension.name} | {part.weight} | {part.praise} |" in page
    assert f"| {TAKING_PART} | for having spoken at all |" in page
    assert f"| \N{MINUS SIGN} {PENALTY} | for each line" in page
    assert f"scores stop at {MONOLOGUE}" in page
    assert f"{DETAILED_LINE} is detailed, above {RAMBLING_LINE} nobody follows" in page
    assert f"the words said by {ENOUGH_WORDS}" in page


def test_the_parts_of_each_score_weigh_a_hundred() -> None:
    for dimension in DIMENSIONS:
        assert sum(part.weight for part in dimension.parts) == 100

"""Feedback by a language model: asked for strictly, and believed only where it can be checked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import responses

from services.clients.openai import ChatClient
from services.effects import Feedback, Message
from services.errors import BadGateway, ConvohooksError, Unavailable
from services.feedback import Analyzer, score
from services.feedback.llm import LlmAnalyzer
from services.feedback.prompt import MAX_CHARACTERS
from services.provider import Scenario
from services.settings import Settings, load_settings
from tests.unit.transcripts import LABELLED, SPECIAL

BASE = "https://models.example.test/v1"
KEY = "sk-test-key-of-nobody"
TALK = LABELLED["late-release", "good"]
REMARK = {"remark": "You asked how they are", "citations": [{"line": 2, "quote": "how are you"}]}
VERDICT: dict[str, Any] = {
    "communication_score": 80,
    "empathy_score": 90,
    "problem_solving_score": 70,
    "strengths": [REMARK],
    "areas_for_improvement": [],
    "key_insights": [],
    "metrics": [],
}


@pytest.fixture(name="net", autouse=True)
def _net() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as net:
        yield net


def settings(**changes: str) -> Settings:
    return load_settings(
        {
            "SUPABASE_URL": "https://project.example.test",
            "SUPABASE_SECRET_KEY": "sb_secret_x",
            "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_x",
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": BASE,
            "OPENAI_MODEL": "judge-1",
            **changes,
        }
    )


def answers(net: responses.RequestsMock, content: Any, **choice: Any) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    told = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop", **choice}
    net.post(f"{BASE}/chat/completions", json={"choices": [told]})


def analyzed(talk: list[Message] = TALK, scenario: Scenario | None = None) -> Feedback:
    feedback = LlmAnalyzer(ChatClient(settings())).analyze(talk, scenario)
    assert feedback
    return feedback


def asked(net: responses.RequestsMock) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(net.calls[0].request.body)  # type: ignore[union-attr]
    return body


def test_the_models_scores_replace_those_by_rules(net: responses.RequestsMock) -> None:
    answers(net, VERDICT)

    feedback = analyzed()

    assert feedback.analyzer == "llm:judge-1"
    assert feedback.score == feedback.analysis["overallScore"] == 80
    assert feedback.analysis["empathyScore"] == 90
    assert feedback.analysis["strengths"] == ["You asked how they are (line 2: “how are you”)"]
    by_rules = score(TALK, None)
    assert by_rules
    assert feedback.analysis.keys() == by_rules.analysis.keys()
    assert feedback.analysis["sentiment"] == by_rules.analysis["sentiment"]


def test_it_is_asked_strictly_and_with_the_key(net: responses.RequestsMock) -> None:
    answers(net, VERDICT)

    analyzed(scenario=Scenario(id="1", title="A late release", metrics={"plan": ["a plan"]}))

    body = asked(net)
    asked_for = body["response_format"]["json_schema"]
    told = json.loads(body["messages"][1]["content"])
    assert net.calls[0].request.headers["Authorization"] == f"Bearer {KEY}"
    assert (body["model"], asked_for["strict"]) == ("judge-1", True)
    assert told["scenario"] == "A late release"
    assert told["metrics"] == [{"name": "plan", "description": "", "look_for": ["a plan"]}]
    assert told["transcript"][1] == {"line": 2, "role": "user", "text": TALK[1].content}


def test_the_schema_is_one_that_strict_mode_takes(net: responses.RequestsMock) -> None:
    answers(net, VERDICT)
    analyzed()

    def check(schema: dict[str, Any]) -> None:
        assert set(schema) <= {
            "type", "properties", "required", "additionalProperties", "items", "enum",
        }  # fmt: skip
        if schema["type"] == "object":
            assert schema["required"] == list(schema["properties"])
            assert schema["additionalProperties"] is False
        for inner in [*schema.get("properties", {}).values(), *filter(None, [schema.get("items")])]:
            check(inner)

    check(asked(net)["response_format"]["json_schema"]["schema"])


def test_prompt_and_tool_lines_are_never_sent(net: responses.RequestsMock) -> None:
    answers(net, VERDICT)

    analyzed(SPECIAL["prompt_and_tools"])

    told = json.loads(asked(net)["messages"][1]["content"])
    assert [line["line"] for line in told["transcript"]] == [2, 4, 5]
    assert "You are a coach" not in json.dumps(asked(net))


@pytest.mark.parametrize(
    "value", [101, -1, 1e9, 50.5, "90", True, None, [90], {"score": 90}, float("nan")]
)
def test_a_score_that_is_none_is_refused(net: responses.RequestsMock, value: Any) -> None:
    answers(net, {**VERDICT, "empathy_score": value})

    with pytest.raises(BadGateway, match="empathy_score"):
        analyzed()


@pytest.mark.parametrize(
    "content",
    [
        "", "I give you 100 points!", "[]", "null", "{}", '{"overallScore": 100}', "[" * 100_000,
        json.dumps({**VERDICT, "overall_score": 100}),
        json.dumps({**VERDICT, "strengths": "everything"}),
        json.dumps({**VERDICT, "metrics": [{"name": "x", "score": 700}]}),
    ],
)  # fmt: skip
def test_an_answer_of_another_shape_is_refused(net: responses.RequestsMock, content: str) -> None:
    answers(net, content)

    with pytest.raises(BadGateway):
        analyzed()


@pytest.mark.parametrize(
    "body",
    [
        {}, [], None, {"choices": []}, {"choices": [None]}, {"choices": [{"message": None}]},
        {"choices": [{"message": {"content": None, "refusal": "I cannot"}}]},
        {"choices": {"0": 1}}, "text",
    ],
)  # fmt: skip
def test_no_answer_is_refused(net: responses.RequestsMock, body: Any) -> None:
    net.post(f"{BASE}/chat/completions", json=body)

    with pytest.raises(BadGateway):
        analyzed()


def test_an_answer_cut_short_is_refused(net: responses.RequestsMock) -> None:
    answers(net, VERDICT, finish_reason="length")

    with pytest.raises(BadGateway, match="in the middle"):
        analyzed()


@pytest.mark.parametrize(
    ("status", "error"), [(500, BadGateway), (429, BadGateway), (401, BadGateway)]
)
def test_refusals_are_ours_and_do_not_tell_the_key(
    net: responses.RequestsMock, status: int, error: type[ConvohooksError]
) -> None:
    net.post(f"{BASE}/chat/completions", status=status, json={"error": {"message": "no"}})

    with pytest.raises(error) as raised:
        analyzed()
    assert KEY not in raised.value.detail


def test_unreachable_is_unavailable(net: responses.RequestsMock) -> None:
    net.post(f"{BASE}/chat/completions", body=requests.ConnectionError())

    with pytest.raises(Unavailable):
        analyzed()


@pytest.mark.parametrize(
    ("line", "quote", "found"),
    [
        (2, "how are you", {"line": 2, "quote": "how are you"}),
        (2, "“How are you—holding up”", {"line": 2, "quote": "how are you holding up"}),
        (1, "how are you", {"line": 2, "quote": "how are you"}),
        (99, "I'm sorry to hear that", {"line": 4, "quote": "I'm sorry to hear that"}),
        (-1, "i\u2019m SORRY", {"line": 4, "quote": "I'm sorry"}),
        (1, "I am worried about the release", None),
        (2, "something that was never said", None),
        (2, "hank you for telling", None),
        (2, "you", None),
        (2, "", None),
        (2, "… “” .", None),
        (2, "(.*)", None),
    ],
)
def test_only_quotes_of_the_user_are_kept(
    net: responses.RequestsMock, line: int, quote: str, found: dict[str, Any] | None
) -> None:
    remark = {"remark": "Look here", "citations": [{"line": line, "quote": quote}]}
    answers(net, {**VERDICT, "strengths": [remark]})

    analysis = analyzed().analysis

    assert analysis["citations"]["strengths"] == ([[found]] if found else [])
    assert len(analysis["strengths"]) == (1 if found else 0)


def test_remarks_are_few_short_and_storable(net: responses.RequestsMock) -> None:
    long = {"remark": "a\x00b\ud800 " * 5000, "citations": REMARK["citations"] * 50}
    answers(net, {**VERDICT, "key_insights": [long] * 100})

    insights = analyzed().analysis["keyInsights"]

    assert len(insights) == 5
    assert all(len(insight) < 500 for insight in insights)
    assert "\x00" not in insights[0]
    insights[0].encode()


def test_metrics_are_scored_by_the_model_and_weighted(net: responses.RequestsMock) -> None:
    told = [
        {"name": "Charisma", "score": 60},
        {"name": "made up", "score": 100},
        {"name": "Charisma", "score": 60},
    ]
    answers(net, {**VERDICT, "metrics": told})
    metrics = [
        {"name": "Charisma", "weight": 3, "description": ""},
        {"name": "plan", "weight": 1, "keywords": ["new plan"]},
    ]

    feedback = analyzed(scenario=Scenario(id="1", metrics=metrics))

    assert feedback.analysis["metrics"] == {"Charisma": 60, "plan": 100}
    assert feedback.score == round((80 + 70) / 2)


def test_a_talk_that_asks_for_points_changes_nothing_but_a_note(
    net: responses.RequestsMock,
) -> None:
    """The structure, the range and the citations hold, whatever the model was talked into."""
    answers(
        net,
        {
            **VERDICT,
            "communication_score": 100,
            "empathy_score": 100,
            "problem_solving_score": 100,
            "strengths": [{"remark": "Perfect!", "citations": []}],
        },
    )

    feedback = analyzed(SPECIAL["speaks_to_the_scorer"])

    sent = asked(net)["messages"]
    assert "Ignore all previous instructions" not in sent[0]["content"]
    assert json.loads(sent[1]["content"])["transcript"][1]["role"] == "user"
    assert feedback.analysis["strengths"] == []
    assert feedback.score <= 100
    assert "Line 2 seems to speak to the scorer." in feedback.analysis["notes"]


def test_a_long_talk_loses_its_middle_and_says_so(net: responses.RequestsMock) -> None:
    answers(net, VERDICT)
    talk = [
        Message(role=("assistant", "user")[n % 2], content=f"{n}: how are you today? " * 10)
        for n in range(2000)
    ]

    feedback = analyzed(talk)

    told = json.loads(asked(net)["messages"][1]["content"])["transcript"]
    assert (told[0]["line"], told[-1]["line"]) == (1, 2000)
    assert sum(len(line["text"]) for line in told) <= MAX_CHARACTERS
    assert any("left out" in note for note in feedback.analysis["notes"])


def test_one_huge_line_is_cut(net: responses.RequestsMock) -> None:
    answers(net, VERDICT)

    analyzed([TALK[0], Message(role="user", content="how are you? " * 500_000)])

    assert len(json.dumps(asked(net))) < 10_000


@pytest.mark.parametrize("name", ["says_nothing", "only_the_user", "only_noise"])
def test_what_is_one_sided_is_left_to_the_rules(net: responses.RequestsMock, name: str) -> None:
    assert analyzed(SPECIAL[name]) == score(SPECIAL[name], None)
    assert len(net.calls) == 0


def test_an_endpoint_of_ones_own_may_want_no_key(net: responses.RequestsMock) -> None:
    answers(net, VERDICT)
    analyzer: Analyzer = LlmAnalyzer(ChatClient(settings(OPENAI_API_KEY="")))

    analyzer.analyze(TALK, None)

    assert "Authorization" not in net.calls[0].request.headers

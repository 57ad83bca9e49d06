"""Tools as they are declared, and what a call of one is answered."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from services.provider import Lookups
from services.tools.answers import answer
from services.tools.display_cta import DISPLAY_CTA
from services.tools.registration import inline
from services.tools.registry import TOOLS
from services.tools.tool import Tool, ToolResult, declared, texts


def run(arguments: dict[str, Any], conversation_id: str, lookups: Lookups) -> ToolResult:
    return ToolResult(result={})


PLAIN = Tool(description="Do it", parameters=texts(what="What to do"), run=run)


@pytest.mark.parametrize("name", ["a", "_", "fetch_video", "X9", "a" * 64])
def test_a_good_tool_is_declared(name: str) -> None:
    assert declared({name: PLAIN}) == {name: PLAIN}


@pytest.mark.parametrize("name", ["", "9a", "a-b", "a b", "a" * 65, "é", "a\n", "a.b"])
def test_a_name_that_tavus_refuses_is_refused_here(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        declared({name: PLAIN})


def test_parameters_and_description_have_ten_thousand_characters() -> None:
    size = len(json.dumps(PLAIN.parameters))
    fits = replace(PLAIN, description="x" * (10_000 - size))

    declared({"tool": fits})
    with pytest.raises(ValueError, match="10000"):
        declared({"tool": replace(fits, description=fits.description + "x")})


def test_no_parameter_takes_a_name_of_tavus() -> None:
    with pytest.raises(ValueError, match="tavus_id"):
        declared({"tool": replace(PLAIN, parameters=texts(tavus_id="x"))})


def test_parameters_are_an_object() -> None:
    with pytest.raises(ValueError, match="object"):
        declared({"tool": replace(PLAIN, parameters={"type": "string"})})


def test_our_tools_act_inside_only() -> None:
    assert [name for name, tool in TOOLS.items() if tool.acts_outside] == []


def test_the_older_form_is_that_of_an_agents_tools() -> None:
    assert inline({"display_cta": DISPLAY_CTA}) == [
        {
            "type": "function",
            "function": {
                "name": "display_cta",
                "description": "Display a call-to-action button with custom text and URL",
                "parameters": {
                    "type": "object",
                    "properties": {
                        "text": {"type": "string", "description": "Button text to display"},
                        "url": {
                            "type": "string", "description": "URL to navigate to when clicked"
                        },
                    },
                    "required": ["text", "url"],
                },
            },
        }
    ]  # fmt: skip


def test_an_answer_has_a_sentence_and_the_result() -> None:
    outcome = ToolResult(result={"url": "https://example.test", "text": "Go"})

    assert json.loads(answer(outcome, DISPLAY_CTA)) == {
        "success": True,
        "message": "The button Go is on the screen now.",
        "result": {"url": "https://example.test", "text": "Go"},
    }


def test_a_failure_is_a_sentence_too() -> None:
    assert json.loads(answer(ToolResult(error="It is too late"), None)) == {
        "success": False,
        "message": "Sorry, that did not work. It is too late.",
        "error": "It is too late",
    }


def test_the_same_outcome_gives_the_same_bytes_whatever_the_order_of_its_fields() -> None:
    one = ToolResult(result={"text": "Go", "url": "u"})
    other = ToolResult(result={"url": "u", "text": "Go"})

    assert answer(one, DISPLAY_CTA) == answer(other, DISPLAY_CTA)

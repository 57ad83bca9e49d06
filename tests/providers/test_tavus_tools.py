"""Calls of tools in all their shapes, and what comes of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tavus_samples import Rows, handle, sample

from services.effects import Projection
from services.errors import Malformed
from services.provider import Video
from services.tool_calls import WebhookToolCallService
from services.tools.display_cta import is_web_address
from services.tools.registry import TOOLS

INTRO = Video(id="1", title="Intro", storage_url="https://example.test/1", duration_seconds=30)
DEMO = Video(id="2", title="Product Demo Overview", storage_url="https://example.test/2")
ROWS = Rows(cached=(INTRO, DEMO), stored=(INTRO, DEMO))
RESULT = {
    "video_id": "2",
    "video_url": "https://example.test/2",
    "title": "Product Demo Overview",
    "duration": None,
}


def run(name: str, arguments: Any, rows: Rows = ROWS) -> Any:
    return WebhookToolCallService(lookups=rows).run(name, arguments, "c1").content


SHAPES: list[dict[str, Any]] = [
    sample("conversation.tool_called"),
    sample("conversation.tool_call"),
    {"conversation_id": "c1", "name": "fetch_video", "arguments": {"video_title": DEMO.title}},
    {
        "conversation_id": "c1",
        "event_type": "conversation.toolcall",
        "data": {"function": {"name": "fetch_video", "args": {"title": DEMO.title}}},
    },
]


@pytest.mark.parametrize("payload", SHAPES)
def test_a_video_is_fetched_whichever_shape_the_call_has(payload: dict[str, Any]) -> None:
    effects = handle(payload, ROWS)

    assert effects.tool_call
    assert effects.tool_call.name == "fetch_video"
    assert effects.tool_call.success is True
    assert effects.tool_call.result == RESULT
    assert effects.projections == (
        Projection(
            event_type="tool_call_result",
            event_data={
                "tool_name": "fetch_video",
                "tool_call_id": effects.tool_call.tool_call_id,
                "success": True,
                "result": RESULT,
            },
        ),
    )


def test_arguments_are_stored_as_an_object() -> None:
    tool_call = handle(sample("conversation.tool_call"), ROWS).tool_call

    assert tool_call
    assert tool_call.arguments == {"video_title": "Product Demo Overview"}


def test_a_button_is_shown() -> None:
    (shown,) = handle(sample("conversation.tool_called-cta")).projections

    assert shown.event_data["result"] == {
        "text": "Start a trial",
        "url": "https://example.test/trial",
    }


def test_a_failed_call_says_why() -> None:
    (shown,) = handle(sample("conversation.tool_call"), Rows()).projections

    assert shown.event_data["success"] is False
    assert shown.event_data["error"] == "No video found matching: Product Demo Overview"
    assert "result" not in shown.event_data


def test_a_video_that_is_not_in_the_cache_is_looked_up_once_more() -> None:
    rows = Rows(cached=(INTRO,), stored=(INTRO, DEMO))

    assert run("fetch_video", {"video_title": "product demo"}, rows)["video_id"] == "2"
    assert rows.asked == ["videos", "fresh videos"]


def test_a_video_in_the_cache_costs_no_look_up() -> None:
    rows = Rows(cached=(INTRO,))

    run("fetch_video", {"video_title": "Intro"}, rows)

    assert rows.asked == ["videos"]


@pytest.mark.parametrize(
    ("name", "arguments", "error"),
    [
        ("fetch_video", {}, "fetch_video needs a video_title"),
        ("fetch_video", {"video_title": "  "}, "fetch_video needs a video_title"),
        ("fetch_video", {"video_title": 7}, "fetch_video needs a video_title"),
        ("fetch_video", "{broken", "Arguments of fetch_video are not a JSON object"),
        ("fetch_video", "[]", "Arguments of fetch_video are not a JSON object"),
        ("fetch_video", {"video_title": "Zebra"}, "No video found matching: Zebra"),
        ("display_cta", {"url": "https://example.test"}, "display_cta needs a text"),
        ("make_coffee", {}, "Unknown tool: make_coffee"),
    ],
)
def test_an_error_is_clear(name: str, arguments: Any, error: str) -> None:
    assert run(name, arguments) == {"error": error}


@pytest.mark.parametrize(
    "url",
    [
        "https://example.test", "http://example.test:8080/a?b=c#d", "https://münchen.example.test/",
        "HTTPS://EXAMPLE.TEST/", "https://[::1]/",
    ],
)  # fmt: skip
def test_a_web_address_may_be_opened(url: str) -> None:
    assert is_web_address(url)


@pytest.mark.parametrize(
    "url",
    [
        "", "example.test", "/trial", "//example.test", "javascript:alert(1)", "java\nscript:x",
        "data:text/html,x", "ftp://example.test", "https://", "https:///path", "https:example.test",
        "https://user:word@example.test", "https://good.test@evil.test", "https://example.test\\@x",
        "https://exa mple.test", "https://example.test/\x00", "https://example.test:99999",
        "https://example.test:x", "https://[::1", "https://example.test/" + "a" * 2048,
        "https://\u00a0example.test",
    ],
)  # fmt: skip
def test_anything_else_may_not(url: str) -> None:
    assert not is_web_address(url)
    assert "error" in run("display_cta", {"text": "Go", "url": url})


def test_a_reported_outcome_is_marked_as_reported() -> None:
    effects = handle(sample("conversation.tool_result"))

    assert effects.projections == ()
    assert effects.tool_call
    assert effects.tool_call.reported
    assert effects.tool_call.success is True
    assert effects.tool_call.execution_time_ms == 250


@pytest.mark.parametrize(
    ("fields", "success"),
    [
        ({"status": "success"}, True),
        ({"status": "error", "output": "x"}, False),
        ({"output": "It is 72 degrees."}, True),
        ({"result": {"success": False}}, False),
        ({"result": {"error": "no"}}, False),
        ({"error": "no"}, False),
        ({}, None),
    ],
)
def test_a_reported_outcome_is_a_success_or_not(
    fields: dict[str, Any], success: bool | None
) -> None:
    payload = {
        "event_type": "conversation.tool_result", "conversation_id": "c1", "tool_call_id": "t1"
    }  # fmt: skip

    tool_call = handle(payload | fields).tool_call

    assert tool_call
    assert tool_call.success is success


def test_a_perception_tool_that_is_not_ours_is_only_stored() -> None:
    effects = handle(sample("conversation.perception_tool_call"))

    assert effects.projections == ()
    assert effects.tool_call
    assert effects.tool_call.success is None
    assert effects.tool_call.arguments == {"confidence": "high"}


def test_a_perception_tool_that_is_ours_is_run() -> None:
    payload = sample("conversation.perception_tool_call")
    payload["properties"] |= {"name": "fetch_video", "arguments": '{"video_title": "Intro"}'}

    (shown,) = handle(payload, ROWS).projections

    assert shown.event_data["result"]["title"] == "Intro"


@pytest.mark.parametrize("told", [None, "", 1.5, []])
def test_a_call_without_a_name_is_refused(told: Any) -> None:
    payload = sample("conversation.tool_call")
    payload["properties"]["name"] = told

    with pytest.raises(Malformed, match="'name'"):
        handle(payload)


@pytest.mark.parametrize("name", sorted(TOOLS))
def test_a_tool_is_declared_as_an_agent_needs_it(name: str) -> None:
    parameters = TOOLS[name].parameters

    assert parameters["type"] == "object"
    assert parameters["required"] == list(parameters["properties"])
    assert json.dumps(parameters)

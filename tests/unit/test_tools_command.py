"""`convohooks tools`: what Tavus holds afterwards, and that doing it again changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from services.cli import app
from services.tools.registry import TOOLS
from tests.tavus_fake import FakeTavus, fake_tavus

SECRET = "tool-secret-for-tests"
OTHER = "older-secret-for-tests"
BASE = "https://hooks.example.test"


@pytest.fixture(name="tavus")
def _tavus(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTavus]:
    """A Tavus with one persona, and the settings of a service that calls it."""
    with fake_tavus() as tavus:
        settings = {
            "SUPABASE_URL": "https://abc.example.test",
            "SUPABASE_SECRET_KEY": "sb_secret_x",
            "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_x",
            "PUBLIC_BASE_URL": BASE,
            "TAVUS_TOOL_SECRET": f"{SECRET},{OTHER}",
            "PORT": "1",
            **tavus.settings(),
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        tavus.resources["personas"]["p1"] = {"persona_id": "p1"}
        yield tavus


def command(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["tools", *arguments])


def register(*options: str) -> list[dict[str, Any]]:
    """Register, and return what became of each tool."""
    result = command("register", "--json", *options)
    assert result.exit_code == 0, result.output
    return list(json.loads(result.stdout))


def held(tavus: FakeTavus) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in tavus.resources["tools"].values()}


def writes(tavus: FakeTavus) -> list[str]:
    return [f"{call.method} {call.path}" for call in tavus.calls if call.method != "GET"]


def test_tools_are_created_with_signed_delivery(tavus: FakeTavus) -> None:
    assert {row["name"]: row["what"] for row in register()} == dict.fromkeys(TOOLS, "created")

    tool = held(tavus)["display_cta"]
    assert tool["delivery"] == {
        "api": {
            "url": f"{BASE}/api/tavus/tools",
            "method": "POST",
            "timeout": 10,
            "auth": {"type": "hmac", "secret": SECRET},
        }
    }
    assert tool["on_resolve"] == "generate_response"
    assert tool["parameters"] == TOOLS["display_cta"].parameters
    assert tavus.attached == {}


def test_registering_again_changes_nothing(tavus: FakeTavus) -> None:
    register("--persona", "p1")
    before = writes(tavus)

    again = register("--persona", "p1")

    told = [(row["what"], row["attached"]) for row in again]
    assert told == [("unchanged", "was attached")] * len(TOOLS)
    assert writes(tavus) == before


def test_tools_are_attached_to_a_persona(tavus: FakeTavus) -> None:
    tavus.attached["p1"] = ["t_other"]

    rows = register("--persona", "p1")

    assert tavus.attached["p1"] == ["t_other", *(row["tool_id"] for row in rows)]


def test_secrets_that_tavus_masks_are_no_difference_and_never_sent_back(tavus: FakeTavus) -> None:
    register()
    for tool in tavus.resources["tools"].values():
        tool["delivery"]["api"]["auth"]["secret"] = "********"

    assert {row["what"] for row in register()} == {"unchanged"}
    assert {row["what"] for row in register("--force")} == {"changed"}
    auth = [tool["delivery"]["api"]["auth"]["secret"] for tool in held(tavus).values()]
    assert auth == [SECRET] * len(TOOLS)


@pytest.mark.parametrize("status", [None, 400, 422])
def test_what_differs_is_changed_in_either_form_of_a_patch(
    tavus: FakeTavus, status: int | None
) -> None:
    register()
    held(tavus)["display_cta"]["description"] = "Another"
    if status:
        tavus.fail("PATCH", "/tools/.*", status=status, body={"message": "Invalid JSON patch"})

    rows = register()

    others = dict.fromkeys(TOOLS, "unchanged")
    assert {row["name"]: row["what"] for row in rows} == others | {"display_cta": "changed"}
    assert held(tavus)["display_cta"]["description"] == TOOLS["display_cta"].description
    assert held(tavus)["display_cta"]["delivery"]["api"]["auth"]["secret"] == SECRET


def test_unsigned_delivery_has_the_secret_as_bearer_token(tavus: FakeTavus) -> None:
    register()

    assert {row["what"] for row in register("--no-sign")} == {"changed"}
    assert held(tavus)["fetch_video"]["delivery"]["api"] == {
        "url": f"{BASE}/api/tavus/tools/fetch_video",
        "method": "POST",
        "timeout": 10,
        "auth": {"type": "bearer", "token": SECRET},
    }


def test_one_failure_does_not_end_the_others(tavus: FakeTavus) -> None:
    tavus.fail("POST", "/tools", status=400, body={"message": "no"})

    result = command("register", "--json")

    assert result.exit_code == 1
    what = {row["name"]: row["what"] for row in json.loads(result.stdout)}
    assert what == dict.fromkeys(TOOLS, "created") | {"fetch_video": "failed"}


def test_a_persona_that_is_not_there_is_a_sentence(tavus: FakeTavus) -> None:
    result = command("register", "--persona", "p_unknown")

    assert result.exit_code == 1
    assert "Invalid persona_id" in result.output
    assert writes(tavus) == []


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("PUBLIC_BASE_URL", "http://127.0.0.1:8000", "PUBLIC_BASE_URL"),
        ("TAVUS_API_KEY", "", "TAVUS_API_KEY is not set"),
        ("TAVUS_TOOL_SECRET", "", "TAVUS_TOOL_SECRET"),
        ("TAVUS_API_KEY", "wrong", "does not accept"),
    ],
)
def test_what_is_missing_is_named_and_nothing_is_done(
    tavus: FakeTavus, monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(name, value)
    monkeypatch.setenv("TAVUS_WEBHOOK_SECRET", "")

    result = command("register")

    assert result.exit_code == 1
    assert sentence in result.output
    assert tavus.resources["tools"] == {}


def test_no_secret_is_printed(tavus: FakeTavus) -> None:
    printed = [command("register", *options).output for options in ((), ("--json",), ("--force",))]

    assert not any(secret in text for text in printed for secret in (SECRET, OTHER, tavus.key))


def test_the_schema_is_printed_in_the_older_form() -> None:
    told = json.loads(command("schema").stdout)

    assert [tool["function"]["name"] for tool in told] == list(TOOLS)
    assert {tool["type"] for tool in told} == {"function"}


def test_refusal_that_another_form_would_not_help_is_told_at_once(tavus: FakeTavus) -> None:
    register()
    held(tavus)["display_cta"]["description"] = "Another"
    tavus.fail("PATCH", "/tools/.*", status=409, body={"message": "is being changed"})

    result = command("register", "--json")

    assert result.exit_code == 1
    [failed] = [row for row in json.loads(result.stdout) if row["what"] != "unchanged"]
    assert (failed["name"], failed["what"]) == ("display_cta", "failed")
    assert "is being changed" in failed["error"]
    assert len(tavus.called("PATCH", ".*")) == 1


def test_tool_that_cannot_be_attached_is_told_and_the_others_are(tavus: FakeTavus) -> None:
    tavus.fail("POST", "/pals/p1/tools/", status=400, body={"message": "too many tools"})

    result = command("register", "--persona", "p1", "--json")

    assert result.exit_code == 1
    failed, *others = json.loads(result.stdout)
    assert (failed["what"], failed["attached"]) == ("created", "failed")
    assert "too many tools" in failed["error"]
    assert {row["attached"] for row in others} == {"attached"}
    assert failed["tool_id"] not in tavus.attached["p1"]


def test_answer_without_an_id_makes_no_tool(tavus: FakeTavus) -> None:
    tavus.fail("POST", "/tools", status=200, body={"name": "fetch_video", "tool_id": ""})

    result = command("register", "--json")

    assert result.exit_code == 1
    [failed] = [row for row in json.loads(result.stdout) if row["what"] == "failed"]
    assert (failed["name"], failed["error"]) == (
        "fetch_video",
        "Tavus answered a tool without an id.",
    )

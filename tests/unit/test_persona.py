"""`convohooks persona push`: the demo's persona at Tavus is as its files say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from services.errors import Unprocessable
from services.tavus_setup.patch import differences
from services.tavus_setup.persona import DEFAULT_FOLDER, read_persona
from services.tool_calls import TOOLS
from tests.tavus_fake import FakeTavus
from tests.unit.tavus_commands import Command, _command, _tavus, told

__all__ = ["_command", "_tavus"]


def write(folder: Path, prompt: str = "Be kind.", **fields: Any) -> str:
    """Write a persona and return its folder."""
    (folder / "persona.json").write_text(json.dumps({"persona_name": "demo", **fields}))
    (folder / "system_prompt.md").write_text(f"{prompt}\n")
    return str(folder)


def held(tavus: FakeTavus) -> dict[str, Any]:
    [row] = tavus.resources["personas"].values()
    return row


def test_prompt_of_the_demo_says_what_is_needed() -> None:
    prompt = read_persona(DEFAULT_FOLDER)["system_prompt"]

    for tool in TOOLS:
        assert f"`{tool}`" in prompt
    for topic in ("knowledge base", "in four steps", "# Languages", "You are Domo"):
        assert topic in prompt


def test_persona_is_made_once(command: Command, tavus: FakeTavus) -> None:
    made = told(command("persona", "push", "--replica", "r1", "--json"))
    again = told(command("persona", "push", "--replica", "r1", "--json"))

    assert (made["outcome"], again["outcome"]) == ("created", "current")
    assert held(tavus)["default_replica_id"] == "r1"
    assert held(tavus)["system_prompt"].startswith("# Who you are")
    assert tavus.called("PATCH", ".*") == []


def test_only_what_differs_is_changed(command: Command, tavus: FakeTavus, tmp_path: Path) -> None:
    tavus.resources["personas"]["p1"] = {
        "pal_id": "p1",
        "pal_name": "demo",
        "system_prompt": "Be rude.",
        "default_face_id": "r1",
        "layers": {"llm": {"model": "theirs", "tools": [{"a": 1}]}},
    }
    folder = write(tmp_path, layers={"llm": {"model": "ours"}, "tts": {"a/b": "c"}})

    done = command("persona", "push", "--folder", folder, TAVUS_REPLICA_ID="r2")

    assert done.exit_code == 0
    assert held(tavus) == {
        "pal_id": "p1",
        "pal_name": "demo",
        "system_prompt": "Be kind.",
        "default_face_id": "r2",
        "layers": {"llm": {"model": "ours", "tools": [{"a": 1}]}, "tts": {"a/b": "c"}},
    }
    [call] = tavus.called("PATCH", "/personas/p1")
    assert ("add", "/layers/tts") in [(o["op"], o["path"]) for o in call.body]


def test_persona_that_comes_as_a_list_is_read(
    command: Command, tavus: FakeTavus, tmp_path: Path
) -> None:
    row = {"persona_id": "p1", "persona_name": "demo", "system_prompt": "Be kind."}
    tavus.resources["personas"]["p1"] = row
    tavus.fail("GET", "/personas/p1", status=200, body={"data": [row]})

    done = command("persona", "push", "--folder", write(tmp_path), "--json")

    assert told(done)["outcome"] == "current"


def test_objectives_are_given_by_name(command: Command, tavus: FakeTavus) -> None:
    command("objectives", "push")
    [id_] = tavus.resources["objectives"]

    command("persona", "push", "--objectives", "greeting_and_qualification")
    command("persona", "push", "--objectives", id_)

    assert held(tavus)["objectives_id"] == id_
    assert tavus.called("PATCH", ".*") == []


def test_tools_are_attached_once(command: Command, tavus: FakeTavus) -> None:
    for _ in range(2):
        done = command("persona", "push", "--tools", TAVUS_WEBHOOK_SECRET="hush-of-the-tools")
        assert done.exit_code == 0

    [attached] = tavus.attached.values()
    assert {tavus.resources["tools"][id_]["name"] for id_ in attached} == {*TOOLS}
    assert len(attached) == len(TOOLS)


def test_tools_that_fail_are_told(command: Command, tavus: FakeTavus) -> None:
    tavus.fail("POST", "/tools", status=400, body={"error": "no more tools"})

    done = command("persona", "push", "--tools", TAVUS_WEBHOOK_SECRET="hush-of-the-tools")

    assert done.exit_code == 1
    assert "no more tools" in done.stderr


def test_objectives_that_are_not_there(command: Command, tavus: FakeTavus) -> None:
    done = command("persona", "push", "--objectives", "nothing")

    assert done.exit_code == 1
    assert "'nothing'" in done.stderr
    assert tavus.resources["personas"] == {}


def test_persona_of_an_id_is_changed_whatever_its_name(
    command: Command, tavus: FakeTavus, tmp_path: Path
) -> None:
    tavus.resources["personas"]["p1"] = {"persona_id": "p1", "persona_name": "other"}

    command("persona", "push", "--folder", write(tmp_path), "--id", "p1")

    assert held(tavus)["persona_name"] == "demo"


def test_two_personas_of_a_name_are_not_guessed_between(
    command: Command, tavus: FakeTavus, tmp_path: Path
) -> None:
    for id_ in ("p1", "p2"):
        tavus.resources["personas"][id_] = {"persona_id": id_, "persona_name": "demo"}

    done = command("persona", "push", "--folder", write(tmp_path))

    assert done.exit_code == 1
    assert "p1, p2" in done.stderr.replace("p2, p1", "p1, p2")


def test_dry_run_makes_nothing(command: Command, tavus: FakeTavus) -> None:
    assert command("persona", "push", "--dry-run").exit_code == 0
    assert tavus.resources["personas"] == {}


@pytest.mark.parametrize("persona", [{}, {"persona_name": " "}, {"persona_name": 7}])
def test_persona_without_name_is_refused(tmp_path: Path, persona: Any) -> None:
    (tmp_path / "persona.json").write_text(json.dumps({"system_prompt": "x", **persona}))

    with pytest.raises(Unprocessable, match="persona_name"):
        read_persona(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "patch"),
    [
        ({}, {"a": 1}, [{"op": "add", "path": "/a", "value": 1}]),
        ({"a": None}, {"a": 1}, [{"op": "add", "path": "/a", "value": 1}]),
        ({"a": 0}, {"a": 1}, [{"op": "replace", "path": "/a", "value": 1}]),
        ({"a": True}, {"a": False}, [{"op": "replace", "path": "/a", "value": False}]),
        ({}, {"a": False}, [{"op": "add", "path": "/a", "value": False}]),
        ({"a": 1}, {"a": None}, [{"op": "remove", "path": "/a"}]),
        ({"a": []}, {"a": None}, []),
        ({"a": 1, "b": 2}, {"a": 1}, []),
        ({"a": {"b": 1}}, {"a": {"c/~": 2}}, [{"op": "add", "path": "/a/c~1~0", "value": 2}]),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, [{"op": "replace", "path": "/a/0/b", "value": 2}]),
        ({"a": [1]}, {"a": [2]}, [{"op": "replace", "path": "/a", "value": [2]}]),
        ({"a": "x"}, {"a": {"b": 1}}, [{"op": "replace", "path": "/a", "value": {"b": 1}}]),
    ],
)
def test_differences(old: Any, new: Any, patch: Any) -> None:
    assert differences(old, new) == patch

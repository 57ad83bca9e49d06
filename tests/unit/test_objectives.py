"""`convohooks objectives`: a file becomes a set at Tavus, once, and follows the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from services.errors import Unprocessable
from services.settings import load_settings
from services.tavus_setup.files import FOLDER
from services.tavus_setup.objectives import DEFAULT_FILE, objectives_file, read_objectives
from tests.tavus_fake import FakeTavus
from tests.unit.tavus_commands import OURS, TEXTS, Command, _command, _tavus, told

__all__ = ["_command", "_tavus"]

FIRST = {"objective_name": "first", "objective_prompt": "Ask.", "next_required_objective": "then"}
THEN = {"objective_name": "then", "objective_prompt": "Ask on.", "output_variables": ["answer"]}


def write(folder: Path, *items: Any, **more: Any) -> str:
    """Write a set of objectives and return where it is."""
    path = folder / "custom.json"
    path.write_text(json.dumps({"name": "custom", "data": items, **more}))
    return str(path)


def held(tavus: FakeTavus) -> dict[str, Any]:
    [row] = tavus.resources["objectives"].values()
    return row


def test_default_is_greeting_and_qualification(command: Command, tavus: FakeTavus) -> None:
    done = command("objectives", "push")

    assert done.exit_code == 0
    assert held(tavus)["name"] == "greeting_and_qualification"
    [objective] = held(tavus)["data"]
    assert objective["output_variables"] == ["first_name", "last_name", "email", "position"]
    assert objective["callback_url"] == OURS


def test_custom_set_comes_before_the_default(tmp_path: Path) -> None:
    settings = load_settings({**TEXTS, "OBJECTIVES_FILE": str(tmp_path / "custom.json")})

    assert objectives_file(load_settings(TEXTS)) == DEFAULT_FILE
    assert objectives_file(settings) == tmp_path / "custom.json"
    assert objectives_file(settings, tmp_path / "told.json") == tmp_path / "told.json"


def test_custom_set_of_the_settings_is_pushed(
    command: Command, tavus: FakeTavus, tmp_path: Path
) -> None:
    command("objectives", "push", OBJECTIVES_FILE=write(tmp_path, FIRST, THEN))

    assert held(tavus)["name"] == "custom"


def test_second_push_changes_nothing(command: Command, tavus: FakeTavus, tmp_path: Path) -> None:
    file = write(tmp_path, FIRST, THEN)
    made = told(command("objectives", "push", "--file", file, "--json"))

    again = told(command("objectives", "push", "--file", file, "--json"))

    assert (made["outcome"], again["outcome"]) == ("created", "current")
    assert made["id"] == again["id"]
    assert len(tavus.called("POST", "/objectives")) == 1
    assert tavus.called("PATCH", ".*") == []


def test_only_what_differs_is_changed(command: Command, tavus: FakeTavus, tmp_path: Path) -> None:
    command("objectives", "push", "--file", write(tmp_path, FIRST, THEN))
    changed = {**THEN, "objective_prompt": "Ask again.", "output_variables": ["a", "b"]}

    command("objectives", "push", "--file", write(tmp_path, FIRST, changed))

    [call] = tavus.called("PATCH", ".*")
    assert [(o["op"], o["path"]) for o in call.body] == [
        ("replace", "/data/1/objective_prompt"),
        ("replace", "/data/1/output_variables"),
    ]
    assert held(tavus)["data"][1]["output_variables"] == ["a", "b"]


def test_other_order_of_steps_is_taken_over(
    command: Command, tavus: FakeTavus, tmp_path: Path
) -> None:
    command("objectives", "push", "--file", write(tmp_path, FIRST, THEN))
    branching = {
        "objective_name": "first",
        "objective_prompt": "Ask.",
        "next_conditional_objectives": {"then": "said yes", "third": "said no"},
    }
    third = {**THEN, "objective_name": "third"}

    command("objectives", "push", "--file", write(tmp_path, branching, THEN, third))
    done = command("objectives", "push", "--file", write(tmp_path, branching, THEN, third))

    first = held(tavus)["data"][0]
    assert "next_required_objective" not in first
    assert set(first["next_conditional_objectives"]) == {"then", "third"}
    assert len(held(tavus)["data"]) == 3
    assert "is as wanted" in done.stdout


def test_condition_that_the_file_lost_is_lost(
    command: Command, tavus: FakeTavus, tmp_path: Path
) -> None:
    def branching(*names: str) -> dict[str, Any]:
        conditions = {name: "if so" for name in names}
        return {
            "objective_name": "first",
            "objective_prompt": "Ask.",
            "next_conditional_objectives": conditions,
        }

    left, right = ({**THEN, "objective_name": name} for name in ("left", "right"))
    middle = {**left, "next_required_objective": "right"}
    command(
        "objectives", "push", "--file", write(tmp_path, branching("left", "right"), left, right)
    )

    command("objectives", "push", "--file", write(tmp_path, branching("left"), middle, right))

    assert held(tavus)["data"][0]["next_conditional_objectives"] == {"left": "if so"}


def test_own_callback_url_of_a_file_is_kept(
    command: Command, tavus: FakeTavus, tmp_path: Path
) -> None:
    theirs = {**FIRST, "callback_url": "https://their.example.test/hook"}
    nobody = {**THEN, "callback_url": None}

    command("objectives", "push", "--file", write(tmp_path, theirs, nobody))
    command("objectives", "push", "--file", write(tmp_path, theirs, nobody))

    first, second = held(tavus)["data"]
    assert first["callback_url"] == "https://their.example.test/hook"
    assert "callback_url" not in second
    assert tavus.called("PATCH", ".*") == []


def test_address_that_changed_is_taken_over(
    command: Command, tavus: FakeTavus, tmp_path: Path
) -> None:
    file = write(tmp_path, THEN)
    command("objectives", "push", "--file", file, PUBLIC_BASE_URL="https://old.example.test")

    command("objectives", "push", "--file", file)

    assert held(tavus)["data"][0]["callback_url"] == OURS


def test_set_as_tavus_told_it_in_2025_is_as_wanted(
    command: Command, tavus: FakeTavus, tmp_path: Path
) -> None:
    command("objectives", "push", "--file", write(tmp_path, FIRST, THEN))
    first = held(tavus)["data"][0]
    first["next_required_objectives"] = [first.pop("next_required_objective")]
    first.update(next_conditional_objectives={}, tool_call=None)
    held(tavus)["allow_loops"] = None

    done = command("objectives", "push", "--file", write(tmp_path, FIRST, THEN), "--json")

    assert told(done)["outcome"] == "current"


def test_persona_gets_the_set_once(command: Command, tavus: FakeTavus, tmp_path: Path) -> None:
    tavus.resources["personas"]["p1"] = {"persona_id": "p1", "persona_name": "x"}
    file = write(tmp_path, THEN)

    for _ in range(2):
        done = command("objectives", "push", "--file", file, "--persona", "p1", "--json")

    assert tavus.resources["personas"]["p1"]["objectives_id"] == told(done)["id"]
    [call] = tavus.called("PATCH", "/personas/p1")
    assert call.body[0]["op"] == "add"


def test_dry_run_makes_nothing(command: Command, tavus: FakeTavus, tmp_path: Path) -> None:
    done = command("objectives", "push", "--file", write(tmp_path, THEN), "--dry-run")

    assert "Would be" in done.stdout
    assert tavus.resources["objectives"] == {}


def test_two_sets_of_a_name_are_not_guessed_between(
    command: Command, tavus: FakeTavus, tmp_path: Path
) -> None:
    for id_ in ("o1", "o2"):
        tavus.resources["objectives"][id_] = {"uuid": id_, "name": "custom", "data": []}

    done = command("objectives", "push", "--file", write(tmp_path, THEN))

    assert done.exit_code == 1
    assert "o1" in done.stderr
    assert "o2" in done.stderr


def test_an_answer_without_id_is_an_error(
    command: Command, tavus: FakeTavus, tmp_path: Path
) -> None:
    tavus.fail("POST", "/objectives", status=200, body=["?"])

    done = command("objectives", "push", "--file", write(tmp_path, THEN))

    assert done.exit_code == 1
    assert "told no id" in done.stderr


def test_list_tells_where_completions_go(
    command: Command, tavus: FakeTavus, tmp_path: Path
) -> None:
    theirs = {**FIRST, "callback_url": "https://their.example.test/hook?secret=hush"}
    command("objectives", "push", "--file", write(tmp_path, theirs, THEN))

    found = command("objectives", "list", "--json")

    [row] = told(found)
    assert [(o["name"], o["callback"]) for o in row["objectives"]] == [
        ("first", "other"),
        ("then", "current"),
    ]
    assert "hush" not in found.stdout
    assert "https://their.example.test/hook" in command("objectives", "list").stdout


def test_list_needs_no_token(command: Command, tavus: FakeTavus, tmp_path: Path) -> None:
    command("objectives", "push", "--file", write(tmp_path, THEN))

    assert command("objectives", "list", TAVUS_WEBHOOK_TOKEN="").exit_code == 0


@pytest.mark.parametrize("file", sorted((FOLDER / "objectives").glob("*.json")), ids=str)
def test_files_of_the_project_keep_the_rules(file: Path) -> None:
    assert read_objectives(file).name == file.stem


def chain(length: int) -> list[dict[str, Any]]:
    items = [
        {
            "objective_name": f"o{n}",
            "objective_prompt": "Ask.",
            "next_required_objective": f"o{n + 1}",
        }
        for n in range(length)
    ]
    del items[-1]["next_required_objective"]
    return items


def test_fifty_objectives_are_allowed(tmp_path: Path) -> None:
    assert len(read_objectives(Path(write(tmp_path, *chain(50)))).data) == 50
    with pytest.raises(Unprocessable, match="data"):
        read_objectives(Path(write(tmp_path, *chain(51))))


@pytest.mark.parametrize(
    ("items", "named"),
    [
        ([], "data: List should have at least 1"),
        ([{**THEN, "objective_name": "two words"}], "data.0.objective_name"),
        ([{**THEN, "objective_name": "new\n"}], "data.0.objective_name"),
        ([{**THEN, "objective_name": "größe"}], "data.0.objective_name"),
        ([{**THEN, "objective_prompt": "  "}], "data.0.objective_prompt"),
        ([{**THEN, "objective_promt": "x"}], "data.0.objective_promt"),
        ([{**THEN, "confirmation_mode": "maybe"}], "data.0.confirmation_mode"),
        ([{**THEN, "modality": "smell"}], "data.0.modality"),
        ([{**THEN, "output_variables": [f"v{n}" for n in range(51)]}], "data.0.output_variables"),
        ([{**THEN, "output_variables": ["a", "a"]}], "repeats a name"),
        ([{**THEN, "callback_url": "javascript:alert(1)"}], "data.0.callback_url"),
        ([{**THEN, "callback_url": f"https://x.test/{'x' * 2048}"}], "data.0.callback_url"),
        ([THEN, THEN], "two objectives are named 'then'"),
        ([FIRST], "followed by unknown 'then'"),
        ([{**THEN, "objective_name": "a"}, THEN], "found 'a', 'then'"),
        ([{**FIRST, "next_conditional_objectives": {"then": "if"}}, THEN], "only"),
        ([FIRST, {**THEN, "next_required_objective": "first"}], "found none"),
        ([{**THEN, "next_required_objective": "then"}], "found none"),
        (
            [
                {**FIRST, "next_required_objective": "then"},
                {**THEN, "next_required_objective": "b"},
                {**THEN, "objective_name": "b", "next_required_objective": "then"},
            ],
            "circle",
        ),
        (
            [
                THEN,
                {**FIRST, "objective_name": "a", "next_required_objective": "b"},
                {**FIRST, "objective_name": "b", "next_required_objective": "a"},
            ],
            "never reached",
        ),
        ([{**THEN, "next_required_objectives": ["a", "b"]}], "list of one name"),
        ([{**FIRST, "next_required_objectives": ["last"]}, THEN], "differ"),
    ],
)
def test_what_tavus_would_refuse_is_not_sent(
    command: Command, tavus: FakeTavus, tmp_path: Path, items: list[Any], named: str
) -> None:
    done = command("objectives", "push", "--file", write(tmp_path, *items))

    assert done.exit_code == 1
    assert named in done.stderr
    assert tavus.calls == []


def test_file_in_the_form_of_2025_means_the_same(tmp_path: Path) -> None:
    first = {name: FIRST[name] for name in ("objective_name", "objective_prompt")}
    older = {**first, "next_required_objectives": ["then"]}
    last = {**THEN, "next_required_objectives": []}

    told = read_objectives(Path(write(tmp_path, older, last)))

    assert told == read_objectives(Path(write(tmp_path, FIRST, THEN)))
    assert [item.next_names for item in told.data] == [("then",), ()]


def test_loops_are_allowed_when_they_are_meant(tmp_path: Path) -> None:
    back = {**THEN, "next_required_objective": "first"}

    assert read_objectives(Path(write(tmp_path, FIRST, back, allow_loops=True))).allow_loops


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b"\xff", b"x" * 1_000_001, None])
def test_file_that_is_none(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "custom.json"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(Unprocessable, match=r"custom\.json"):
        read_objectives(path)

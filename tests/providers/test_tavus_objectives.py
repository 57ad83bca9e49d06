"""What an objective found out, cleaned of how it was said."""

from __future__ import annotations

from typing import Any

import pytest
from tavus_samples import handle, sample

from services.effects import Completion
from services.errors import Malformed


def completed(variables: Any) -> Completion:
    payload = sample("conversation.objective.completed")
    payload["properties"]["output_variables"] = variables
    found = handle(payload).completion
    assert found
    return found


def test_the_captured_payload_fills_its_columns() -> None:
    found = handle(sample("conversation.objective.completed")).completion

    assert found
    assert found.objective_name == "greeting_and_qualification"
    assert found.columns == {
        "first_name": "Ada",
        "last_name": "Example",
        "email": "ada@example.test",
        "position": "builder",
    }
    assert found.raw_payload == sample("conversation.objective.completed")


def test_what_was_spoken_comes_out_clean() -> None:
    found = handle(sample("conversation.objective.completed-spoken")).completion

    assert found
    assert found.columns == {
        "first_name": "Ada",
        "last_name": None,
        "email": "ada@example.test",
        "position": "engineer, founder",
    }
    assert found.variables == {
        "first_name": "Ada",
        "last_name": None,
        "email": "ada@example.test",
        "position": ["engineer", "founder"],
        "team_size": 12,
        "pain_points": ["slow demos", "no follow-up"],
    }


@pytest.mark.parametrize(
    ("told", "column"),
    [
        (" Ada ", "Ada"),
        (7, "7"),
        (1.5, "1.5"),
        (True, "true"),
        (["Ada", None, " B "], "Ada, B"),
        ([], None),
        ([[1, 2], "x"], "1, 2, x"),
        ({"given": "Ada"}, '{"given": "Ada"}'),
        ("", None),
        ("null", None),
        (" None ", None),
        ("N/A", None),
        ("unknown", None),
        (None, None),
    ],
)
def test_a_text_column_takes_every_type(told: Any, column: str | None) -> None:
    assert completed({"first_name": told}).columns == {"first_name": column}


@pytest.mark.parametrize("name", ["firstName", "First Name", "first-name", "FIRST_NAME"])
def test_a_column_is_known_however_its_name_is_written(name: str) -> None:
    found = completed({name: "Ada"})

    assert found.columns == {"first_name": "Ada"}
    assert found.variables == {name: "Ada"}


def test_the_exact_name_outranks_the_others_unless_it_is_empty() -> None:
    assert completed({"first_name": "Ada", "firstName": "B"}).columns == {"first_name": "Ada"}
    assert completed({"first_name": "n/a", "firstName": "B"}).columns == {"first_name": "B"}


@pytest.mark.parametrize(
    "told",
    [
        '{"email": "ada@example.test"}',
        [{"name": "email", "value": "ada@example.test"}, 7, {"name": []}],
    ],
)
def test_variables_come_as_text_or_as_a_list_too(told: Any) -> None:
    assert completed(told).columns == {"email": "ada@example.test"}


def test_a_listed_variable_may_be_named_by_a_number() -> None:
    found = completed([{"name": 5, "value": " yes "}, {"name": "position", "value": "engineer"}])

    assert found.variables == {"5": "yes", "position": "engineer"}


@pytest.mark.parametrize("told", ["no JSON", 7, True, "[" * 500, [], {}])
def test_unreadable_variables_are_none(told: Any) -> None:
    assert completed(told).variables == {}


def test_an_embedded_text_cannot_smuggle_in_what_jsonb_refuses() -> None:
    found = completed('{"first_name": "a\\u0000b", "score": 1e999, "x": "\\ud800"}')

    assert found.variables == {"first_name": "a\ufffdb", "score": None, "x": "\ufffd"}


def test_the_old_format_has_its_variables_among_the_properties() -> None:
    payload = {
        "conversation_id": "c1",
        "properties": {"objective_name": "hello", "first_name": "Ada", "team_size": 3},
    }

    found = handle(payload, path="/api/webhook/qualification").completion

    assert found
    assert found.variables == {"first_name": "Ada", "team_size": 3}


def test_flat_variables_are_found() -> None:
    found = handle(sample("conversation.objective.completed-flat")).completion

    assert found
    assert found.objective_name == "recall_assessment"
    assert found.variables == {"recall_score": 85}


@pytest.mark.parametrize("told", [None, "", [], "x" * 256])
def test_an_objective_without_a_name_is_refused(told: Any) -> None:
    payload = sample("conversation.objective.completed")
    payload["properties"]["objective_name"] = told

    with pytest.raises(Malformed, match="objective_name"):
        handle(payload)


def test_a_refusal_says_what_was_found_and_what_was_wanted() -> None:
    payload = sample("conversation.objective.completed")
    del payload["properties"]["objective_name"]

    with pytest.raises(Malformed) as refusal:
        handle(payload)

    assert refusal.value.detail == (
        "Field 'objective_name': found nothing, wanted the name of the objective."
    )

"""What objectives found out, as columns."""

from __future__ import annotations

import csv
import io
from typing import Any

from tests.modules.node import call, run


def row(**columns: Any) -> dict[str, Any]:
    return {"id": "1", "conversation_id": "c1", "objective_name": "greeting", **columns}


def test_variables_are_the_columns_first_then_the_others_by_name() -> None:
    rows = [
        row(first_name="Ada", output_variables={"first_name": "Ada", "team": 5, "budget": None}),
        row(email="a@example.test", output_variables={"company": "Example", "Budget": "100"}),
    ]

    found = call("qualification/variables.js", "variablesOf", rows)

    assert found == ["first_name", "email", "Budget", "company", "team"]


def test_a_variable_that_has_a_column_is_there_once_however_it_is_written() -> None:
    told = row(
        first_name="Ada",
        email="a@example.test",
        output_variables={"firstName": "Ada", "E-Mail": "x"},
    )

    assert call("qualification/variables.js", "valuesOf", told) == {
        "E-Mail": "x",
        "first_name": "Ada",
        "email": "a@example.test",
    }


def test_a_column_of_an_older_row_counts_without_variables() -> None:
    told = row(position="builder", output_variables=None)

    assert call("qualification/variables.js", "valuesOf", told) == {"position": "builder"}


def test_names_that_javascript_knows_are_names_like_others() -> None:
    told = row(output_variables={"constructor": "a", "toString": "b"})

    assert call("qualification/variables.js", "variablesOf", [told]) == ["constructor", "toString"]
    assert call("qualification/variables.js", "valuesOf", told) == {
        "constructor": "a",
        "toString": "b",
    }


def test_a_file_has_a_column_for_each_variable_and_keeps_ours_apart() -> None:
    rows = [
        row(received_at="2026-03-01T10:00:00+00:00", output_variables={"team": [1, 2]}),
        row(conversation_id="c2", output_variables={"objective_name": "=1", "empty": ""}),
    ]

    text = call("qualification/rows.js", "asCsv", rows)

    first, second = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    assert (first["received_at"], first["team"]) == ("2026-03-01T10:00:00+00:00", "[1,2]")
    assert (second["objective_name"], second["output_variables.objective_name"]) == (
        "greeting",
        "'=1",
    )
    assert "empty" not in first


def test_each_row_of_a_long_list_has_the_name_of_its_conversation() -> None:
    reading = """
        const row = (id) => ({ id, conversation_id: `c${id}` });
        const rows = Array.from({ length: 150 }, (_, number) => row(number));
        const talk = (id) => ({ conversation_id: id, conversation_name: `Talk ${id}` });
        const query = (data) => ({
            select: () => query(data), order: () => query(data), range: () => query(data),
            in: (_, ids) => query(ids.map(talk)),
            abortSignal: async () => ({ data, error: null }),
        });
        const client = { from: (table) => query(table === "conversations" ? [] : rows) };
        const read = module.completionsOf(client, () => new URLSearchParams(), {});
        return read({ offset: 0, limit: 201 });
    """

    rows = run("qualification/rows.js", reading)

    assert [row["conversation_name"] for row in rows] == [f"Talk c{n}" for n in range(150)]

"""CSV files: any value in, a file that Python and spreadsheets read as the same table."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from tests.modules.node import call

MARK = "\ufeff"


def written(names: list[Any], *rows: list[Any]) -> str:
    text: str = call("qualification/csv.js", "toCsv", names, rows)
    return text


def table(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.removeprefix(MARK), newline=""), strict=True))


def test_a_file_is_utf_8_with_a_mark_and_ends_each_line_as_rfc_4180_wants() -> None:
    text = written(["name"], ["Zoë"], ["日本"])

    assert text == f'{MARK}"name"\r\n"Zoë"\r\n"日本"\r\n'


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        "a, b; c",
        'she said "no"',
        '"',
        '","',
        "two\nlines",
        "two\r\nlines",
        "ends with a break\n",
        " blanks around ",
        "it's = fine here",
        "",
    ],
)
def test_a_text_comes_back_as_it_was(value: str) -> None:
    assert table(written(["a", "b"], [value, "next"])) == [["a", "b"], [value, "next"]]


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        (0, "0"),
        (2.5, "2.5"),
        (True, "true"),
        (False, "false"),
        (["a", 'b "c"'], '["a","b \\"c\\""]'),
        ({"b": 1, "a": {"c": None}}, '{"b":1,"a":{"c":null}}'),
    ],
)
def test_what_is_no_text_is_written_as_json_and_null_as_nothing(value: Any, cell: str) -> None:
    assert table(written(["a"], [value, "end"]))[1] == [cell, "end"]


@pytest.mark.parametrize(
    "value",
    [
        '=HYPERLINK("https://evil.example.test","x")',
        "=1+1",
        "+49 30 1234",
        "-5",
        -5,
        -0.5,
        "@SUM(A1)",
        "\tindented",
        "\rreturned",
        "\nbroken",
        "  =1+1",
        "  \t=1+1",
        "   \t tab after blanks",
        "\u00a0=1+1",
        "\u200b=1+1",
        "\ufeff=1+1",
        "\x01=1+1",
        "\uff1d1+1",
        "\uff0b1",
        "\uff0d1",
        "\uff20x",
    ],
)
def test_a_cell_that_a_spreadsheet_could_run_begins_with_an_apostrophe(value: str | float) -> None:
    [names, row] = table(written([value], [value]))

    assert names == row == [f"'{value}"]


@pytest.mark.parametrize("value", ["1-1", "a=b", "mail@example.test", "'quoted", "5", " plain"])
def test_other_cells_get_no_apostrophe(value: str) -> None:
    assert table(written(["a"], [value]))[1] == [value]


def test_a_million_blanks_are_read_through_once() -> None:
    blanks = " " * 1_000_000

    assert written(["a"], [blanks]) == f'{MARK}"a"\r\n"{blanks}"\r\n'

"""The benchmark's arithmetic, and what it writes down."""

from __future__ import annotations

import json
from xml.etree import ElementTree

from bench.page import PAGE, replaced
from bench.picture import reach, to_svg
from bench.results import Goal, Pair, Result, compared, number, percentile, to_json, to_text

PAIR = Pair(ours=(50.0, 60.0, 10.0), against="theirs", theirs=(100.0, 100.0, 100.0), unit="/s")
AT_LEAST_HALF = Goal(sign="≥", bound=0.5)


def result(value: float, goal: Goal | None = None) -> Result:
    return Result(name="a < b", value=value, unit="ms", goal=goal)


def test_a_ratio_is_the_median_of_the_rounds() -> None:
    assert compared("rate", AT_LEAST_HALF, PAIR).value == 0.5


def test_a_goal_holds_at_its_bound() -> None:
    assert AT_LEAST_HALF.holds(0.5)
    assert not AT_LEAST_HALF.holds(0.49)
    assert Goal(sign="≤", bound=150).holds(150)
    assert not Goal(sign="≤", bound=150).holds(150.1)


def test_a_goal_just_missed_does_not_look_reached() -> None:
    record = result(0.4996, AT_LEAST_HALF).record()

    assert record["holds"] is False
    assert record["value"] == 0.5


def test_results_are_a_list_of_records() -> None:
    rows = json.loads(to_json([compared("rate", AT_LEAST_HALF, PAIR)]))

    assert rows == [
        {
            "name": "rate",
            "value": 0.5,
            "unit": "times",
            "goal": "≥ 0.5",
            "holds": True,
            "pair": {
                "ours": [50.0, 60.0, 10.0],
                "against": "theirs",
                "theirs": [100.0, 100.0, 100.0],
                "unit": "/s",
            },
        }
    ]


def test_the_table_shows_both_sides() -> None:
    table = to_text([compared("rate", AT_LEAST_HALF, PAIR)])

    assert "0.50 times  50.0 : 100 /s (theirs)" in table


def test_numbers_are_readable() -> None:
    assert [number(value) for value in (1234.5, 99.96, 0.526)] == ["1,234", "100.0", "0.53"]


def test_a_percentile_lies_among_the_values() -> None:
    assert percentile([float(value) for value in range(101)], 99) == 99


def test_the_picture_is_xml_whatever_the_names_hold() -> None:
    drawn = ElementTree.fromstring(
        to_svg([result(100, Goal(sign="≤", bound=150))], "2 cores & <x>")
    )

    assert "a < b" in "".join(drawn.itertext())


def test_a_bar_is_longer_the_better_the_value() -> None:
    assert reach(0.25, AT_LEAST_HALF) == 0.5
    assert reach(300, Goal(sign="≤", bound=150)) == 0.5
    assert reach(1, Goal(sign="≤", bound=150)) == 2


def test_a_figure_without_a_goal_is_shown_and_not_judged() -> None:
    only_measured = result(700)

    record = only_measured.record()
    drawn = to_svg([only_measured], "2 cores")

    assert (record["goal"], record["holds"]) == (None, None)
    assert only_measured.cells() == ("a < b", "700 ms", "", "", "")
    assert "700 ms" in drawn
    assert drawn.count("<rect") == 1  # the ground


def test_the_page_takes_the_table_between_its_marks() -> None:
    once = replaced(PAGE.read_text(), "first")
    twice = replaced(once, "second")

    assert "\nsecond\n" in twice
    assert "first\n<!--" not in twice
    assert twice.count("<!-- results -->") == twice.count("<!-- end of results -->") == 1

"""mutation/: the table of breaks fits the SQL, the page the code, and nothing slips through."""

from __future__ import annotations

import pytest

from mutation import explained
from mutation.mutants import MutationError, Outcome, Survivor, readable
from mutation.parts import PARTS, Part
from mutation.sql_run import Break, breaks, definition
from services.local.checkout import ROOT

FUNCTION, BECAME = "limits.limits.Limit._spend", 'return None if a | b else "x"'
SURVIVOR = Survivor(function=FUNCTION, was="return 1", became=BECAME)
PAGE = f"""
{explained.BEGIN}
{explained.END}
| function | the line becomes | why it may |
| --- | --- | --- |
| `{FUNCTION}` | ``{BECAME.replace("|", chr(92) + "|")}`` | nobody can tell |
"""
LIMITS = Part(sources=("services/limits/limits.py",), tests=())


@pytest.mark.parametrize("one", breaks(), ids=lambda one: f"{one.function}: {one.was[:30]}")
def test_a_break_fits_its_function_and_names_a_test(one: Break) -> None:
    file, _, test = one.test.partition("::")

    assert definition(one.function).count(one.was) == 1
    assert one.becomes != one.was
    assert f"def {test.partition('[')[0]}(" in (ROOT / file).read_text()


def test_every_part_is_of_files_that_are_there() -> None:
    for part in PARTS.values():
        assert all((ROOT / file).is_file() for file in (*part.sources, *part.tests))


def test_what_is_explained_is_a_function_of_a_part() -> None:
    modules = {
        explained.module_of(source): (ROOT / source).read_text()
        for part in PARTS.values()
        for source in part.sources
    }
    for function, _ in explained.explanations(explained.PAGE.read_text()):
        module = next(name for name in modules if function.startswith(f"{name}."))
        assert f"def {function.rpartition('.')[2]}(" in modules[module]


def test_a_survivor_needs_a_row_of_its_own() -> None:
    other = Survivor(function=FUNCTION, was="return 1", became="return 2")

    assert explained.unexplained([SURVIVOR, other], PAGE) == [other]
    assert explained.explanations(PAGE) == {(FUNCTION, BECAME): "nobody can tell"}


def test_a_row_about_what_does_not_survive_is_told() -> None:
    assert explained.outlived([SURVIVOR], [LIMITS], PAGE) == []
    assert explained.outlived([], [LIMITS], PAGE) == [f"{FUNCTION}: {BECAME}"]
    assert explained.outlived([], [PARTS["retry"]], PAGE) == []


def test_figures_of_a_part_replace_its_own() -> None:
    page = PAGE
    for mutants in (9, 5):
        told = {"retry": Outcome(mutants=mutants, noticed=4, survivors=(SURVIVOR,))}
        page = explained.with_figures(page, told)
    page = explained.with_figures(page, {"limits": Outcome(mutants=2, noticed=2, survivors=())})

    assert "| retry | 5 | 4 | 1 |\n| limits | 2 | 2 | 0 |\n| all | 7 | 6 | 1 |\n" in page
    assert page.endswith(PAGE.partition(explained.END)[2])


@pytest.mark.parametrize(
    ("mutant", "function"),
    [
        ("services.limits.limits.xǁLimitǁ_spend__mutmut_12", "limits.limits.Limit._spend"),
        ("services.outgoing.schedule.x__date__mutmut_3", "outgoing.schedule._date"),
        ("services.retry.x_next_wait__mutmut_8", "retry.next_wait"),
        ("services.limits.limits.xǁLimitǁ__init____mutmut_1", "limits.limits.Limit.__init__"),
    ],
)
def test_a_mutants_function_is_called_as_in_the_code(mutant: str, function: str) -> None:
    assert readable(mutant) == function


def test_a_name_that_cannot_be_read_is_said_to_be() -> None:
    with pytest.raises(MutationError, match="cannot be read"):
        readable("whatever")

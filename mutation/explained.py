"""The page that says of every survivor why it may live: docs/mutation.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mutation.mutants import Outcome, Survivor
from mutation.parts import PARTS, Part
from services.local.checkout import ROOT

PAGE = ROOT / "docs" / "mutation.md"
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
HEAD = "| part | mutants | noticed | survive |\n| --- | --- | --- | --- |"


def unexplained(survivors: Sequence[Survivor], page: str) -> list[Survivor]:
    """Return the survivors that no row of the page is about."""
    rows = explanations(page)
    return [one for one in survivors if (one.function, one.became) not in rows]


def outlived(survivors: Sequence[Survivor], parts: Sequence[Part], page: str) -> list[str]:
    """Return what the page explains of these parts though a test notices it, or it is gone."""
    living = {(one.function, one.became) for one in survivors}
    modules = {module_of(source) for part in parts for source in part.sources}
    return [
        f"{function}: {became}"
        for function, became in explanations(page)
        if (function, became) not in living and any(function.startswith(f"{m}.") for m in modules)
    ]


def explanations(page: str) -> dict[tuple[str, str], str]:
    """Return the reason for each survivor, by its function and the line that it became."""
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| `")]
    told = [row for row in rows if len(row) == 3]
    return {(_code(function), _code(became)): reason for function, became, reason in told}


def row(survivor: Survivor) -> str:
    """Return a survivor as a row of the page, without its reason."""
    became = survivor.became.replace("|", "\\|")
    return f"| `{survivor.function}` | ``{became}`` | |  <!-- was: {survivor.was} -->"


def with_figures(page: str, outcomes: Mapping[str, Outcome]) -> str:
    """Return the page with these figures in its table; those of other parts stay."""
    before, _, rest = page.partition(BEGIN)
    table, _, after = rest.partition(END)
    told = _figures(table)
    told |= {
        name: [outcome.mutants, outcome.noticed, len(outcome.survivors)]
        for name, outcome in outcomes.items()
    }
    rows = {name: told[name] for name in PARTS if name in told}
    rows["all"] = [sum(column) for column in zip(*rows.values(), strict=True)]
    lines = [f"| {name} | {' | '.join(map(str, row))} |" for name, row in rows.items()]
    return "\n".join([before + BEGIN, HEAD, *lines, END + after])


def _figures(table: str) -> dict[str, list[int]]:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return {name: list(map(int, cells)) for name, *cells in rows if cells and cells[0].isdigit()}


def module_of(source: str) -> str:
    """Return how the rows call the module of a file."""
    return source.removeprefix("services/").removesuffix(".py").replace("/", ".")


def _code(cell: str) -> str:
    return cell.strip().strip("`").strip().replace("\\|", "|")

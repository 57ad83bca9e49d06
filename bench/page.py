"""docs/benchmarks.md shows the last results."""

from __future__ import annotations

from collections.abc import Sequence

from bench.results import Result, to_markdown
from services.local.checkout import ROOT

PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- results -->", "<!-- end of results -->"


def update(results: Sequence[Result], machine: str) -> None:
    """Write the table, and the machine, between the page's marks."""
    PAGE.write_text(replaced(PAGE.read_text(), f"{machine}\n\n{to_markdown(results)}"))


def replaced(page: str, content: str) -> str:
    """Return a page with other content between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{content}\n{END}{after}"

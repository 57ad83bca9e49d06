"""docs/capacity.md shows what of the last results says how much each part carries."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

from bench.page import replaced
from bench.results import number
from services.local.checkout import ROOT

PAGE = ROOT / "docs" / "capacity.md"
RESULTS = ROOT / "bench" / "results.json"
STORED = "events/s stored, 64 connections, against answering only"

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure of the page: which side of which result."""

    what: str
    name: str
    side: Literal["value", "ours", "theirs"] = "value"

    def cells(self, results: Mapping[str, Row]) -> tuple[str, str]:
        """Return what it is, and how much. Raises KeyError where nobody measured it."""
        row = results[self.name]
        if self.side == "value":
            return self.what, f"{number(row['value'])} {row['unit']}"
        return self.what, f"{number(median(row['pair'][self.side]))} {row['pair']['unit']}"


FIGURES = (
    Figure(
        what="web process: callbacks stored, Postgres and PostgREST on the same 2 cores",
        name=STORED,
        side="ours",
    ),
    Figure(
        what="the same with a million events in the inbox",
        name="events/s stored with 1,000,000 inbox rows, against none",
        side="ours",
    ),
    Figure(
        what="web process that verifies and answers, and stores nothing", name=STORED, side="theirs"
    ),
    Figure(
        what="web process: signed Stripe events of 2.5 KB",
        name="Stripe's events/s, verified, de-duplicated and stored",
    ),
    Figure(
        what="an answer at half of the top rate, 99 of 100 within",
        name="p99 at half of the top rate, against p50",
        side="ours",
    ),
    Figure(
        what="memory of a web process under load",
        name="resident memory of a gunicorn worker, after the load",
    ),
    Figure(
        what="worker: deliveries to receivers that answer at once",
        name="deliveries/s to a local receiver, one worker",
    ),
    Figure(
        what="callback sent until one browser has the row, local Realtime",
        name="callback sent until the browser has the row, p50",
    ),
)


def table(results: Sequence[Row]) -> str:
    """Return the figures as a table for the page."""
    by_name = {row["name"]: row for row in results}
    rows = [("what", "measured"), ("---", "---"), *(one.cells(by_name) for one in FIGURES)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def update() -> None:
    """Write the table of the last results between the page's marks."""
    PAGE.write_text(replaced(PAGE.read_text(), table(json.loads(RESULTS.read_text()))))

"""How much Realtime carries, against what it can: measured by a chore of the worker.

Realtime checks every change against the rights of every subscriber, one after the other.
https://supabase.com/docs/guides/realtime/benchmarks
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from pydantic import BaseModel

from services.database import Database

EVERY = 10.0
NEAR = 0.7
"""The share of the limit from which on it is told of, until it is well below."""
WELL_BELOW = 0.6

log = structlog.get_logger()


class Load(BaseModel):
    """Changes a second: of the last two minutes, and the most in the last hour or `since`.

    Null where no worker measures; `share` is the first's of the limit.
    """

    changes_per_second: float | None
    peak_per_second: float | None
    limit: int
    share: float | None
    since: datetime | None


def load_of(told: Mapping[str, Any], limit: int) -> Load:
    """Return the load that `operations` tells, beside its limit."""
    now, peak = told["changes_per_second"], told["peak_per_second"]
    return Load(
        changes_per_second=None if now is None else round(now, 2),
        peak_per_second=None if peak is None else round(peak, 2),
        limit=limit,
        share=None if now is None else round(now / limit, 3),
        since=told["since"],
    )


@dataclass(slots=True, kw_only=True)
class RealtimeBudget:
    """Measures, and warns in the log once each time that the limit comes near."""

    database: Database
    limit: int
    _is_near: bool = field(default=False)

    def measure(self) -> bool:
        """Take a reading; nothing is left to do after it. Raises Unavailable."""
        now = self.database.call("measure_realtime", {})["changes_per_second"]
        if now is not None:
            self._judge(now)
        return False

    def _judge(self, now: float) -> None:
        if not self._is_near and now > NEAR * self.limit:
            log.warning(
                "realtime near its limit", changes_per_second=round(now, 1), limit=self.limit
            )
            self._is_near = True
        elif self._is_near and now < WELL_BELOW * self.limit:
            log.info("realtime load back", changes_per_second=round(now, 1), limit=self.limit)
            self._is_near = False

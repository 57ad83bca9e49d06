"""Removes what is older than the settings say, a small batch at a time."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from services.database import Database

BATCH = 500
EVERY = 60.0
"""Seconds between two looks for what is too old, once nothing was left."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How many days handled and dead events are kept."""

    database: Database
    days: int
    dead_days: int

    def prune(self) -> bool:
        """Remove a batch; return whether more may be left. Raises Unavailable."""
        counts = self.database.prune(self.days, self.dead_days, BATCH)
        if any(counts.values()):
            log.info("pruned", **counts)
        return BATCH in counts.values()

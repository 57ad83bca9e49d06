"""What the worker does beside events: each chore in a thread of its own, again and again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from services.errors import ConvohooksError

AWAY = 5.0
"""Seconds until a chore that failed is tried again, where it is due later."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chore:
    """Work that is looked for every so many seconds; `work` returns whether more may be left."""

    name: str
    every: float
    work: Callable[[], bool]

    def start(self, stopping: threading.Event) -> threading.Thread:
        """Do it in a thread until `stopping` is set; what is in hand is finished."""
        thread = threading.Thread(target=self.run, args=(stopping,), name=self.name, daemon=True)
        thread.start()
        return thread

    def run(self, stopping: threading.Event) -> None:
        """Do it until `stopping` is set; an error is logged, and costs only its turn."""
        while not stopping.is_set():
            stopping.wait(self._turn())

    def _turn(self) -> float:
        """Do it once; return the seconds until it is due again."""
        try:
            return 0.0 if self.work() else self.every
        except ConvohooksError as error:
            log.warning("chore failed", chore=self.name, reason=error.detail)
        except Exception:  # a defect in one chore must not end the others
            log.exception("chore failed", chore=self.name)
        return max(self.every, AWAY)

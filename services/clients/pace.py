"""How fast a vendor may be called: so many calls in any minute, and whoever is too early waits."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import structlog
from limits import RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from services.errors import TooManyRequests
from services.limits.counters import MEMORY, counters
from services.once import once

PATIENCE = 10.0
"""Seconds that a caller waits for its turn at most; a request has thirty in all."""
SHORTEST = 0.01

log = structlog.get_logger()


class Pace:
    """Counts the calls of one vendor. Without its counters nobody waits: the vendor counts too."""

    def __init__(
        self,
        name: str,
        per_minute: int,
        storage_url: str = MEMORY,
        *,
        patience: float = PATIENCE,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Allow so many calls in any 60 seconds; at a Redis, of all processes together."""
        self._name = name
        self._item = RateLimitItemPerMinute(per_minute, namespace="vendors")
        self._storage_url = storage_url
        self._patience = patience
        self._sleep = sleep

    @once
    def _limiter(self) -> MovingWindowRateLimiter:
        # Made by the first call: the memory's counters start a thread, which no fork would keep.
        is_memory = self._storage_url == MEMORY
        return MovingWindowRateLimiter(
            MemoryStorage() if is_memory else counters(self._storage_url)
        )

    def wait(self) -> None:
        """Return when the next call may be made. Raises TooManyRequests when that is too far."""
        try:
            self._wait(time.time() + self._patience)
        except StorageError as error:
            log.warning("calls not counted", to=self._name, reason=str(error))

    def _wait(self, until: float) -> None:
        while not self._limiter.hit(self._item, self._name):
            ends = self._limiter.get_window_stats(self._item, self._name).reset_time
            seconds = ends - time.time()
            if ends > until:
                raise TooManyRequests(
                    f"{self._name} is called as often as it may be already.",
                    limit=self._item.amount,
                    retry_after=max(1, math.ceil(seconds)),
                )
            self._sleep(max(seconds, SHORTEST))

"""The database's time, carried on by a clock that nobody sets.

Every wait is by the database's clock. Should that be set, the database learns by how much from what
has gone by here, and moves the waits with it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any


def steady() -> float:
    """Return seconds by a clock that nobody sets; where there is one, it counts sleep too."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


class DatabaseClock:
    """What the database's clock has shown last; threads share it."""

    def __init__(self, clock: Callable[[], float] = steady) -> None:
        """Know nothing before the first answer."""
        self._clock = clock
        self._lock = threading.Lock()
        self._now: str | None = None
        self._jumps = 0
        self._at = 0.0

    def saw(self, told: Mapping[str, Any]) -> None:
        """Keep the `now` and `jumps` of an answer that has just come."""
        with self._lock:
            self._now, self._jumps, self._at = told["now"], told["jumps"], self._clock()

    def seen(self) -> dict[str, Any] | None:
        """Return what was seen last, and the seconds since, as the database wants them."""
        with self._lock:
            if self._now is None:
                return None
            return {"now": self._now, "jumps": self._jumps, "elapsed": self._clock() - self._at}

    def time(self) -> datetime:
        """Return the database's time by now. Raises RuntimeError before the first answer."""
        seen = self.seen()
        if seen is None:
            raise RuntimeError("The database has not told its time yet.")
        return datetime.fromisoformat(seen["now"]) + timedelta(seconds=seen["elapsed"])

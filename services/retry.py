"""When to try again: seconds after each failed attempt, and when to stop."""

from __future__ import annotations

import random
from collections.abc import Callable

WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)
JITTER = 0.2


def next_wait(failed: int, chance: Callable[[], float] = random.random) -> float | None:
    """Return how many seconds to wait after so many failed attempts, None when that was the last.

    The wait varies by a fifth either way, so that what failed together does not come back together.
    """
    if not 1 <= failed <= len(WAITS):
        return None
    return WAITS[failed - 1] * (1 + JITTER * (2 * chance() - 1))

"""Conditions are awaited, not slept for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE = 30.0
"""Seconds that are far too many on a quiet machine, and enough on a loaded one."""

Told = TypeVar("Told")


def until(told: Callable[[], Told], patience: float = PATIENCE) -> Told:
    """Ask until something true is told, and return it; fail after so many seconds.

    Of a page too: Playwright's own wait_for_function evaluates text in the page, and our pages'
    Content-Security-Policy lets it do so once.
    """
    deadline = time.monotonic() + patience
    while not (seen := told()):
        assert time.monotonic() < deadline, f"in vain: {seen!r}"
        time.sleep(0.02)
    return seen

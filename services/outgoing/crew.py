"""The threads that attempts are made in: made as they are needed, ended with the process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

SLOW = 2.0
"""Seconds after which who works gives up its place: slow endpoints must not take all of them."""


class Crew:
    """So many places to work in, and as many again for those who are slow."""

    def __init__(self, places: int, slow: float = SLOW) -> None:
        """Take how many may begin before somebody has to end; no thread starts yet."""
        self._places = places
        self._slow = slow
        self._waiting: SimpleQueue[tuple[object, Callable[[], None]]] = SimpleQueue()
        self._changed = threading.Condition()
        self._threads = 0
        # When each of those who work has begun.
        self._began: dict[object, float] = {}
        self._risky: set[object] = set()

    def free(self) -> int:
        """Return how many places are free."""
        with self._changed:
            late = time.monotonic() - self._slow
            quick = sum(began > late for began in self._began.values())
            return min(self._places - quick, 2 * self._places - len(self._began))

    def risky(self) -> int:
        """Return how many do what may take long."""
        with self._changed:
            return len(self._risky)

    def do(self, work: Callable[[], None], *, is_risky: bool = False) -> None:
        """Do this in a thread, at once where a place is free. It may not raise."""
        key = object()
        with self._changed:
            self._began[key] = time.monotonic()
            if is_risky:
                self._risky.add(key)
            if self._threads < len(self._began):
                self._threads += 1
                threading.Thread(target=self._run, name="sender", daemon=True).start()
        self._waiting.put((key, work))

    def join(self, seconds: float) -> int:
        """Wait until nobody works, that long at most; return how many still do."""
        with self._changed:
            self._changed.wait_for(lambda: not self._began, seconds)
            return len(self._began)

    def _run(self) -> None:
        while True:
            key, work = self._waiting.get()
            try:
                work()
            finally:
                with self._changed:
                    del self._began[key]
                    self._risky.discard(key)
                    self._changed.notify_all()

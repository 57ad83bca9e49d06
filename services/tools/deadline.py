"""Work that somebody waits for only so long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from typing import TypeVar

from services.errors import Unavailable

Answer = TypeVar("Answer")


class Deadline:
    """A moment by which the caller is answered, whatever the work it waits for does."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Start the clock."""
        self._clock = clock
        self._end = clock() + seconds

    @property
    def left(self) -> float:
        """Seconds until the deadline, 0 once it is over."""
        return max(self._end - self._clock(), 0.0)

    def within(self, seconds: float, work: Callable[[], Answer]) -> Answer:
        """Return what `work` returns, or raise what it raises.

        Raises Unavailable when it has not ended within the seconds, or by the deadline; it then
        goes on by itself, and what comes of it nobody hears.
        """
        return self.wait(started(work), seconds)

    def wait(self, future: Future[Answer], seconds: float) -> Answer:
        """Wait for work that was started, like `within`."""
        try:
            return future.result(min(seconds, self.left))
        except TimeoutError:
            if future.done():  # at the last moment, or with a time-out of its own
                return future.result()
            raise Unavailable("It takes too long.") from None


def started(work: Callable[[], Answer]) -> Future[Answer]:
    """Start some work in a thread of its own; return its future."""
    future: Future[Answer] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # whatever it is, nobody may be left waiting
            future.set_exception(error)

    # Its lines in the log belong to the request that waits.
    context = copy_context()
    threading.Thread(target=context.run, args=(run,), name="tool", daemon=True).start()
    return future

"""What asks us to stop, taken where it suits us and not in the middle of something."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
from types import FrameType, TracebackType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """While entered, a stop signal ends the next `pause` instead of raising somewhere.

    Raising from a handler could lose a process between its fork and our noting its id; and an
    impatient second Ctrl-C would interrupt the cleaning up.
    """

    def __enter__(self) -> StopSignals:
        """Take over the stop signals."""
        self.received = False
        reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._poll = select.poll()
        self._poll.register(reader, select.POLLIN)
        # A terminal that closes tells its session's leader alone: a `make` that then waits for us.
        if sys.stdin is not None and sys.stdin.isatty():
            self._poll.register(sys.stdin, 0)
        self._previous = {number: signal.signal(number, self._note) for number in STOP_SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give the signals back; once told to stop we are ending, and hear no more of them."""
        for number, handler in self._previous.items():
            signal.signal(number, signal.SIG_IGN if self.received else handler)

    def pause(self, seconds: float) -> bool:
        """Wait that long or until asked to stop; say whether we were."""
        for descriptor, event in self._poll.poll(seconds * 1000):
            if event & (select.POLLIN | select.POLLHUP):
                self.received = True
            else:
                self._poll.unregister(descriptor)
        return self.received

    def _note(self, number: int, frame: FrameType | None) -> None:
        # A full pipe says it already.
        with contextlib.suppress(BlockingIOError):
            os.write(self._writer, b"!")

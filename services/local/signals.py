"""Signals that ask us to stop, taken where it suits us and not in the middle of something."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from types import FrameType, TracebackType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """While entered, a stop signal ends the next `pause` instead of raising somewhere.

    Raising from a handler could lose a process between its fork and our noting its id; and an
    impatient second Ctrl-C would interrupt the cleaning up.
    """

    def __enter__(self) -> StopSignals:
        """Take over the stop signals."""
        self.received: signal.Signals | None = None
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._previous = {number: signal.signal(number, self._note) for number in STOP_SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give the signals back to who had them."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        os.close(self._reader)
        os.close(self._writer)

    def pause(self, seconds: float) -> bool:
        """Wait that long or until a stop signal; say whether there was one."""
        readable, _, _ = select.select([self._reader], [], [], seconds)
        return bool(readable)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = self.received or signal.Signals(number)
        # A full pipe says it already.
        with contextlib.suppress(BlockingIOError):
            os.write(self._writer, b"!")

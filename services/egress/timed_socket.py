"""A socket whose every read and write ends at one deadline, as `http.client` uses one.

A socket's own timeout starts anew with every byte: who sends one a second is never late.
"""

from __future__ import annotations

import io
import socket
import time
from typing import Any


class TimedSocket:
    """Sends, and is read as a file, until the deadline; then it raises TimeoutError."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        """Take a connected socket and the end of its time on the monotonic clock."""
        self._sock = sock
        self._deadline = deadline
        self._files = 0
        self._closed = False

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send all of it in time."""
        view = memoryview(data).cast("B")
        while view:
            self._allow()
            view = view[self._sock.send(view, flags) :]

    def recv_into(self, buffer: Any) -> int:
        """Read what is there in time."""
        self._allow()
        return self._sock.recv_into(buffer)

    def makefile(self, mode: str = "rb", buffering: int | None = None) -> io.BufferedReader:
        """Return a file to read the answer from; the socket lives as long as it."""
        self._files += 1
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        """Close once no file reads from it any more."""
        self._closed = True
        self._release()

    def file_closed(self) -> None:
        """Count a file less."""
        self._files -= 1
        self._release()

    def _release(self) -> None:
        if self._closed and self._files <= 0:
            self._sock.close()

    def _allow(self) -> None:
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("out of time")
        self._sock.settimeout(seconds)


class _Reader(io.RawIOBase):
    """The reading side of a timed socket."""

    def __init__(self, sock: TimedSocket) -> None:
        self._timed = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._timed.recv_into(buffer)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._timed.file_closed()

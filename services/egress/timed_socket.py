"""A socket whose every read and write ends at one deadline, as `http.client` uses one.

A socket's own timeout starts anew with every byte: who sends one a second is never late. And who
sends without end is read so far and no further.
"""

from __future__ import annotations

import io
import socket
import sys
import time
from typing import Any


class TimedSocket:
    """Sends, and is read as a file, until the deadline; then it raises TimeoutError.

    A file that was read to its end `has_ended`; where `take` ended it, the socket `is_cut`.
    """

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        """Take a connected socket and the end of its time on the monotonic clock."""
        self._sock = sock
        self._deadline = deadline
        self._files = 0
        self._closed = False
        self._left = sys.maxsize
        self.is_cut = self.has_ended = False

    def take(self, most: int) -> None:
        """Read so many bytes from now on, and no more."""
        self._left = most

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send all of it in time."""
        view = memoryview(data).cast("B")
        while view:
            self._allow()
            view = view[self._sock.send(view, flags) :]

    def recv_into(self, buffer: Any) -> int:
        """Read what is there in time; nothing any more once all was read that may be."""
        self._allow()
        if self._left == 0:
            self.is_cut = self.has_ended = True
            return 0
        size = self._sock.recv_into(memoryview(buffer)[: self._left])
        self._left -= size
        self.has_ended = size == 0
        return size

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

"""A TCP forwarder in front of Supabase that can be a bad network, or none."""

from __future__ import annotations

import random
import socket
import socketserver
import struct
import threading
import time
from contextlib import suppress
from typing import Literal

from services.local.ports import HOST

Mode = Literal["pass", "reset", "hang", "drop answers", "delay answers", "hold answers", "refuse"]

LOSES_REQUESTS = frozenset({"reset", "refuse"})
LOSES_ANSWERS = frozenset({"reset", "refuse", "hang", "drop answers"})
DELAY = (0.2, 6.0)
"""Seconds that an answer is delayed: up to more than a caller's patience."""


class Forwarder(socketserver.ThreadingTCPServer):
    """Passes bytes on to a port of this machine, or not, as `mode` says at the moment.

    A lost answer is lost after the request was carried out. `share` says how much of what passes
    the mode befalls; nobody escapes a refusal. `held` stands in the first line of those requests
    whose answers are held.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(
        self,
        port: int,
        *,
        share: float = 1.0,
        chance: random.Random | None = None,
        held: bytes = b"",
    ) -> None:
        """Listen on a free port, without starting."""
        super().__init__((HOST, 0), _Connection)
        self.target = (HOST, port)
        self.changed = threading.Condition()
        self._mode: Mode = "pass"
        self._share = share
        self._held = held
        self._waiting: list[bytes] = []
        self._chance = chance or random.Random()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self.server_address[1]}"

    @property
    def mode(self) -> Mode:
        """What happens to bytes now."""
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        with self.changed:
            self._mode = mode
            self.changed.notify_all()

    def __enter__(self) -> Forwarder:
        """Serve from a thread of its own."""
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and let go of who hangs."""
        self.mode = "reset"
        self.shutdown()
        self.server_close()

    def verify_request(self, request: object, client_address: object) -> bool:
        """Take nobody in while refusing."""
        return self.mode != "refuse"

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        """Close a connection, with a reset where the mode is one."""
        if self.mode in LOSES_REQUESTS and isinstance(request, socket.socket):
            with suppress(OSError):
                # https://man7.org/linux/man-pages/man7/socket.7.html, SO_LINGER of no seconds
                request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def passes_request(self) -> bool:
        """Wait while requests hang; say whether this one goes on."""
        with self.changed:
            self.changed.wait_for(lambda: self._mode != "hang")
        return self._mode not in LOSES_REQUESTS or not self._befalls()

    def holds(self, text: bytes) -> bool:
        """Whether an answer is held now to a request in which that stands."""
        with self.changed:
            return any(text in request for request in self._waiting)

    def passes_answer(self, request: bytes) -> bool:
        """Wait while answers to that are held or delayed; say whether this one goes on."""
        if self._held in request.partition(b"\r\n")[0]:
            with self.changed:
                self._waiting.append(request)
                self.changed.wait_for(lambda: self._mode != "hold answers")
                self._waiting.remove(request)
        if self._mode == "delay answers" and self._befalls():
            time.sleep(self._chance.uniform(*DELAY))
        return self._mode not in LOSES_ANSWERS or not self._befalls()

    def _befalls(self) -> bool:
        return self._mode == "refuse" or self._chance.random() < self._share


class _Connection(socketserver.BaseRequestHandler):
    """One connection of a client."""

    server: Forwarder
    request: socket.socket
    asked: bytes = b""

    def handle(self) -> None:
        """Carry both directions until one ends."""
        with suppress(OSError), socket.create_connection(self.server.target) as upstream:
            answers = threading.Thread(target=self._carry_answers, args=(upstream,), daemon=True)
            answers.start()
            while (data := self.request.recv(65536)) and self.server.passes_request():
                line, _, rest = data.partition(b"\r\n")
                starts = bool(rest) and line.endswith(b"HTTP/1.1")
                self.asked = data if starts else self.asked + data
                upstream.sendall(data)

    def _carry_answers(self, upstream: socket.socket) -> None:
        with suppress(OSError):
            while (data := upstream.recv(65536)) and self.server.passes_answer(self.asked):
                self.request.sendall(data)
            self.request.shutdown(socket.SHUT_RDWR)

"""A TCP forwarder in front of Supabase that can be an outage."""

from __future__ import annotations

import socket
import socketserver
import threading
from contextlib import suppress
from typing import Literal

from services.local.ports import HOST

Mode = Literal["pass", "reset", "hang", "drop answers"]


class Forwarder(socketserver.ThreadingTCPServer):
    """Passes bytes on to a port of this machine, or not, as `mode` says at the moment."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, port: int) -> None:
        """Listen on a free port, without starting."""
        super().__init__((HOST, 0), _Connection)
        self.target = (HOST, port)
        self.changed = threading.Condition()
        self._mode: Mode = "pass"

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


class _Connection(socketserver.BaseRequestHandler):
    """One connection of a client."""

    server: Forwarder
    request: socket.socket

    def handle(self) -> None:
        """Carry both directions until one ends."""
        with suppress(OSError), socket.create_connection(self.server.target) as upstream:
            answers = threading.Thread(target=self._carry_answers, args=(upstream,), daemon=True)
            answers.start()
            while self._may_pass() and (data := self.request.recv(65536)) and self._may_pass():
                upstream.sendall(data)

    def _may_pass(self) -> bool:
        with self.server.changed:
            self.server.changed.wait_for(lambda: self.server.mode != "hang")
            return self.server.mode != "reset"

    def _carry_answers(self, upstream: socket.socket) -> None:
        with suppress(OSError):
            while data := upstream.recv(65536):
                if self.server.mode != "pass":
                    break
                self.request.sendall(data)
            self.request.shutdown(socket.SHUT_RDWR)

"""gunicorn's gevent worker, with an end to every request."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import gevent
from gevent import monkey
from gunicorn import util
from gunicorn.http import errors, wsgi
from gunicorn.workers.ggevent import GeventWorker

from services.errors import ConvohooksError
from services.web.guards import GUARDS
from services.web.problems import problem

STATUSES = {
    errors.LimitRequestLine: 414,
    errors.ExpectationFailed: 417,
    errors.LimitRequestHeaders: 431,
    errors.UnsupportedTransferCoding: 501,
}
"""What is no request gets 400, but for these."""
OURS = (errors.InvalidResponseHeader, errors.InvalidResponseHeaderName)  # type: ignore[attr-defined]  # newer than its stubs
"""Faults of an answer, not of a request."""


class RequestTimeout(ConvohooksError):
    """The request was not complete in time."""

    status = 408
    title = "Request timeout"


class Worker(GeventWorker):
    """Closes a connection whose request has not come in whole within `request_timeout` seconds.

    gunicorn's own `timeout` only watches that the worker process is alive: a client that sends one
    byte a second would hold its connection for ever.
    """

    request_timeout = 30.0

    def patch(self) -> None:
        """Make the process gevent's, but for `poll`.

        httpx polls an idle connection, without waiting, before it sends anything on it; gevent's
        own `poll` would let every other request go first.
        """
        super().patch()
        wsgi.SERVER = "convohooks"  # type: ignore[attr-defined]  # whose HTTP it is concerns nobody
        select.poll = monkey.get_original("select", "poll")  # type: ignore[misc]

    def timeout_ctx(self) -> Any:
        """Limit the wait for a request's line and headers; then the connection is closed."""
        return gevent.Timeout(self.request_timeout, False)  # type: ignore[arg-type]  # False: silently

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> Any:
        """Limit the body too. Who reads it late gets a RequestTimeout, and answers 408."""
        req.body = TimedBody(req.body, self.request_timeout)
        # For a client that does not read its answer.
        sock.settimeout(2 * self.request_timeout)
        try:
            return super().handle_request(listener_name, req, sock, addr)
        finally:
            if req.body.failed:
                linger(sock)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer what is no HTTP request, so that the answer arrives."""
        if isinstance(exc, errors.ParseException) and not isinstance(exc, OURS):
            # gunicorn would quote it: perhaps a credential, perhaps what somebody said.
            self.log.warning("No HTTP request from %s: %s", (addr or "?")[0], type(exc).__name__)
            refuse(client, STATUSES.get(type(exc), 400), type(exc).__name__)
        # What was still coming too slowly was the rest of a body; its request is answered already.
        elif not isinstance(exc, RequestTimeout):
            super().handle_error(req, client, addr, exc)
        linger(client)


def refuse(sock: Any, status: int, fault: str) -> None:
    """Answer on a bare connection as the service does, and say that it ends."""
    answer = problem(status, f"This is no HTTP request: {fault}.")
    headers = {**dict(answer.headers), **GUARDS, "Connection": "close"}
    lines = [f"HTTP/1.1 {answer.status}", *(f"{name}: {text}" for name, text in headers.items())]
    with suppress(OSError):
        util.write_nonblock(sock, "\r\n".join([*lines, "", ""]).encode() + answer.get_data())


def linger(sock: Any) -> None:
    """Take in for a moment what the client still sends: closing on unread bytes resets the
    connection, and the client may never see its answer (RFC 9112, section 9.6).
    """
    with gevent.Timeout(1.0, False), suppress(OSError):  # type: ignore[arg-type]
        sock.shutdown(socket.SHUT_WR)
        for _ in range(64):
            if not sock.recv(65536):
                break


class TimedBody:
    """A request's body that must have been read whole so many seconds from now."""

    def __init__(self, body: Any, seconds: float) -> None:
        """Start the clock."""
        self._body = body
        self._deadline = time.monotonic() + seconds
        self.failed = False

    def read(self, size: int | None = None) -> bytes:
        """Return the next bytes. Raises RequestTimeout, and what broken framing raises."""
        return self._timed(self._body.read, size)

    def readline(self, size: int | None = None) -> bytes:
        """Return the next line, like `read`."""
        return self._timed(self._body.readline, size)

    def _timed(self, read: Callable[[int | None], bytes], size: int | None) -> bytes:
        remaining = max(self._deadline - time.monotonic(), 0.001)
        try:
            with gevent.Timeout(remaining, RequestTimeout()):
                return read(size)
        except Exception:
            # gunicorn closes a connection when it cannot know where the next request starts.
            self.failed = True
            raise

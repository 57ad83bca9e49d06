"""gunicorn's gevent worker, with an end to every request."""

from __future__ import annotations

from typing import Any

import gevent
from gunicorn.workers.ggevent import GeventWorker

from services.errors import ConvohooksError


class RequestTimeout(ConvohooksError):
    """The request was not complete in time."""

    status = 408
    title = "Request timeout"


class Worker(GeventWorker):
    """Closes a connection whose request is not read and answered in time.

    gunicorn's own `timeout` only watches that the worker process is alive: a client that sends one
    byte a second would hold its connection for ever.
    """

    request_timeout = 30.0

    def timeout_ctx(self) -> Any:
        """Limit the wait for a request's line and headers; then the connection is closed."""
        return gevent.Timeout(self.request_timeout, False)  # type: ignore[arg-type]  # False: end silently

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> Any:
        """Limit the rest. Whoever waits for the body gets a RequestTimeout, and answers 408."""
        deadline = gevent.Timeout.start_new(self.request_timeout, RequestTimeout())
        try:
            return super().handle_request(listener_name, req, sock, addr)
        finally:
            deadline.close()

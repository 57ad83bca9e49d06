"""A Sentry and an OpenTelemetry collector on this machine, which keep what they are sent."""

from __future__ import annotations

import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from services.local.ports import HOST


class TelemetryServer(ThreadingHTTPServer):
    """Takes Sentry's envelopes at /api/1/envelope/ and spans at /v1/traces."""

    daemon_threads = True

    def __init__(self) -> None:
        """Listen on a free port, without starting."""
        super().__init__((HOST, 0), _Taker)
        self.received: list[tuple[str, bytes]] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self.server_address[1]}"

    @property
    def dsn(self) -> str:
        """The DSN of its Sentry."""
        return f"http://key@{HOST}:{self.server_address[1]}/1"

    @property
    def all_bytes(self) -> bytes:
        """Everything it was sent, decompressed."""
        return b"\n".join(body for _, body in self.received)

    def __enter__(self) -> TelemetryServer:
        """Serve from a thread of its own."""
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.shutdown()
        self.server_close()

    def events(self) -> list[dict[str, Any]]:
        """Return the events that Sentry was sent."""
        bodies = [body for path, body in self.received if path == "/api/1/envelope/"]
        # An envelope is a line of headers, then for each item a line of headers and its payload.
        return [json.loads(body.split(b"\n")[2]) for body in bodies]

    def spans(self) -> list[dict[str, Any]]:
        """Return the spans that the collector was sent, their attributes as a dict."""
        bodies = [body for path, body in self.received if path == "/v1/traces"]
        return [
            {
                "name": span.name,
                "span_id": span.span_id.hex(),
                "trace_id": span.trace_id.hex(),
                "parent": span.parent_span_id.hex(),
                "links": [link.span_id.hex() for link in span.links],
                "events": len(span.events),
                "status": span.status.code,
                "facts": {fact.key: _value(fact.value) for fact in span.attributes},
            }
            for body in bodies
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


class _Taker(BaseHTTPRequestHandler):
    server: TelemetryServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.received.append((self.path, body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _value(value: Any) -> object:
    return getattr(value, value.WhichOneof("value"))

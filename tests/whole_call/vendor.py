"""A Tavus for whole calls: it makes conversations, remembers what happened in them, and tells it
when asked. It never calls anybody by itself: a test decides which callback arrives, and when.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "key-of-the-whole-call"
ENDED_BY_CALL = "end_conversation_endpoint_hit"

Json = Any
Answer = tuple[int, Json]


@dataclass(slots=True)
class Room:
    """A conversation there: what was asked of it, and all that happened."""

    id: str
    asked: dict[str, Json]
    status: str = "active"
    reason: str | None = None
    events: list[dict[str, Json]] = field(default_factory=list)

    def told(self, verbose: bool) -> dict[str, Json]:
        """Return what is said of it; of what happened only to whom asks for everything."""
        told = {
            "conversation_id": self.id,
            "conversation_name": self.asked.get("conversation_name"),
            "conversation_url": f"https://rooms.example.test/{self.id}",
            "callback_url": self.asked.get("callback_url"),
            "persona_id": self.asked.get("persona_id"),
            "status": self.status,
            "created_at": "2026-03-01T06:45:30.100000Z",
            "updated_at": "2026-03-01T06:48:40.000000Z",
        }
        return {**told, "shutdown_reason": self.reason, "events": self.events} if verbose else told


@dataclass(slots=True)
class Vendor:
    """What it holds. `born` is called with a new room before its maker has the answer."""

    url: str
    rooms: dict[str, Room] = field(default_factory=dict)
    born: Callable[[Room], None] = field(default=lambda room: None)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def settings(self) -> dict[str, str]:
        """Return the settings of a service that calls it."""
        return {"TAVUS_BASE_URL": self.url, "TAVUS_API_KEY": KEY}

    def answer(self, method: str, parts: list[str], query: dict[str, str], body: Json) -> Answer:
        """Return what a request gets."""
        match method, parts:
            case "POST", ["conversations"]:
                room = self._make(body)
                self.born(room)
                return 200, room.told(verbose=False)
            case "GET", ["conversations"]:
                rooms = [room for room in self.rooms.values() if query["status"] == room.status]
                data = [room.told(verbose=False) for room in rooms] if query["page"] == "1" else []
                return 200, {"data": data, "total_count": len(rooms)}
            case "GET", ["conversations", name] if name in self.rooms:
                return 200, self.rooms[name].told(query.get("verbose") == "true")
            case "POST", ["conversations", name, "end"] if name in self.rooms:
                room = self.rooms[name]
                if room.status == "ended":
                    return 400, {"error": "Invalid conversation_id"}
                room.status, room.reason = "ended", ENDED_BY_CALL
                return 200, None
        return 404, {"message": "Not Found"}

    def _make(self, body: dict[str, Json]) -> Room:
        with self.lock:
            room = Room(f"c{secrets.token_hex(8)}", body)
            self.rooms[room.id] = room
            return room


@contextmanager
def vendor() -> Iterator[Vendor]:
    """Run one; it is gone afterwards."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.vendor = Vendor(f"http://127.0.0.1:{server.server_port}/v2")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server.vendor
    server.shutdown()
    server.server_close()
    thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    vendor: Vendor


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a body after its headers waits 40 ms else
    server: _Server

    def handle(self) -> None:
        with suppress(ConnectionError):
            super().handle()

    def _respond(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        parts = url.path.removeprefix("/v2/").split("/")
        status, told = (
            self.server.vendor.answer(self.command, parts, query, json.loads(body or b"null"))
            if self.headers.get("x-api-key") == KEY
            else (401, {"message": "Invalid access token"})
        )
        content = b"" if told is None else json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = _respond

    def log_message(self, *arguments: object) -> None:
        """Write nothing."""

"""A small Tavus for the tests: real HTTP on this machine, what it holds in dicts, faults on demand.

    with fake_tavus() as tavus:
        start_service(stack, **tavus.settings())

Every request is in `tavus.calls`. A `Fault` meets the next calls that it fits:

    tavus.fail("POST", "/conversations", status=503)            # refused, nothing done
    tavus.fail("POST", "/conversations", status=None, after=True)  # done, but no answer comes
"""

from __future__ import annotations

import json
import re
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "tavus-key-for-tests"
BASE = "/v2"
ALIASES = {"pals": "personas", "faces": "replicas"}
ID_NAMES = {
    "objectives": ("o", "objectives_id"),
    "guardrails": ("g", "uuid"),
    "personas": ("p", "persona_id"),
    "tools": ("t", "tool_id"),
}
LATE = 0
"""As a fault's status: the true answer, once the gate is open."""
MAX_CONCURRENT = "User has reached maximum concurrent conversations"

Json = Any
Answer = tuple[int, Json]


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it came in; `path` is without the base, `query` holds first values."""

    method: str
    path: str
    query: dict[str, str]
    body: Json
    key: str | None


@dataclass(slots=True)
class Fault:
    """What goes wrong with the next `times` calls of a method on paths that match.

    With a `status` that is the answer, with `body` (bytes as they are, else as JSON); without one
    the connection closes unanswered. `after` does what was asked for first; `gate` is waited for.
    """

    method: str
    pattern: re.Pattern[str]
    status: int | None = 500
    body: Json = None
    times: int = 1
    after: bool = False
    gate: threading.Event | None = None
    also: Callable[[FakeTavus], None] | None = None

    def fits(self, call: Call) -> bool:
        """Tell whether this call is one of those."""
        return self.method == call.method and bool(self.pattern.fullmatch(call.path))


@dataclass(slots=True)
class FakeTavus:
    """What Tavus holds, by id, and what it was asked. Lists are newest first, as Tavus's are."""

    url: str
    key: str = KEY
    concurrency: int = 1000
    page_limit: int = 100
    conversations: dict[str, dict[str, Json]] = field(default_factory=dict)
    resources: dict[str, dict[str, dict[str, Json]]] = field(
        default_factory=lambda: {kind: {} for kind in ID_NAMES}
    )
    attached: dict[str, list[str]] = field(default_factory=dict)
    """The tools of each persona."""
    calls: list[Call] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def settings(self) -> dict[str, str]:
        """Return the settings of a service that calls this Tavus."""
        return {"TAVUS_BASE_URL": self.url, "TAVUS_API_KEY": self.key}

    def fail(self, method: str, pattern: str, status: int | None = 500, **more: Any) -> Fault:
        """Let the next call fail whose path matches; see `Fault`."""
        fault = Fault(method, re.compile(pattern), status, **more)
        with self.lock:
            self.faults.append(fault)
        return fault

    def called(self, method: str, pattern: str) -> list[Call]:
        """Return the calls of a method on paths that match."""
        with self.lock:
            return [
                call
                for call in self.calls
                if call.method == method and re.fullmatch(pattern, call.path)
            ]

    def running(self) -> list[dict[str, Json]]:
        """Return the conversations that run."""
        with self.lock:
            return [row for row in self.conversations.values() if row["status"] == "active"]

    def of_row(self, row_id: str) -> list[dict[str, Json]]:
        """Return the conversations whose callback URL names this row of ours."""
        with self.lock:
            return [row for row in self.conversations.values() if reference(row) == row_id]

    def end(self, conversation_id: str, reason: str = "participant_left_timeout") -> None:
        """Shut a conversation down, as Tavus does by itself."""
        with self.lock:
            row = self.conversations[conversation_id]
            row.update(status="ended", shutdown_reason=reason, updated_at=now())
            self.add_event(conversation_id, "system.shutdown", shutdown_reason=reason)

    def add_event(self, conversation_id: str, event_type: str, **properties: Json) -> None:
        """Let something have happened, as `?verbose=true` tells it."""
        kind = event_type.partition(".")[0]
        event = {
            "event_type": event_type,
            "message_type": kind if kind in ("system", "application") else "conversation",
            "conversation_id": conversation_id,
            "timestamp": now(),
            "properties": properties,
        }
        with self.lock:
            row = self.conversations[conversation_id]
            event["webhook_url"] = row["callback_url"]
            row["events"].append(event)

    def answer(self, call: Call) -> Answer | None:
        """Return what a call gets, None for silence."""
        with self.lock:
            self.calls.append(call)
            fault = next((f for f in self.faults if f.times and f.fits(call)), None)
            if fault:
                fault.times -= 1
        if fault is None:
            return self.do(call)
        done = self.do(call) if fault.after else None
        if fault.also:
            fault.also(self)
        if fault.gate:
            fault.gate.wait(60)
        if fault.status is None:
            return None
        if fault.status == LATE:
            return done or self.do(call)
        return fault.status, fault.body

    def do(self, call: Call) -> Answer:
        """Do what is asked for."""
        if call.key != self.key:
            return 401, {"message": "Invalid access token"}
        parts = [part for part in call.path.split("/") if part]
        if not parts:
            return 404, {"message": "Not Found"}
        kind = ALIASES.get(parts[0], parts[0])
        with self.lock:
            if kind == "conversations":
                return _conversations(self, call, parts[1:])
            if kind == "personas" and len(parts) > 2 and parts[2] == "tools":
                return _attached(self, call, parts[1], parts[3:])
            if kind in self.resources:
                return _resource(self, call, kind, parts[1:])
        return 404, {"message": "Not Found"}


@contextmanager
def fake_tavus(**options: Any) -> Iterator[FakeTavus]:
    """Run a Tavus; it is gone afterwards, calls that still wait at a gate too."""
    server = _Server(("127.0.0.1", 0), _Handler)
    tavus = FakeTavus(f"http://127.0.0.1:{server.server_port}{BASE}", **options)
    server.tavus = tavus
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield tavus
    finally:
        for fault in tavus.faults:
            if fault.gate:
                fault.gate.set()
        server.shutdown()
        server.server_close()
        thread.join()


def reference(row: dict[str, Json]) -> str | None:
    """Return the row of ours that a conversation's callback URL names."""
    return parse_qs(urlsplit(row.get("callback_url") or "").query).get("c", [None])[0]


def now() -> str:
    """Return the time as Tavus writes it."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


# --- conversations ---------------------------------------------------------------------------


def _conversations(tavus: FakeTavus, call: Call, rest: list[str]) -> Answer:
    if not rest and call.method == "POST":
        return _start(tavus, call.body)
    if not rest and call.method == "GET":
        status = call.query.get("status")
        rows = [r for r in tavus.conversations.values() if status in (None, r["status"])]
        return _page(tavus, call, [_without_events(row) for row in rows])
    row = tavus.conversations.get(rest[0]) if rest else None
    if row is None:
        return 400, {"error": "Invalid conversation_id"}
    if rest[1:] == ["end"] and call.method == "POST":
        if row["status"] == "ended":
            return 400, {"error": "Invalid conversation_id"}
        tavus.end(rest[0], "end_conversation_endpoint_hit")
        return 200, None
    if rest[1:]:
        return 404, {"message": "Not Found"}
    if call.method == "DELETE":
        del tavus.conversations[rest[0]]
        return 204, None
    is_verbose = call.query.get("verbose") == "true"
    return 200, (dict(row) if is_verbose else _without_events(row))


def _start(tavus: FakeTavus, body: Json) -> Answer:
    if not isinstance(body, dict) or not (body.get("persona_id") or body.get("replica_id")):
        return 400, {"message": "persona_id or replica_id is required"}
    if len(tavus.running()) >= tavus.concurrency:
        return 400, {"message": MAX_CONCURRENT}
    conversation_id = f"c{secrets.token_hex(8)}"
    row = {
        "conversation_id": conversation_id,
        "conversation_name": body.get("conversation_name") or "New Conversation",
        "conversation_url": f"https://tavus.daily.example.test/{conversation_id}",
        "status": "active",
        "callback_url": body.get("callback_url") or "",
        "persona_id": body.get("persona_id"),
        "replica_id": body.get("replica_id"),
        "created_at": now(),
        "updated_at": now(),
        "events": [],
        "request": body,
    }
    tavus.conversations[conversation_id] = row
    shown = ("conversation_id", "conversation_name", "conversation_url", "status", "callback_url")
    return 200, {name: row[name] for name in (*shown, "created_at")}


def _without_events(row: dict[str, Json]) -> dict[str, Json]:
    hidden = ("events", "shutdown_reason", "request")
    return {name: value for name, value in row.items() if name not in hidden}


# --- objectives, guardrails, personas, tools -------------------------------------------------


def _resource(tavus: FakeTavus, call: Call, kind: str, rest: list[str]) -> Answer:
    held = tavus.resources[kind]
    if not rest and call.method == "POST":
        prefix, id_name = ID_NAMES[kind]
        new_id = f"{prefix}{secrets.token_hex(5)}"
        held[new_id] = {id_name: new_id, "uuid": new_id, **call.body, "created_at": now()}
        return 200, held[new_id]
    if not rest and call.method == "GET":
        return _page(tavus, call, list(held.values()))
    row = held.get(rest[0]) if rest else None
    if row is None:
        return 404, {"error": f"Invalid {kind} id"}
    if call.method == "DELETE":
        del held[rest[0]]
        return 204, None
    if call.method == "PATCH":
        return _patch(row, call.body)
    return 200, row


def _attached(tavus: FakeTavus, call: Call, persona_id: str, rest: list[str]) -> Answer:
    if persona_id not in tavus.resources["personas"]:
        return 400, {"error": "Invalid persona_id"}
    tools = tavus.attached.setdefault(persona_id, [])
    if call.method == "POST":
        tools += [tool for tool in call.body["tool_ids"] if tool not in tools]
    if call.method == "DELETE" and rest and rest[0] in tools:
        tools.remove(rest[0])
    return 200, {"data": [tavus.resources["tools"].get(tool, {"tool_id": tool}) for tool in tools]}


def _patch(row: dict[str, Json], changes: Json) -> Answer:
    before = json.dumps(row, sort_keys=True)
    if isinstance(changes, dict):
        row.update(changes)
    else:
        try:
            for change in changes:
                _apply(row, change)
        except (KeyError, IndexError, TypeError, ValueError):
            return 422, {"message": "Invalid JSON patch format"}
    if json.dumps(row, sort_keys=True) == before:
        return 304, None
    return 200, {"message": "Updated successfully"}


def _apply(row: Json, change: dict[str, Json]) -> None:
    """Apply an operation of a JSON Patch (RFC 6902): add, replace or remove."""
    *parents, name = [
        p.replace("~1", "/").replace("~0", "~") for p in change["path"].split("/")[1:]
    ]
    for parent in parents:
        row = row[int(parent)] if isinstance(row, list) else row[parent]
    if isinstance(row, list):
        if change["op"] == "add":
            row.insert(len(row) if name == "-" else int(name), change["value"])
            return
        name = int(name)  # type: ignore[assignment]
    if change["op"] in ("replace", "remove"):
        row[name]  # must be there
    if change["op"] == "remove":
        del row[name]
    else:
        row[name] = change["value"]


def _page(tavus: FakeTavus, call: Call, rows: list[dict[str, Json]]) -> Answer:
    limit = min(int(call.query.get("limit", 10)), tavus.page_limit)
    start = (int(call.query.get("page", 1)) - 1) * limit
    newest = rows[::-1]
    return 200, {"data": newest[start : start + limit], "total_count": len(rows)}


# --- HTTP ------------------------------------------------------------------------------------


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    tavus: FakeTavus


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a body after its headers waits 40 ms else
    server: _Server

    def handle(self) -> None:
        with suppress(ConnectionError, TimeoutError):  # who waited for an answer has gone
            super().handle()

    def _respond(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        call = Call(
            method=self.command,
            path=url.path.removeprefix(BASE),
            query={name: values[0] for name, values in parse_qs(url.query).items()},
            body=json.loads(body) if body else None,
            key=self.headers.get("x-api-key"),
        )
        answer = self.server.tavus.answer(call)
        if answer is None:
            self.close_connection = True
            return
        status, told = answer
        self._send(status, told)

    def _send(self, status: int, told: Json) -> None:
        content = told if isinstance(told, bytes) else json.dumps(told).encode()
        if told is None or status in (204, 304):
            content = b""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _respond

    def log_message(self, *arguments: object) -> None:
        """Write nothing: `calls` has it all."""

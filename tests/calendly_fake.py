"""A Calendly for tests: links and subscriptions, over HTTP, and the faults a test asks for."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

API = "https://api.calendly.com"
KEY = "calendly-key-of-the-tests"
USER = f"{API}/users/U1"
ORGANIZATION = f"{API}/organizations/O1"
PAGE = 2
"""Few, so that a list has pages."""

Json = Any
Answer = tuple[int, Json]


@dataclass
class FakeCalendly:
    """What Calendly holds, and what it was asked."""

    url: str = ""
    links: list[dict[str, Json]] = field(default_factory=list)
    subscriptions: list[dict[str, Json]] = field(default_factory=list)
    faults: list[Answer] = field(default_factory=list)
    """The next answers, in place of the true ones."""
    calls: list[str] = field(default_factory=list)

    def settings(self) -> dict[str, str]:
        return {"CALENDLY_BASE_URL": self.url, "CALENDLY_API_KEY": KEY}

    def add(self, callback_url: str, **more: Json) -> dict[str, Json]:
        """Hold a subscription, as if it had been made before."""
        made = {
            "uri": f"{API}/webhook_subscriptions/{uuid.uuid4()}",
            "callback_url": callback_url,
            "state": "active",
            "events": ["invitee.created"],
            "scope": "organization",
            "organization": ORGANIZATION,
            "user": None,
            "creator": USER,
            "created_at": "2026-03-01T11:42:33.000000Z",
            "retry_started_at": None,
            **more,
        }
        self.subscriptions.append(made)
        return made

    def answer(self, method: str, target: str, key: str, body: Json) -> Answer:
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.calls.append(f"{method} {parts.path}")
        if self.faults:
            return self.faults.pop(0)
        if key != f"Bearer {KEY}":
            return 401, {"title": "Unauthenticated", "message": "The access token is invalid"}
        match method, parts.path.split("/")[1:]:
            case "GET", ["users", "me"]:
                return 200, {"resource": {"uri": USER, "current_organization": ORGANIZATION}}
            case "POST", ["scheduling_links"]:
                return self._link(body)
            case "GET", ["webhook_subscriptions"]:
                return self._list(query)
            case "POST", ["webhook_subscriptions"]:
                return self._subscribe(body)
            case "DELETE", ["webhook_subscriptions", name]:
                return self._remove(name)
        return 404, {"title": "Resource Not Found", "message": "There is nothing here."}

    def _link(self, body: Json) -> Answer:
        if body["owner"].endswith("/GONE"):
            return 404, {"title": "Resource Not Found", "message": "The owner was not found."}
        self.links.append(body)
        url = f"https://calendly.com/d/{uuid.uuid4().hex[:8]}/discovery-call"
        return 201, {"resource": {"booking_url": url, "owner": body["owner"]}}

    def _list(self, query: dict[str, str]) -> Answer:
        found = [one for one in self.subscriptions if one["scope"] == query["scope"]]
        start = int(query.get("page_token", 0))
        following = str(start + PAGE) if start + PAGE < len(found) else None
        pages = {"count": PAGE, "next_page_token": following}
        return 200, {"collection": found[start : start + PAGE], "pagination": pages}

    def _subscribe(self, body: Json) -> Answer:
        if any(one["callback_url"] == body["url"] for one in self.subscriptions):
            return 409, {"title": "Already Exists", "message": "Hook with this url already exists"}
        told = {name: value for name, value in body.items() if name not in ("url", "signing_key")}
        made = self.add(body["url"], **told)
        made["signing_key_of_the_test"] = body.get("signing_key")
        return 201, {"resource": made}

    def _remove(self, name: str) -> Answer:
        kept = [one for one in self.subscriptions if not one["uri"].endswith(f"/{name}")]
        if len(kept) == len(self.subscriptions):
            return 404, {"title": "Resource Not Found", "message": "There is no such hook."}
        self.subscriptions = kept
        return 204, None


@contextmanager
def fake_calendly() -> Iterator[FakeCalendly]:
    """Run one on a free port."""
    calendly = FakeCalendly()

    class Handler(BaseHTTPRequestHandler):
        def handle_one(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            key = self.headers.get("Authorization", "")
            status, told = calendly.answer(self.command, self.path, key, body)
            content = b"" if told is None else json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = handle_one

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    calendly.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield calendly
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

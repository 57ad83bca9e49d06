"""One call from its start to its last callback, move by move, over HTTP as everybody makes it."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.whole_call.story import CALLBACKS, HEARD, STORY, VIDEO, at
from tests.whole_call.vendor import Room, Vendor

TOKEN = "static-token-of-the-whole-call"
TOOL_SECRET = "tool-secret-of-the-whole-call"
HOOKS = "https://hooks.example.test"
SETTINGS = {
    "TAVUS_WEBHOOK_TOKEN": TOKEN,
    "TAVUS_TOOL_SECRET": TOOL_SECRET,
    "CALLBACK_SIGNING_KEY": "callback-key-of-the-whole-call",
    "PUBLIC_BASE_URL": HOOKS,
    "RECONCILE_AFTER": "1",
}

Json = Any


@dataclass(slots=True)
class Call:
    """A call that a person makes. `services` are the addresses of all that serve it, in turn."""

    services: list[str]
    vendor: Vendor
    headers: dict[str, str]
    http: httpx.Client
    row: dict[str, Json] = field(default_factory=dict)
    turn: int = 0

    @property
    def id(self) -> str:
        return str(self.row["conversation_id"])

    @property
    def room(self) -> Room:
        return self.vendor.rooms[self.id]

    def start(self) -> None:
        """Start it as a page does; at the vendor all of it has then happened at once."""
        wanted = {"persona_id": "p5317866", "conversation_name": "Whole call"}
        answer = self.post("/api/conversations", wanted, self.headers)
        assert answer.status_code == 201, answer.text
        self.row = answer.json()
        self.room.events = [event for name in CALLBACKS for event in self.events(name)]
        self.room.status, self.room.reason = "ended", "participant_left_timeout"

    def move(self, name: str, *, turned: bool = False) -> None:
        """Make one move, `turned` with its parts in the other order; made again it is a retry."""
        step = -1 if turned else 1
        if name == "video":
            self.call_tool()
        elif name in HEARD:
            self.relay(self.messages(name)[::step])
        else:
            for event in self.events(name)[::step]:
                self.callback(event)

    def callback(self, event: dict[str, Json]) -> None:
        """Deliver an event to the address that its kind of callback has."""
        made_elsewhere = f"{HOOKS}/api/tavus/webhook?t={TOKEN}"
        is_objective = "objective" in event["event_type"]
        url = urlsplit(made_elsewhere if is_objective else self.room.asked["callback_url"])
        assert f"{url.scheme}://{url.netloc}" == HOOKS
        told = {**event, "webhook_url": url.geturl()}
        answer = self.post(f"{url.path}?{url.query}", told)
        assert answer.status_code == 200, answer.text

    def relay(self, messages: list[dict[str, Json]]) -> None:
        """Hand messages on as the page does."""
        path = f"/api/conversations/{self.id}/app-messages"
        answer = self.post(path, {"messages": messages}, self.headers)
        assert answer.status_code == 200, answer.text

    def call_tool(self) -> str:
        """Call a tool as the agent does; return what it is answered."""
        called = {
            "name": "fetch_video",
            "arguments": json.dumps({"video_title": VIDEO}),
            "tool_call_id": "call_video",
            "conversation_id": self.id,
        }
        body = json.dumps(called).encode()
        signature = hmac.new(TOOL_SECRET.encode(), body, hashlib.sha256).hexdigest()
        answer = self.post("/api/tavus/tools", body, {"X-Tavus-Signature": signature})
        assert answer.status_code == 200, answer.text
        return answer.text

    def end(self) -> None:
        """End it as the person does."""
        answer = self.post(f"/api/conversations/{self.row['id']}/end", {}, self.headers)
        assert answer.status_code == 200, answer.text

    def post(self, path: str, body: Json, headers: dict[str, str] | None = None) -> httpx.Response:
        """POST to the next of the services."""
        self.turn += 1
        return self.http.post(
            f"{self.services[self.turn % len(self.services)]}{path}",
            content=body if isinstance(body, bytes) else json.dumps(body),
            headers={"Content-Type": "application/json", **(headers or {})},
        )

    def events(self, name: str) -> list[dict[str, Json]]:
        """Return the callbacks of a move."""
        return [
            {
                "properties": properties,
                "conversation_id": self.id,
                "event_type": event_type,
                "message_type": event_type.partition(".")[0],
                "timestamp": at(second),
            }
            for event_type, second, properties in STORY[name]
        ]

    def messages(self, name: str) -> list[dict[str, Json]]:
        """Return what the browser hears."""
        return [
            {
                "message_type": "conversation",
                "event_type": event_type,
                "conversation_id": self.id,
                "timestamp": at(second),
                **place,
                "properties": properties,
            }
            for event_type, second, place, properties in HEARD[name]
        ]

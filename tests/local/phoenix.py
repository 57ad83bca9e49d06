"""A Realtime client of the tests: bare protocol 2.0.0 frames over a websocket."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from websockets.sync.client import connect
from websockets.sync.connection import Connection

PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Frame:
    """A message of the server."""

    join_ref: str | None
    ref: str | None
    topic: str
    event: str
    payload: dict[str, Any]


@dataclass(slots=True)
class Client:
    """An open connection; what was not waited for stays in `unread`."""

    socket: Connection
    unread: list[Frame] = field(default_factory=list)
    refs: Iterator[int] = field(default_factory=lambda: count(1))

    def send(self, topic: str, event: str, payload: object, join_ref: str | None = None) -> str:
        """Send a message and return its ref."""
        ref = str(next(self.refs))
        self.socket.send(json.dumps([join_ref or ref, ref, topic, event, payload]))
        return ref

    def join(self, topic: str, *bindings: dict[str, str], token: str | None = None) -> str:
        """Join a topic with postgres_changes bindings and return the join's ref."""
        config = {"postgres_changes": list(bindings), "broadcast": {}, "presence": {}}
        return self.send(topic, "phx_join", {"config": config, "access_token": token})

    def subscribe(self, topic: str, *bindings: dict[str, str], token: str | None = None) -> str:
        """Join and wait until the subscription exists."""
        ref = self.join(topic, *bindings, token=token)
        self.wait("system", lambda frame: frame.payload["status"] == "ok")
        return ref

    def wait(self, event: str, matches: Callable[[Frame], bool] = lambda frame: True) -> Frame:
        """Return the first frame of that event that matches; TimeoutError if none comes."""
        until = time.monotonic() + PATIENCE
        while True:
            for frame in self.unread:
                if frame.event == event and matches(frame):
                    self.unread.remove(frame)
                    return frame
            self.unread.append(self._read(until - time.monotonic()))

    def change(self) -> dict[str, Any]:
        """Return the data of the next change."""
        data: dict[str, Any] = self.wait("postgres_changes").payload["data"]
        return data

    def _read(self, patience: float) -> Frame:
        return Frame(*json.loads(self.socket.recv(timeout=max(patience, 0))))


@contextmanager
def realtime(url: str, key: str) -> Iterator[Client]:
    """Connect to the Realtime of a Supabase URL with an API key."""
    address = url.replace("http", "ws", 1) + f"/realtime/v1/websocket?apikey={key}&vsn=2.0.0"
    with connect(address, open_timeout=PATIENCE) as socket:
        yield Client(socket)

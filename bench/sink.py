"""Where webhooks arrive, run as a process: endpoints that answer at once, with 500, or too late.

The first part of an endpoint's path says which; each answers its first webhook well, so that the
bad ones are endpoints that have worked before. Every arrival is noted by the monotonic clock, which
all processes of a machine share.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import httpx

from services.local.checkout import ROOT
from services.local.ports import HOST

Kind = Literal["quick", "failing", "hanging"]

HANG = 30.0
BACKLOG = 1024
HEAD_END = b"\r\n\r\n"
STATUSES = {"quick": 204, "failing": 500, "hanging": 204}


class Arrival(NamedTuple):
    """A webhook that came in, in whole, at a moment of the monotonic clock."""

    at: float
    webhook_id: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sink:
    """The process, as the benchmark sees it."""

    url: str
    http: httpx.Client

    def endpoint(self, kind: Kind, name: str) -> str:
        """Return the URL of an endpoint."""
        return f"{self.url}/{kind}/{name}"

    def arrivals(self) -> list[Arrival]:
        """Return all that came in since this was last asked."""
        return [Arrival(*each) for each in self.http.post("/arrivals").json()]

    def waiting(self) -> int:
        """Return how many callers are kept waiting for their answer."""
        return int(self.http.get("/waiting").text)

    def release(self) -> None:
        """Hang up on whoever is kept waiting."""
        self.http.post("/release")


@contextmanager
def sink() -> Iterator[Sink]:
    """Run a sink, which ends with who runs it."""
    command = [sys.executable, "-m", "bench.sink"]
    pipe = subprocess.PIPE
    with (
        subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process,  # noqa: S603 (our own)
        httpx.Client(base_url=_address(process), timeout=10, trust_env=False) as http,
    ):
        yield Sink(url=str(http.base_url).rstrip("/"), http=http)


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None  # noqa: S101 (it is a pipe)
    return f"http://{HOST}:{process.stdout.readline().strip()}"


@dataclass(slots=True)
class Notes:
    """What has arrived, and where; and who waits."""

    arrivals: list[Arrival] = field(default_factory=list)
    met: set[str] = field(default_factory=set)
    waiting: set[Connection] = field(default_factory=set)


class Connection(asyncio.Protocol):
    """One connection with one request."""

    def __init__(self, notes: Notes) -> None:
        """Belong to a sink."""
        self._notes = notes
        self._received = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the request."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 (as create_server says)
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        """Forget a caller who has gone."""
        self._notes.waiting.discard(self)

    def data_received(self, data: bytes) -> None:
        """Serve the request once it is there."""
        self._received += data
        head, found, body = self._received.partition(HEAD_END)
        if found and len(body) >= int(header(head, b"content-length") or 0):
            self._serve(head, head.split(b" ", 2)[1].decode())

    def answer(self, status: int, content: str = "") -> None:
        """Answer, and hang up."""
        body = content.encode()
        head = f"HTTP/1.1 {status} -\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        self._transport.write(head.encode() + body)
        self._transport.close()

    def hang_up(self) -> None:
        """End the connection without an answer."""
        self._transport.abort()

    def _serve(self, head: bytes, path: str) -> None:
        kind = path.split("/")[1]
        if kind not in STATUSES:
            self.answer(200, self._told(path))
            return
        webhook_id = header(head, b"webhook-id").decode()
        self._notes.arrivals.append(Arrival(time.monotonic(), webhook_id, kind))
        self._receive(kind if path in self._notes.met else "quick")
        self._notes.met.add(path)

    def _receive(self, kind: str) -> None:
        if kind == "hanging":
            self._notes.waiting.add(self)
            asyncio.get_running_loop().call_later(HANG, self.answer, STATUSES[kind])
        else:
            self.answer(STATUSES[kind])

    def _told(self, path: str) -> str:
        """Return what the benchmark asks for."""
        notes = self._notes
        if path == "/waiting":
            return str(len(notes.waiting))
        if path == "/release":
            for each in list(notes.waiting):
                each.hang_up()
            return ""
        arrivals, notes.arrivals = notes.arrivals, []
        return json.dumps(arrivals)


def header(head: bytes, name: bytes) -> bytes:
    """Return a header's value, empty when there is none."""
    begin = head.lower().find(b"\r\n" + name + b":")
    if begin < 0:
        return b""
    return head[begin + 2 :].split(b"\r\n", 1)[0].partition(b":")[2].strip()


async def serve() -> None:
    """Serve, and print the port, until nobody is there any more who would read it."""
    loop = asyncio.get_running_loop()
    notes = Notes()
    server = await loop.create_server(lambda: Connection(notes), HOST, 0, backlog=BACKLOG)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())

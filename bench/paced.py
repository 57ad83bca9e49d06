"""A load generator of our own, run as a process: at a constant rate, or as fast as it is answered.

At a constant rate it sends on schedule whatever the server does, and counts each latency from the
moment at which the request was due; so a stall costs every request that it delayed.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from bench.callbacks import numbered, read_requests
from bench.plan import CONNECTIONS

PATIENCE = 10.0
HEAD_END = b"\r\n\r\n"


@dataclass(slots=True)
class Tally:
    """What was sent and answered; latencies in seconds."""

    sent: int = 0
    refused: int = 0
    lost: int = 0
    latencies: list[float] = field(default_factory=list)

    def result(self, seconds: float) -> dict[str, float]:
        """Return the figures as bench.load reads them."""
        return {
            "sent": self.sent,
            "answered": len(self.latencies),
            "refused": self.refused,
            "lost": self.lost,
            "seconds": seconds,
        }


class Answers:
    """Cuts a stream of bytes into HTTP answers, all of which must have a Content-Length."""

    def __init__(self) -> None:
        """Start with nothing received."""
        self._received = b""

    def feed(self, data: bytes) -> list[int]:
        """Take in some bytes and return the status of every answer that is now complete."""
        self._received += data
        statuses = []
        while (end := self._end()) is not None:
            statuses.append(int(self._received[9:12]))
            self._received = self._received[end:]
        return statuses

    def _end(self) -> int | None:
        head, found, _ = self._received.partition(HEAD_END)
        if not found:
            return None
        _, _, after = head.lower().partition(b"content-length:")
        end = len(head) + len(HEAD_END) + int(after.split(b"\r\n", 1)[0])
        return end if len(self._received) >= end else None


class Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request on its way."""

    def __init__(self, run: Run) -> None:
        """Belong to a run."""
        self._run = run
        self._answers = Answers()
        self._transport: asyncio.Transport
        self._due = 0.0
        self._closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for work."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 (as create_connection says)
        self._transport = transport
        self._run.free.append(self)

    def send(self, request: bytes, due: float) -> None:
        """Send a request that was due at that moment."""
        self._due = due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Count the answers, then take the next request."""
        for status in self._answers.feed(data):
            self._run.note(status, time.perf_counter() - self._due)
            self._run.free.append(self)
        self._run.dispatch()

    def connection_lost(self, error: Exception | None) -> None:
        """Count a connection that the server ended."""
        self._run.tally.lost += not self._run.is_over
        self._closed.set()

    async def close(self) -> None:
        """End the connection."""
        self._transport.close()
        await self._closed.wait()


@dataclass(slots=True)
class Run:
    """One load: requests that are due go to the connections that are free."""

    requests: list[bytes]
    rate: float | None
    tally: Tally = field(default_factory=Tally)
    free: deque[Connection] = field(default_factory=deque)
    due: deque[float] = field(default_factory=deque)
    is_over: bool = False

    def note(self, status: int, latency: float) -> None:
        """Count an answer."""
        self.tally.latencies.append(latency)
        self.tally.refused += status >= 400

    def dispatch(self) -> None:
        """Give every free connection what is due; without a rate something always is."""
        while self.free and not self.is_over and (self.due or self.rate is None):
            due = self.due.popleft() if self.due else time.perf_counter()
            self.tally.sent += 1
            request = self.requests[self.tally.sent % len(self.requests)]
            self.free.popleft().send(numbered(request, self.tally.sent), due)

    async def schedule(self, seconds: float) -> None:
        """Let requests become due for so long."""
        start = time.perf_counter()
        if self.rate is None:
            self.dispatch()
            await asyncio.sleep(seconds)
            return
        for number in range(int(seconds * self.rate)):
            moment = start + number / self.rate
            if (wait := moment - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            self.due.append(moment)
            self.dispatch()

    async def drain(self) -> None:
        """Wait for the last answers."""
        until = time.perf_counter() + PATIENCE
        while time.perf_counter() < until and (
            (self.due and not self.is_over) or len(self.tally.latencies) < self.tally.sent
        ):
            await asyncio.sleep(0.005)


async def load(
    url: str, requests: list[bytes], seconds: float, rate: float | None
) -> tuple[Tally, float]:
    """Send requests and return what came of them, and after how many seconds the last answer."""
    run = Run(requests, rate)
    at = urlsplit(url)
    host, port = str(at.hostname), int(at.port or 80)
    loop = asyncio.get_running_loop()
    for _ in range(CONNECTIONS):
        await loop.create_connection(lambda: Connection(run), host, port)
    connections = list(run.free)
    started = time.perf_counter()
    await run.schedule(seconds)
    run.is_over = rate is None
    await run.drain()
    run.is_over = True
    took = time.perf_counter() - started
    await asyncio.gather(*(connection.close() for connection in connections))
    return run.tally, took


def main(url: str, requests: str, seconds: str, rate: str | None = None) -> None:
    """Run a load and print its figures; with a rate, the sorted latencies too."""
    gc.disable()
    prepared = read_requests(Path(requests))
    pace = float(rate) if rate else None
    tally, took = asyncio.run(load(url, prepared, float(seconds), pace))
    print("RESULT", json.dumps(tally.result(took)))
    if rate:
        print("LATENCIES", json.dumps([round(1000 * one, 3) for one in sorted(tally.latencies)]))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Receivers of webhooks on this machine: one that verifies and keeps what it gets, hostile ones."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

PATIENCE = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A webhook as it came in, by the monotonic clock."""

    webhook_id: str
    payload: Any
    body: bytes
    headers: Mapping[str, str]
    path: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a receiver answers, and how many seconds that takes it."""

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    after: float = 0.0


Answer = Callable[[Call], Reply]


def ok(call: Call) -> Reply:
    """Take whatever comes."""
    return Reply()


@dataclass(slots=True, kw_only=True)
class Receiver:
    """Takes what is signed with one of its secrets; the rest it counts as forged."""

    secrets: tuple[str, ...]
    answer: Answer = ok
    url: str = ""
    calls: list[Call] = field(default_factory=list)
    forged: list[bytes] = field(default_factory=list)
    in_hand: int = 0
    most_in_hand: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def ids(self) -> list[str]:
        """The ids of all calls, in their order."""
        return [call.webhook_id for call in self.calls]

    def wait_for(self, condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
        """Wait until a condition on this receiver holds; fail when it does not in time."""
        with self.changed:
            assert self.changed.wait_for(condition, seconds), f"{len(self.calls)} calls"

    def wait_for_calls(self, amount: int, seconds: float = PATIENCE) -> None:
        """Wait for so many calls."""
        self.wait_for(lambda: len(self.calls) >= amount, seconds)

    def receive(self, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Verify and keep a call; return the answer."""
        try:
            payload = self._verified(headers, body)
        except WebhookVerificationError:
            self.forged.append(body)
            return Reply(status=401)
        call = Call(
            webhook_id=headers["webhook-id"],
            payload=payload,
            body=body,
            headers=headers,
            path=path,
            at=time.monotonic(),
        )
        with self.changed:
            self.calls.append(call)
            self.in_hand += 1
            self.most_in_hand = max(self.most_in_hand, self.in_hand)
            self.changed.notify_all()
        reply = self.answer(call)
        time.sleep(reply.after)
        return reply

    def ended(self) -> None:
        """Count a call that is being answered now."""
        with self.changed:
            self.in_hand -= 1
            self.changed.notify_all()

    def _verified(self, headers: Mapping[str, str], body: bytes) -> Any:
        for secret in self.secrets:
            with suppress(WebhookVerificationError):
                return Webhook(secret).verify(body, dict(headers))
        raise WebhookVerificationError


@contextmanager
def receiving(*secrets: str, answer: Answer = ok) -> Iterator[Receiver]:
    """Run a receiver that knows these secrets."""
    receiver = Receiver(secrets=secrets, answer=answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            body = self.rfile.read(length)
            if len(body) < length:
                return  # who was sending it has died
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = receiver.receive(self.path, headers, body)
            if reply.status != 401:
                # Before the answer: who has it may send the next one at once.
                receiver.ended()
            self.send_response(reply.status)
            for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 512
        daemon_threads = True

        def handle_error(self, *args: Any) -> None:
            pass  # the other side was killed, or has lost its patience

    with Server(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join(5)


Play = Callable[[socket.socket], None]


@contextmanager
def playing(play: Play) -> Iterator[str]:
    """Serve each connection by `play`, after its request has been read; give the URL.

    It begins at once: who plays may not even wait for the request.
    """
    open_ones: set[socket.socket] = set()
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listening:

        def serve(sock: socket.socket) -> None:
            open_ones.add(sock)
            with suppress(OSError), sock:
                play(sock)
            open_ones.discard(sock)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    sock, _ = listening.accept()
                    threading.Thread(target=serve, args=(sock,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/hook"
        finally:
            # Nobody goes on waiting for an answer.
            for sock in (listening, *open_ones):
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)


def read_request(sock: socket.socket) -> bytes:
    """Read a whole request: what is unread when a socket closes resets the connection."""
    request = b""
    while not _is_whole(request):
        part = sock.recv(65536)
        if not part:
            break
        request += part
    return request


def answering(answer: bytes) -> Play:
    """Answer every request like this."""

    def play(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(answer)

    return play


def repeating(first: bytes, then: bytes, every: float = 0.0) -> Play:
    """Begin like this, and go on for ever, as fast as can be or a piece now and then."""

    def play(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(first)
        while True:
            sock.sendall(then)
            time.sleep(every)

    return play


def hanging(sock: socket.socket) -> None:
    """Read everything, and never answer."""
    while sock.recv(65536):
        pass


def resetting(sock: socket.socket) -> None:
    """Reset the connection in the middle of the request."""
    sock.recv(10)
    # Lingering for no time: https://man7.org/linux/man-pages/man7/socket.7.html
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")


def _is_whole(request: bytes) -> bool:
    head, end, body = request.partition(b"\r\n\r\n")
    lengths = [
        int(line.partition(b":")[2])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    ]
    return bool(end) and len(body) >= sum(lengths)


def delivery(url: str, secret: str, **other: Any) -> dict[str, Any]:
    """Return a delivery as it is claimed."""
    return {
        "id": "7d5f2f5c-0000-4000-8000-000000000001",
        "endpoint_id": "7d5f2f5c-0000-4000-8000-000000000002",
        "webhook_id": "msg_7d5f2f5c000040008000000000000003",
        "event_type": "message.created",
        "url": url,
        "headers": {},
        "secrets": [secret],
        "payload": json.loads('{"data": {"content": "Grüße 👋"}}'),
        "attempt": 1,
        "tries": 1,
        "retry_schedule": [4, 8, 10],
        "is_risky": False,
        "now": "2026-03-01T10:00:00+00:00",
        **other,
    }

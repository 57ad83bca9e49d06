"""HTTP itself: broken framing, slow senders."""

from __future__ import annotations

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.database.events import new_conversation_id, rows
from tests.web.caller import TOKEN, Caller, joined

POST = f"POST /api/tavus/webhook?t={TOKEN} HTTP/1.1\r\nHost: x\r\n".encode()
UNPROVEN = b"POST /api/tavus/webhook HTTP/1.1\r\nHost: x\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


def connect(service_url: str) -> socket.socket:
    address = urlsplit(service_url)
    return socket.create_connection((address.hostname, address.port), timeout=20)


def answer(service_url: str, request: bytes) -> bytes:
    """Send bytes, close our half, and return all that comes back."""
    with connect(service_url) as sender:
        sender.sendall(request)
        sender.shutdown(socket.SHUT_WR)
        received = b""
        while part := sender.recv(65536):
            received += part
        return received


def status(received: bytes) -> int:
    assert received.startswith(b"HTTP/1.1 ")
    return int(received.split(b" ", 2)[1])


BROKEN = {
    "chunk size is no number": CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n",
    "chunk size is negative": CHUNKED + b"-1\r\n{}\r\n0\r\n\r\n",
    "chunk size is huge": CHUNKED + b"f" * 40 + b"\r\n{}\r\n0\r\n\r\n",
    "chunk longer than said": CHUNKED + b"2\r\n{}xx\r\n0\r\n\r\n",
    "chunks end early": CHUNKED + b"5\r\n{}",
    "last chunk is missing": CHUNKED + b"2\r\n{}\r\n",
    "chunk size line never ends": CHUNKED + b"1" * 20_000,
    "body shorter than said": b"Content-Length: 100\r\n\r\n{}",
    "length is no number": b"Content-Length: ten\r\n\r\n{}",
    "length is negative": b"Content-Length: -5\r\n\r\n{}",
    "two lengths": b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    "length and chunks": b"Content-Length: 2\r\n" + CHUNKED + b"2\r\n{}\r\n0\r\n\r\n",
    "unknown coding": b"Transfer-Encoding: magic\r\n\r\n{}",
    "space in a header name": b"X Y: 1\r\nContent-Length: 2\r\n\r\n{}",
    "NUL in a header": b"X-Y: a\x00b\r\nContent-Length: 2\r\n\r\n{}",
    "huge header": b"X-Y: " + b"y" * 100_000 + b"\r\nContent-Length: 2\r\n\r\n{}",
    "many headers": b"".join(b"X-%d: y\r\n" % n for n in range(500)) + b"\r\n{}",
}


@pytest.mark.parametrize("rest", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("start", [POST, UNPROVEN], ids=["with a token", "without"])
def test_broken_framing_is_the_callers_fault(service_url: str, start: bytes, rest: bytes) -> None:
    received = answer(service_url, start + rest)

    assert status(received) in (400, 401, 413, 431, 501)


@pytest.mark.parametrize(
    "request_line",
    [
        b"POST",
        b"\x16\x03\x01\x02",
        b"POST /api/tavus/webhook HTTP/9.9",
        b"P\x00ST / HTTP/1.1",
        b"POST / HTTP/1.1 x",
    ],
)
def test_broken_request_line_is_400_or_505(service_url: str, request_line: bytes) -> None:
    received = answer(service_url, request_line + b"\r\nHost: x\r\n\r\n")

    assert status(received) in (400, 505)


def test_well_chunked_body_is_read(service_url: str, db: psycopg.Connection) -> None:
    conversation = new_conversation_id()
    body = json.dumps(joined(conversation)).encode()
    chunks = b"".join(b"%x\r\n%c\r\n" % (1, byte) for byte in body) + b"0\r\n\r\n"

    received = answer(service_url, POST + CHUNKED + chunks)

    assert status(received) == 200
    stored = rows(
        db, "select body from private.webhook_inbox where conversation_id = %s", conversation
    )
    assert len(stored) == 1


def closed_after(sender: socket.socket) -> tuple[float, bytes]:
    """Return how long the other side keeps the connection open, and what it says."""
    started, received = time.monotonic(), b""
    while part := sender.recv(65536):
        received += part
    return time.monotonic() - started, received


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"POST /api/tav",
        POST + b"X-Slow: ",
        POST + b"Content-Length: 100\r\n\r\n{",
        POST + CHUNKED + b"5\r\n{",
    ],
    ids=["nothing", "request line", "headers", "body", "chunk"],
)
def test_unfinished_request_is_closed_in_time(service_url: str, beginning: bytes) -> None:
    with connect(service_url) as sender:
        sender.sendall(beginning)

        seconds, received = closed_after(sender)

    assert 1 < seconds < 8  # REQUEST_TIMEOUT is 3 for these tests
    assert not received or status(received) == 408


def test_dribbling_sender_is_closed_in_time(service_url: str) -> None:
    """One byte at a time keeps every single read short; the whole must end all the same."""
    with connect(service_url) as sender:
        sender.sendall(POST + b"Content-Length: 1000\r\n\r\n")
        sender.settimeout(0.2)
        started = time.monotonic()
        received = b"still open"
        while received and time.monotonic() - started < 10:
            try:
                sender.sendall(b"x")
                received = sender.recv(65536)
            except TimeoutError:
                continue
            except (BrokenPipeError, ConnectionResetError):
                break

        assert time.monotonic() - started < 8


def test_answered_request_is_not_answered_again(service_url: str) -> None:
    """A path that does not exist is answered before its body; then the body never comes."""
    request = POST.replace(b"/tavus/", b"/nowhere/") + b"Content-Length: 100\r\n\r\n{"
    with connect(service_url) as sender:
        sender.sendall(request)

        _, received = closed_after(sender)

    assert status(received) == 404
    assert received.count(b"HTTP/1.1 ") == 1


def test_chunked_body_over_the_limit_is_413(service_url: str) -> None:
    chunk = b"%x\r\n%s\r\n" % (1_000_000, b" " * 1_000_000)

    received = answer(service_url, POST + CHUNKED + chunk * 11 + b"0\r\n\r\n")

    assert status(received) == 413


def test_slow_senders_keep_nobody_waiting(service_url: str, caller: Caller) -> None:
    slow = [connect(service_url) for _ in range(200)]
    for sender in slow:
        sender.sendall(POST + b"Content-Length: 100\r\n\r\n{")

    started = time.monotonic()
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(caller.send, [joined(new_conversation_id()) for _ in range(20)]))

    assert [answer.status_code for answer in answers] == [200] * 20
    assert time.monotonic() - started < 2.5  # before the slow ones are closed
    for sender in slow:
        sender.close()

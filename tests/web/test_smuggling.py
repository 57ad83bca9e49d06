"""What a stranger may try with HTTP itself: hidden requests, paths, names, and much of anything."""

from __future__ import annotations

import re

import pytest

from tests.web.test_http import POST, answer, status
from tests.whole_app import ENVIRONMENT

HIDDEN = b"GET /static/favicon.svg HTTP/1.1\r\nHost: x\r\n\r\n"
SEEN = b"<svg"
CHUNKS = b"\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
LENGTH = b"Content-Length: 2\r\n"
AMBIGUOUS = {
    "a length and chunks": LENGTH + b"Transfer-Encoding: chunked" + CHUNKS,
    "chunks and a length": b"Transfer-Encoding: chunked\r\n" + LENGTH.rstrip() + CHUNKS,
    "a coding that is nearly chunked": b"Transfer-Encoding: xchunked" + CHUNKS,
    "chunked, but not last": b"Transfer-Encoding: chunked, identity" + CHUNKS,
    "chunked twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked" + CHUNKS,
    "chunked behind a vertical tab": b"Transfer-Encoding:\x0bchunked" + CHUNKS,
    "chunked on a folded line": b"Transfer-Encoding:\r\n chunked" + CHUNKS,
    "a space before the colon": b"Content-Length : 2\r\n\r\n{}",
    "two lengths": LENGTH + b"Content-Length: 60\r\n\r\n{}",
    "a list of lengths": b"Content-Length: 2, 60\r\n\r\n{}",
    "a length with a sign": b"Content-Length: +2\r\n\r\n{}",
    "a length in hex": b"Content-Length: 0x2\r\n\r\n{}",
    "a length with an underscore": b"Content-Length: 0_2\r\n\r\n{}",
    "a chunk's size with a sign": b"Transfer-Encoding: chunked\r\n\r\n+2\r\n{}\r\n0\r\n\r\n",
    "a chunk's size in C": b"Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
    "a chunk's size that is too short": b"Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n",
    "an extension with a line end": b"Transfer-Encoding: chunked\r\n\r\n2;\n{}\r\n0\r\n\r\n",
    "a bare line feed": b"X-A: b\nContent-Length: 2\r\n\r\n{}",
    "a bare carriage return": b"X-A: b\rContent-Length: 2\r\n\r\n{}",
    "a NUL": b"X-A: b\x00\r\nContent-Length: 2\r\n\r\n{}",
}


@pytest.mark.parametrize("rest", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_one_connection_carries_no_second_request(service_url: str, rest: bytes) -> None:
    """Where two could disagree on the end of a request, nothing behind it is one."""
    received = answer(service_url, POST + rest + HIDDEN)

    assert status(received) >= 400
    assert received.count(b"HTTP/1.1 ") == 1
    assert SEEN not in received


def test_second_request_behind_a_clear_one_is_answered(service_url: str) -> None:
    """So that the one before can fail."""
    received = answer(service_url, POST + LENGTH + b"\r\n{}" + HIDDEN)

    assert received.count(b"HTTP/1.1 ") == 2
    assert SEEN in received


PATHS = (
    "/static/../../../app.py",
    "/static/..%2f..%2f..%2fapp.py",
    "/static/%2e%2e/%2e%2e/%2e%2e/app.py",
    "/static/..%252f..%252fapp.py",
    "/static/..%5c..%5c..%5capp.py",
    "/static/..\\..\\..\\app.py",
    "/static//etc/passwd",
    "/static/%2fetc%2fpasswd",
    "/static/./.././../pages.py",
    "/static/dashboard/../../pages.py",
    "/static/favicon.svg%00.js",
    "/static/%c0%ae%c0%ae/%c0%ae%c0%ae/app.py",
    "/static/",
    "/static",
    "/static/dashboard",
    "/static/../templates/live.html",
    "/.env",
    "/dashboard/../.env",
    "//etc/passwd",
    "/openapi.json/../../.env",
)


@pytest.mark.parametrize("path", PATHS)
def test_no_path_leads_out_of_the_static_files(service_url: str, path: str) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    received = answer(service_url, request)

    # Below /dashboard every path is the one page, whose own script reads the address.
    assert status(received) in (
        (200, 308, 404) if path.startswith("/dashboard") else (308, 400, 404)
    )
    for told in (b"def ", b"root:", b"SUPABASE_SECRET_KEY", b"{{ ", b"conversation-facts"):
        assert told not in received


@pytest.mark.parametrize("name", ["SCRIPT_NAME", "Script_Name", "Script-Name"])
def test_stranger_does_not_say_where_the_service_begins(service_url: str, name: str) -> None:
    """gunicorn believes that of a proxy on this machine, which may pass on what it is told."""
    start = b"GET /elsewhere/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"

    received = answer(service_url, start + f"{name}: /elsewhere\r\n\r\n".encode())

    assert status(received) == 404


@pytest.mark.parametrize(
    "header",
    ["Host: evil.example", "X-Forwarded-Host: evil.example", "X-Forwarded-Prefix: /evil.example"],
)
@pytest.mark.parametrize(
    "path", ["/dashboard", "/live/x", "/health", "/docs", "/openapi.json", "/api/me"]
)
def test_no_answer_repeats_the_name_that_it_was_called_by(
    service_url: str, path: str, header: str
) -> None:
    host = b"" if header.startswith("Host") else b"Host: hooks.example.test\r\n"
    start = f"GET {path} HTTP/1.1\r\nConnection: close\r\n{header}\r\n".encode()

    received = answer(service_url, start + host + b"\r\n")

    assert status(received) in (200, 401)
    assert b"evil" not in received


@pytest.mark.parametrize(
    "path", ["//evil.example", "//evil.example/", "/\\evil.example", "/%0d%0aX: y"]
)
def test_no_redirect_leads_elsewhere(service_url: str, path: str) -> None:
    start = f"GET {path} HTTP/1.1\r\nHost: hooks.example.test\r\nConnection: close\r\n\r\n"

    received = answer(service_url, start.encode())

    assert status(received) in (308, 400, 404)
    [*places] = re.findall(rb"(?im)^location: (.*?)\r$", received)
    assert all(re.match(rb"(http://hooks\.example\.test)?/(?![/\\])", place) for place in places)
    assert b"\r\nX: y" not in received.partition(b"\r\n\r\n")[0]


def test_pages_show_no_secret_of_the_service(service_url: str) -> None:
    for path in ("/dashboard", "/live/x", "/health", "/ready", "/docs", "/openapi.json"):
        start = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        received = answer(service_url, start.encode())
        assert b"sb_secret_" not in received
        assert ENVIRONMENT["TAVUS_WEBHOOK_TOKEN"].encode() not in received

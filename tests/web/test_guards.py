"""gunicorn's own answers: guarded like ours, and nothing of what came is told to the log."""

from __future__ import annotations

import json
import secrets

import pytest

from services.local.stack import LocalStack
from services.web.guards import GUARDS
from tests.stack import start_service
from tests.web.caller import SETTINGS
from tests.web.test_http import POST, answer, status


def parts(received: bytes) -> tuple[dict[str, str], bytes]:
    head, _, body = received.partition(b"\r\n\r\n")
    lines = (line.partition(": ") for line in head.decode().split("\r\n")[1:])
    return {name: text for name, _, text in lines}, body


REFUSED = {
    "no request line": (b"\x16\x03\x01 hello\r\n\r\n", 400),
    "header without a colon": (b"GET / HTTP/1.1\r\nHost x\r\n\r\n", 400),
    "huge header": (b"GET / HTTP/1.1\r\nX-Y: " + b"y" * 100_000 + b"\r\n\r\n", 431),
    "long address": (b"GET /" + b"y" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    "unknown coding": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: magic\r\n\r\n{}", 501),
    "expectation": (b"POST / HTTP/1.1\r\nHost: x\r\nExpect: magic\r\n\r\n", 417),
}


@pytest.mark.parametrize(("request_", "wanted"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_request_is_answered_as_everything_is(
    service_url: str, request_: bytes, wanted: int
) -> None:
    received = answer(service_url, request_)
    headers, body = parts(received)

    assert status(received) == wanted
    assert headers["Content-Type"] == "application/problem+json"
    assert json.loads(body)["status"] == wanted
    assert int(headers["Content-Length"]) == len(body)
    assert {name: headers[name] for name in GUARDS} == GUARDS
    assert "gunicorn" not in received.decode()


def test_answers_do_not_tell_whose_http_it_is(service_url: str) -> None:
    headers, _ = parts(
        answer(service_url, b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    )

    assert headers["Server"] == "convohooks"


def test_log_quotes_nothing_of_what_is_no_request(stack: LocalStack) -> None:
    """A length that is too short makes the rest of a body the next request's line."""
    word = secrets.token_hex(8)
    service = start_service(stack, **SETTINGS)
    try:
        answer(service.url, f"GET / HTTP/1.1\r\nAuthorization {word}\r\n\r\n".encode())
        answer(service.url, f"GET / HTTP/1.1\r\nAuthorization{word} : x\r\n\r\n".encode())
        answer(service.url, f"{word} said\r\n\r\n".encode())
        answer(
            service.url,
            POST + b"Content-Length: 2\r\n\r\n{}" + f'{{"said": "{word}"}}\r\n\r\n'.encode(),
        )
        log = service.log
    finally:
        service.kill()

    assert log.count("No HTTP request from 127.0.0.1: Invalid") == 4
    assert word not in log

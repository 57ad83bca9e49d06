"""server.py: a client that sends slowly, or does not stop, is waited for so long and no longer."""

from __future__ import annotations

import gevent
import pytest

from services.web.server import RequestTimeout, TimedBody, linger


class Body:
    """A body that comes at once, or never."""

    def __init__(self, *, comes: bool) -> None:
        self.comes = comes

    def read(self, size: int | None) -> bytes:
        if not self.comes:
            gevent.sleep(60)
        return b"line\nrest"[:size]

    def readline(self, size: int | None) -> bytes:
        return self.read(size).partition(b"\n")[0]


class Client:
    """A connection on which so many pieces still come."""

    def __init__(self, pieces: int) -> None:
        self.pieces = pieces
        self.is_ending = False

    def shutdown(self, how: int) -> None:
        self.is_ending = True

    def recv(self, size: int) -> bytes:
        assert self.is_ending
        self.pieces -= 1
        return b"" if self.pieces < 0 else b"x"


@pytest.mark.parametrize(("way", "read"), [("read", b"line\nrest"), ("readline", b"line")])
def test_body_that_comes_in_time_is_read(way: str, read: bytes) -> None:
    body = TimedBody(Body(comes=True), 5.0)

    assert getattr(body, way)(100) == read
    assert not body.failed


@pytest.mark.parametrize("way", ["read", "readline"])
def test_body_that_does_not_come_is_given_up_and_its_connection_too(way: str) -> None:
    body = TimedBody(Body(comes=False), 0.01)

    with pytest.raises(RequestTimeout):
        getattr(body, way)(100)

    assert body.failed


@pytest.mark.parametrize(("pieces", "left"), [(3, -1), (1000, 1000 - 64)])
def test_client_that_does_not_stop_sending_is_not_heard_out(pieces: int, left: int) -> None:
    client = Client(pieces)

    linger(client)

    assert client.pieces == left

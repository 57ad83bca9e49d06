"""Answers that are more, less or other than one answer, and who gives them."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from services.egress import Egress, Unreachable
from tests.certificate import make_certificate
from tests.receivers import repeating
from tests.unit.egress_server import OK, PUBLIC, Network, _certificate, answering, egress, server

__all__ = ["_certificate"]

URL = "https://example.test/"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "interim",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n",
    ],
)
def test_interim_answer_is_not_the_answer(certificate: Path, interim: bytes) -> None:
    network = Network([[PUBLIC]])
    with server(certificate, answering(interim + OK)) as (network.port, _):
        answer = egress(network, certificate).request("GET", URL)
    assert (answer.status, answer.body) == (200, b"ok")
    assert "link" not in answer.headers


def test_another_protocol_is_final(certificate: Path) -> None:
    network = Network([[PUBLIC]])
    switching = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"
    with server(certificate, answering(switching + OK)) as (network.port, _):
        assert egress(network, certificate).request("GET", URL).status == 101


@pytest.mark.parametrize(
    "play",
    [
        repeating(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
        repeating(b"", b"HTTP/1.1 103 Early Hints\r\nX-A: 1\r\n\r\n" * 100),
        repeating(b"HTTP/1.1 200 OK\r\nX-A: ", b"x" * 65536),
        repeating(b"HTTP/1.1 200 OK\r\n", b"X-A: " + b"x" * 60000 + b"\r\n"),
    ],
    ids=["continue", "early hints", "long header", "long headers"],
)
def test_head_without_end_is_read_so_far_and_no_further(
    certificate: Path, play: Callable[[socket.socket], None]
) -> None:
    network = Network([[PUBLIC]])
    with (
        server(certificate, play) as (network.port, _),
        pytest.raises(Unreachable) as error,
    ):
        egress(network, certificate).request("GET", URL, timeout=10)
    assert not error.value.timed_out


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nX-A: 1\r\n"]
)
def test_head_that_breaks_off_is_no_answer(certificate: Path, head: bytes) -> None:
    network = Network([[PUBLIC]])
    with (
        server(certificate, answering(head)) as (network.port, _),
        pytest.raises(Unreachable, match="no head"),
    ):
        egress(network, certificate).request("GET", URL)


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", CHUNKED + b"3\r\nok", CHUNKED + b"2\r\nok"],
)
def test_body_that_breaks_off_is_no_answer(certificate: Path, answer: bytes) -> None:
    network = Network([[PUBLIC]])
    with (
        server(certificate, answering(answer)) as (network.port, _),
        pytest.raises(Unreachable, match="too early"),
    ):
        egress(network, certificate).request("GET", URL)


@pytest.mark.parametrize(
    "play",
    [
        repeating(CHUNKED, b"1\r\nx\r\n" * 1000),
        repeating(CHUNKED + b"1;" + b"a" * 60000 + b"\r\nx\r\n", b"1\r\nx\r\n" * 1000),
        repeating(CHUNKED + b"1\r\nx\r\n0\r\n", b"X-A: 1\r\n" * 1000),
    ],
    ids=["small chunks", "extensions", "trailers"],
)
def test_what_frames_a_body_counts_too(
    certificate: Path, play: Callable[[socket.socket], None]
) -> None:
    network = Network([[PUBLIC]])
    with server(certificate, play) as (network.port, _):
        answer = egress(network, certificate).request("GET", URL, timeout=10, max_bytes=100_000)
    assert answer.truncated
    assert set(answer.body) == {ord("x")}


def test_stream_without_end_ends(certificate: Path) -> None:
    network = Network([[PUBLIC]])
    endless = repeating(CHUNKED + b"1\r\nx\r\n0\r\n", b"X-A: 1\r\n" * 1000)
    with (
        server(certificate, endless) as (network.port, _),
        egress(network, certificate).stream("GET", URL, timeout=10, max_bytes=100_000) as stream,
    ):
        assert b"".join(stream.chunks) == b"x"


def test_certificate_that_has_expired_is_refused(tmp_path: Path) -> None:
    expired = make_certificate(tmp_path, "example.test", days=-1)
    network = Network([[PUBLIC]])
    with (
        server(expired, answering(OK)) as (network.port, _),
        pytest.raises(Unreachable, match="SSLCertVerificationError"),
    ):
        egress(network, expired).request("GET", URL)


def test_certificate_that_nobody_vouches_for_is_refused(certificate: Path) -> None:
    network = Network([[PUBLIC]])
    with (
        server(certificate, answering(OK)) as (network.port, _),
        pytest.raises(Unreachable, match="SSLCertVerificationError"),
    ):
        egress(network).request("GET", URL)


def test_certificate_of_a_name_does_not_prove_an_address(certificate: Path) -> None:
    network = Network([[PUBLIC]])
    with (
        server(certificate, answering(OK)) as (network.port, names),
        pytest.raises(Unreachable, match="SSLCertVerificationError"),
    ):
        egress(network, certificate).request("GET", f"https://{PUBLIC}/")
    assert names in ([None], [])


def test_who_takes_no_connection_in_time_leaves_time_for_the_next(certificate: Path) -> None:
    """An IPv6 address that leads nowhere, and an IPv4 one that works."""
    nowhere, network = "2606:4700:4700::1111", Network([["2606:4700:4700::1111", PUBLIC]])
    given: list[tuple[str, float]] = []

    def dial(address: str, port: int, seconds: float) -> socket.socket:
        given.append((address, seconds))
        if address == nowhere:
            raise TimeoutError
        return network.dial(address, port, seconds)

    with server(certificate, answering(OK)) as (network.port, _):
        tls = ssl.create_default_context(cafile=str(certificate))
        caller = Egress(resolve=network.resolve, dial=dial, tls=tls)
        assert caller.request("GET", URL, timeout=30).status == 200
    assert [address for address, _ in given] == [nowhere, PUBLIC]
    assert all(seconds <= 10 for _, seconds in given)


@pytest.mark.parametrize(
    ("error", "timed_out"), [(TimeoutError(), True), (ConnectionRefusedError(), False)]
)
def test_it_is_told_whether_time_was_short(error: OSError, timed_out: bool) -> None:
    def fail(*_: object) -> socket.socket:
        raise error

    def unresolved(host: str, port: int) -> Sequence[str]:
        raise error

    for caller in (
        Egress(resolve=lambda host, port: [PUBLIC], dial=fail),
        Egress(resolve=unresolved),
    ):
        with pytest.raises(Unreachable) as raised:
            caller.request("GET", URL)
        assert raised.value.timed_out == timed_out

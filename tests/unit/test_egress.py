"""Calls to addresses from outside: none reaches what it must not, none lasts too long."""

from __future__ import annotations

import http.client
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from services.egress import AddressRefused, AnswerTooLarge, Egress, Unreachable
from services.egress.address_table import refusal
from services.egress.timed_socket import TimedSocket
from services.egress.url_target import read_target
from tests.unit.egress_server import (
    OK,
    OTHER_PUBLIC,
    PUBLIC,
    Network,
    _certificate,
    answering,
    dripping,
    egress,
    server,
)
from tests.unit.egress_vectors import (
    PUBLIC_ADDRESSES,
    READ_URLS,
    REFUSED_ADDRESSES,
    REFUSED_URLS,
)

__all__ = ["_certificate"]


def test_there_are_enough_vectors() -> None:
    assert len(REFUSED_ADDRESSES) + len(REFUSED_URLS) >= 120


@pytest.mark.parametrize("address", REFUSED_ADDRESSES)
def test_address_is_refused(address: str) -> None:
    assert refusal(address)


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES)
def test_public_address_is_called(address: str) -> None:
    assert refusal(address) is None


@pytest.mark.parametrize("address", REFUSED_ADDRESSES)
def test_name_with_a_refused_address_is_refused(address: str) -> None:
    network = Network([[address]])
    with pytest.raises(AddressRefused) as refused:
        egress(network).request("GET", "https://example.test/")
    assert refused.value.permanent
    assert network.dialled == []


@pytest.mark.parametrize("url", REFUSED_URLS)
def test_spelling_is_refused_before_anybody_is_asked(url: str) -> None:
    network = Network([[PUBLIC]])
    with pytest.raises(AddressRefused):
        egress(network).request("GET", url)
    with pytest.raises(AddressRefused):
        egress(network).check(url)
    assert (network.asked, network.dialled) == ([], [])


@pytest.mark.parametrize(("url", "host", "port", "authority", "path"), READ_URLS)
def test_url_is_read(url: str, host: str, port: int, authority: str, path: str) -> None:
    target = read_target(url)
    assert (target.host, target.port, target.authority, target.path) == (
        host,
        port,
        authority,
        path,
    )


@pytest.mark.parametrize(
    "answer", [[PUBLIC, "10.0.0.1"], ["::1", PUBLIC], [PUBLIC, OTHER_PUBLIC, "169.254.169.254"]]
)
def test_one_private_address_of_several_refuses_them_all(answer: list[str]) -> None:
    network = Network([answer])
    with pytest.raises(AddressRefused):
        egress(network).request("GET", "https://example.test/")
    assert network.dialled == []


def test_rebinding_resolver_is_asked_once_and_its_first_answer_called(certificate: Path) -> None:
    network = Network([[PUBLIC], ["127.0.0.1"]])
    with server(certificate, answering(OK)) as (network.port, _):
        answer = egress(network, certificate).request("GET", "https://example.test/")
    assert answer.body == b"ok"
    assert network.asked == ["example.test"]
    assert network.dialled == [(PUBLIC, 443)]


def test_each_call_is_judged_anew(certificate: Path) -> None:
    network = Network([[PUBLIC], ["127.0.0.1"]])
    with server(certificate, answering(OK)) as (network.port, _):
        caller = egress(network, certificate)
        caller.request("GET", "https://example.test/")
        with pytest.raises(AddressRefused):
            caller.request("GET", "https://example.test/")


def test_name_goes_into_host_and_tls_the_port_as_given(certificate: Path) -> None:
    network, heard = Network([[PUBLIC]]), list[bytes]()
    with server(certificate, answering(OK, heard)) as (network.port, names):
        answer = egress(network, certificate).request(
            "POST",
            "https://EXAMPLE.test.:8443/hook?a=b",
            headers={"X-A": "1", "host": "other.test", "Content-Length": "999"},
            body=b"{}",
        )
    assert (answer.status, answer.headers["content-type"]) == (200, "text/plain")
    assert 0 < answer.duration < 5
    assert names == ["example.test"]
    assert network.dialled == [(PUBLIC, 8443)]
    assert heard[0].startswith(b"POST /hook?a=b HTTP/1.1\r\n")
    assert b"\r\nHost: example.test:8443\r\n" in heard[0]
    assert b"\r\nContent-Length: 2\r\n" in heard[0]
    assert b"other.test" not in heard[0]
    assert b"999" not in heard[0]


def test_certificate_of_another_name_is_refused(certificate: Path) -> None:
    network = Network([[PUBLIC]])
    with (
        server(certificate, answering(OK)) as (network.port, _),
        pytest.raises(Unreachable, match="SSLCertVerificationError"),
    ):
        egress(network, certificate).request("GET", "https://other.test/")


def test_next_address_is_called_when_one_takes_no_connection(certificate: Path) -> None:
    network = Network([[PUBLIC, OTHER_PUBLIC]])
    refused: list[str] = []

    def dial(address: str, port: int, seconds: float) -> socket.socket:
        if address == PUBLIC:
            refused.append(address)
            raise ConnectionRefusedError
        return network.dial(address, port, seconds)

    with server(certificate, answering(OK)) as (network.port, _):
        tls = ssl.create_default_context(cafile=str(certificate))
        caller = Egress(resolve=network.resolve, dial=dial, tls=tls)
        assert caller.request("GET", "https://example.test/").status == 200
    assert refused == [PUBLIC]


def test_no_address_is_called_once_the_time_is_over() -> None:
    network = Network([[PUBLIC, OTHER_PUBLIC]])

    def hang(address: str, port: int, seconds: float) -> socket.socket:
        network.dialled.append((address, port))
        time.sleep(seconds)
        raise TimeoutError

    with pytest.raises(Unreachable, match="takes no connection") as error:
        Egress(resolve=network.resolve, dial=hang).request(
            "GET", "https://example.test/", timeout=0.05
        )

    assert network.dialled == [(PUBLIC, 443)]
    assert error.value.timed_out


def test_nothing_is_sent_or_read_once_the_time_is_over() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(b"late")
        timed = TimedSocket(ours, time.monotonic() - 1)
        for late in (lambda: timed.sendall(b"x"), lambda: timed.recv_into(bytearray(4))):
            with pytest.raises(TimeoutError):
                late()

        assert ours.recv(4) == b"late"
        timed.close()
        assert theirs.recv(1) == b""


def test_file_that_is_closed_twice_closes_no_other() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        timed = TimedSocket(ours, time.monotonic() + 10)
        first, second = timed.makefile(), timed.makefile()
        timed.close()
        raw = first.raw
        first.close()
        raw.close()

        theirs.sendall(b"ok")
        assert second.read(2) == b"ok"
        second.close()
        assert ours.fileno() == -1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(certificate: Path, status: int) -> None:
    network = Network([[PUBLIC]])
    moved = f"HTTP/1.1 {status} Moved\r\nLocation: https://169.254.169.254/\r\n"
    with server(certificate, answering(moved.encode() + b"Content-Length: 0\r\n\r\n")) as (
        network.port,
        _,
    ):
        answer = egress(network, certificate).request("GET", "https://example.test/")
    assert answer.status == status
    assert len(network.dialled) == 1


def test_proxies_of_the_environment_are_not_used(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    network = Network([[PUBLIC]])
    with server(certificate, answering(OK)) as (network.port, _):
        assert egress(network, certificate).request("GET", "https://example.test/").status == 200


def test_body_is_cut_at_its_limit(certificate: Path) -> None:
    network = Network([[PUBLIC]])
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000
    with server(certificate, answering(long)) as (network.port, _):
        answer = egress(network, certificate).request(
            "GET", "https://example.test/", max_bytes=1000
        )
    assert (len(answer.body), answer.truncated) == (1000, True)


@pytest.mark.parametrize("every", [0.02, 0.3])
@pytest.mark.parametrize(
    "parts",
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"HTTP/1.1 200 OK\r\nX-A: ", b"x"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"", b"x"),
    ],
    ids=["body", "chunks", "header", "continue", "status line"],
)
def test_dripping_answer_ends_at_the_deadline(
    certificate: Path, parts: tuple[bytes, bytes], every: float
) -> None:
    network = Network([[PUBLIC]])
    started = time.monotonic()
    with (
        server(certificate, dripping(*parts, every=every)) as (network.port, _),
        pytest.raises(Unreachable),
    ):
        egress(network, certificate).request("GET", "https://example.test/", timeout=1.0)
    assert time.monotonic() - started < 3


def test_silent_server_and_slow_resolver_end_at_the_deadline() -> None:
    waiting = threading.Event()
    slow = Egress(resolve=lambda host, port: [PUBLIC] if waiting.wait(20) else [])
    started = time.monotonic()
    with server(None, lambda sock: sock.recv(1) and None) as (port, _):
        network = Network([[PUBLIC]], port)
        with pytest.raises(Unreachable):  # it never begins with TLS
            egress(network).request("GET", "https://example.test/", timeout=0.3)
        with pytest.raises(Unreachable, match="resolved"):
            slow.request("GET", "https://example.test/", timeout=0.3)
    waiting.set()
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"no http\r\n\r\n",
        b"HTTP/1.1 999999 x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-A: 1\r\n" * 1000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_http_is_unreachable(certificate: Path, answer: bytes) -> None:
    network = Network([[PUBLIC]])
    with (
        server(certificate, answering(answer)) as (network.port, _),
        pytest.raises(Unreachable) as error,
    ):
        egress(network, certificate).request("GET", "https://example.test/")
    assert not error.value.permanent


@pytest.mark.parametrize(
    "headers", [{"X-A": "1\r\nX-B: 2"}, {"X A": "1"}, {"X-A:": "1"}, {"X-A": "\u20ac"}]
)
def test_header_that_is_none_is_refused(certificate: Path, headers: dict[str, str]) -> None:
    network = Network([[PUBLIC]])
    with server(certificate, answering(OK)) as (network.port, _), pytest.raises(AddressRefused):
        egress(network, certificate).request("GET", "https://example.test/", headers=headers)


def test_resolver_that_knows_no_such_name() -> None:
    def unknown(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(Unreachable) as error:
        Egress(resolve=unknown).request("GET", "https://example.test/")
    assert not error.value.permanent
    with pytest.raises(Unreachable):
        egress(Network([[]])).request("GET", "https://example.test/")


def test_stream_gives_the_body_in_parts(certificate: Path) -> None:
    network = Network([[PUBLIC]])
    body = b"x" * 300_000
    with (
        server(
            certificate, answering(b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + body)
        ) as (network.port, _),
        egress(network, certificate).stream(
            "GET", "https://example.test/", timeout=10, max_bytes=300_000
        ) as answer,
    ):
        parts = list(answer.chunks)
    assert b"".join(parts) == body
    assert len(parts) > 1


@pytest.mark.parametrize(
    "head", [b"Content-Length: 100001\r\n", b"", b"Transfer-Encoding: chunked\r\n"]
)
def test_stream_over_its_limit_is_refused(certificate: Path, head: bytes) -> None:
    network = Network([[PUBLIC]])
    chunked = b"Transfer" in head
    body = b"186a1\r\n" + b"x" * 100_001 + b"\r\n0\r\n\r\n" if chunked else b"x" * 100_001
    answer = b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + body
    with (
        server(certificate, answering(answer)) as (network.port, _),
        pytest.raises(AnswerTooLarge),
        egress(network, certificate).stream(
            "GET", "https://example.test/", timeout=10, max_bytes=100_000
        ) as stream,
    ):
        list(stream.chunks)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nxxx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nxxx",
    ],
)
def test_stream_that_ends_early_is_no_whole_one(certificate: Path, answer: bytes) -> None:
    network = Network([[PUBLIC]])
    with (
        server(certificate, answering(answer)) as (network.port, _),
        pytest.raises(Unreachable),
        egress(network, certificate).stream(
            "GET", "https://example.test/", timeout=10, max_bytes=100_000
        ) as stream,
    ):
        list(stream.chunks)


def test_this_machine_is_called_in_development_only() -> None:
    with server(None, answering(OK)) as (port, _):
        url = f"http://127.0.0.1:{port}/"
        assert Egress(allow_loopback=True).request("GET", url).status == 200
        with pytest.raises(AddressRefused):
            Egress().request("GET", url)
    for refused in ("http://10.0.0.1/", "https://10.0.0.1/", "http://1.1.1.1/"):
        with pytest.raises(AddressRefused):
            Egress(allow_loopback=True).request("GET", refused)
    mixed = Egress(allow_loopback=True, resolve=lambda host, port: ["127.0.0.1", PUBLIC])
    with pytest.raises(AddressRefused):
        mixed.request("GET", "http://example.test/")


def test_refusal_tells_nothing_of_the_network() -> None:
    with pytest.raises(AddressRefused) as refused:
        egress(Network([["10.11.12.13"]])).request("GET", "https://example.test/secret?t=token")
    assert "10.11.12.13" not in refused.value.detail
    assert "token" not in refused.value.detail


def test_it_works_under_gevent(certificate: Path) -> None:
    """In a process of its own, patched as the service's are: calls wait side by side."""
    script = f"""
from gevent import monkey; monkey.patch_all()
import gevent, socket, ssl, time
from services.egress import Egress, Unreachable

listening = socket.create_server(("127.0.0.1", 0))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain({str(certificate)!r})

def serve(sock):
    with context.wrap_socket(sock, server_side=True) as secured:
        path = secured.recv(65536).split()[1]
        gevent.sleep(0.5 if path == b"/" else 30)
        secured.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")

def accept():
    while True:
        gevent.spawn(serve, listening.accept()[0])

gevent.spawn(accept)
caller = Egress(
    resolve=lambda host, port: ["1.1.1.1"],
    dial=lambda address, port, seconds: socket.create_connection(listening.getsockname(), seconds),
    tls=ssl.create_default_context(cafile={str(certificate)!r}),
)
started = time.monotonic()
calls = [gevent.spawn(caller.request, "GET", "https://example.test/") for _ in range(10)]
gevent.joinall(calls)
assert [call.value.body for call in calls] == [b"ok"] * 10
assert time.monotonic() - started < 4
try:
    caller.request("GET", "https://example.test/late", timeout=0.5)
except Unreachable:
    print("told")
assert time.monotonic() - started < 6
"""
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, timeout=60
    )
    assert run.stdout == "told\n", run.stderr


def test_nothing_stays_open(certificate: Path) -> None:
    network = Network([[PUBLIC]])
    opened: list[socket.socket] = []

    def dial(address: str, port: int, seconds: float) -> socket.socket:
        opened.append(network.dial(address, port, seconds))
        return opened[-1]

    tls = ssl.create_default_context(cafile=str(certificate))
    caller = Egress(resolve=network.resolve, dial=dial, tls=tls)
    with server(certificate, answering(OK)) as (network.port, _):
        caller.request("GET", "https://example.test/")
        with suppress(http.client.HTTPException, Unreachable):
            caller.request("GET", "https://other.test/")
        with caller.stream("GET", "https://example.test/", timeout=5, max_bytes=10):
            pass
    assert [sock.fileno() for sock in opened] == [-1, -1, -1]

"""A network of one server, whatever the name and the address, for calls to it."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from services.egress import Egress
from tests.certificate import make_certificate
from tests.receivers import read_request

PUBLIC, OTHER_PUBLIC = "1.1.1.1", "8.8.8.8"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"

Play = Callable[[socket.socket], None]


@dataclass(slots=True)
class Network:
    """A resolver and a way to connect that know one TLS server, whatever the address."""

    answers: list[Sequence[str]]
    port: int = 0
    asked: list[str] = field(default_factory=list)
    dialled: list[tuple[str, int]] = field(default_factory=list)

    def resolve(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def dial(self, address: str, port: int, seconds: float) -> socket.socket:
        self.dialled.append((address, port))
        if not self.port:
            raise ConnectionRefusedError
        return socket.create_connection(("127.0.0.1", self.port), seconds)


@pytest.fixture(name="certificate", scope="session")
def _certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"), "example.test")


def egress(network: Network, certificate: Path | None = None) -> Egress:
    tls = ssl.create_default_context(cafile=str(certificate)) if certificate else None
    return Egress(resolve=network.resolve, dial=network.dial, tls=tls)


@contextmanager
def server(certificate: Path | None, play: Play) -> Iterator[tuple[int, list[str | None]]]:
    """Serve one connection after another; give its port, and the names that were asked for."""
    names: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if certificate:
        context.load_cert_chain(certificate)
    context.sni_callback = lambda sock, name, _: names.append(name)  # type: ignore[assignment]
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    sock, _ = listening.accept()
                except OSError:
                    return
                with suppress(OSError), sock:
                    if certificate:
                        with context.wrap_socket(sock, server_side=True) as secured:
                            play(secured)
                    else:
                        play(sock)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1], names
        finally:
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            listening.close()
            thread.join(5)


def answering(answer: bytes, heard: list[bytes] | None = None) -> Play:
    def play(sock: socket.socket) -> None:
        request = read_request(sock)
        if heard is not None:
            heard.append(request)
        sock.sendall(answer)

    return play


def dripping(*parts: bytes, every: float) -> Play:
    """Send the first part, then the last one byte by byte until nobody listens."""

    def play(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(parts[0])
        while True:
            time.sleep(every)
            sock.sendall(parts[-1])

    return play

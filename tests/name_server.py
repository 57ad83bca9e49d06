"""A little DNS server, and how to ask it: it answers a name differently each time, as who rebinds.

https://www.rfc-editor.org/rfc/rfc1035#section-4
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

A, AAAA = 1, 28
FAMILIES = {A: socket.AF_INET, AAAA: socket.AF_INET6}
HEADER = struct.Struct("!6H")
RECORD = struct.Struct("!HHHIH")
IS_ANSWER = 0x8580
"""Flags: a response, authoritative, recursion desired and available."""
POINTER_TO_QUESTION = 0xC00C


@dataclass(slots=True)
class NameServer:
    """Answers with the addresses of this time, then with the next; the last ones stay."""

    answers: list[Sequence[str]]
    port: int = 0
    asked: list[tuple[str, int]] = field(default_factory=list)

    def resolve(self, host: str, port: int) -> list[str]:
        """Ask for the addresses of both kinds, and return all."""
        found = [address for kind in (A, AAAA) for address in self._ask(host, kind)]
        if len(self.answers) > 1:
            self.answers.pop(0)
        return found

    def _ask(self, host: str, kind: int) -> Iterator[str]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(5)
            sock.sendto(
                HEADER.pack(7, 0x0100, 1, 0, 0, 0) + _question(host, kind),
                ("127.0.0.1", self.port),
            )
            answer = sock.recv(4096)
        at = HEADER.size + len(_question(host, kind))
        for _ in range(HEADER.unpack_from(answer)[3]):
            length = RECORD.unpack_from(answer, at)[4]
            at += RECORD.size
            yield socket.inet_ntop(FAMILIES[kind], answer[at : at + length])
            at += length

    def answer(self, query: bytes) -> bytes:
        """Return the response to one question, for no time to be kept."""
        host, kind = _read_question(query)
        self.asked.append((host, kind))
        packed = [
            socket.inet_pton(FAMILIES[kind], address)
            for address in self.answers[0]
            if (":" in address) == (kind == AAAA)
        ]
        records = b"".join(
            RECORD.pack(POINTER_TO_QUESTION, kind, 1, 0, len(each)) + each for each in packed
        )
        head = HEADER.pack(HEADER.unpack_from(query)[0], IS_ANSWER, 1, len(packed), 0, 0)
        return head + _question(host, kind) + records


@contextmanager
def name_server(*answers: Sequence[str]) -> Iterator[NameServer]:
    """Run a server that gives these answers, one after another."""
    server = NameServer(list(answers))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(0.1)
        server.port = sock.getsockname()[1]
        stopping = threading.Event()

        def serve() -> None:
            while not stopping.is_set():
                try:
                    query, sender = sock.recvfrom(4096)
                except TimeoutError:
                    continue
                sock.sendto(server.answer(query), sender)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            stopping.set()
            thread.join(5)


def _question(host: str, kind: int) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in host.split("."))
    return labels + b"\0" + struct.pack("!HH", kind, 1)


def _read_question(query: bytes) -> tuple[str, int]:
    labels, at = [], HEADER.size
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode())
        at += 1 + length
    return ".".join(labels), struct.unpack_from("!H", query, at + 1)[0]

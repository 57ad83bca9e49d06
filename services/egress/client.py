"""The calls themselves: a name judged once, a connection to the address that was judged."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from services.egress.address_table import is_loopback, refusal
from services.egress.timed_socket import TimedSocket
from services.egress.url_target import BadUrl, Target, read_target
from services.egress.wire import (
    LONGEST_HEAD,
    AddressRefused,
    Answer,
    AnswerTooLarge,
    FinalResponse,
    Stream,
    Unreachable,
    chunks,
    headers_of,
    name,
    read_up_to,
    send,
    sendable,
    told,
)
from services.once import once

CONNECT = 10.0
"""Seconds that one of several addresses gets to take the connection."""
Resolve = Callable[[str, int], Sequence[str]]
Dial = Callable[[str, int, float], socket.socket]


def resolve(host: str, port: int) -> list[str]:
    """Return every address of a name, as the machine resolves it."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def dial(address: str, port: int, seconds: float) -> socket.socket:
    """Connect to an address, which is no name."""
    return socket.create_connection((address, port), seconds)


class Egress:
    """Makes the calls. Holds nothing between them, so threads and greenlets may share one."""

    def __init__(
        self,
        *,
        allow_loopback: bool = False,
        allow_private: bool = False,
        resolve: Resolve = resolve,
        dial: Dial = dial,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Take how names are resolved and connections made.

        `allow_loopback` is for development: this machine may then be called, by http too.
        `allow_private` is for addresses that the operator has set: any may then be called.
        """
        self._allow_loopback = allow_loopback
        self._allow_private = allow_private
        self._resolve = resolve
        self._dial = dial
        self._given_tls = tls

    @once
    def _tls(self) -> ssl.SSLContext:
        return self._given_tls or ssl.create_default_context()

    def check(self, url: str) -> None:
        """Raise AddressRefused for a URL that is refused as it is written, without a look-up."""
        self._target(url)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: float = 15.0,
        max_bytes: int = 65536,
    ) -> Answer:
        """Make one call of `timeout` seconds at most, and return what came back, whatever status.

        Of the answer's body `max_bytes` are read; raises AddressRefused and Unreachable, also for
        a body that ends before it should.
        """
        started = time.monotonic()
        deadline = started + timeout
        with self._opened(method, url, headers, body, deadline) as (response, sock):
            sock.take(LONGEST_HEAD + max_bytes)
            with told():
                read, is_short = read_up_to(response, max_bytes + 1)
            if is_short and not sock.is_cut:
                raise Unreachable("The answer ended too early.")
            return Answer(
                status=response.status,
                headers=headers_of(response),
                body=read[:max_bytes],
                duration=time.monotonic() - started,
                truncated=len(read) > max_bytes or sock.is_cut,
            )

    @contextmanager
    def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: float,
        max_bytes: int,
    ) -> Iterator[Stream]:
        """Make one call and give its answer while it comes.

        Raises like `request`; `chunks` raises AnswerTooLarge after `max_bytes`, and Unreachable
        when the body ends before it should.
        """
        deadline = time.monotonic() + timeout
        with self._opened(method, url, headers, body, deadline) as (response, sock):
            # What frames the chunks of a body is part of what comes.
            sock.take(LONGEST_HEAD + 2 * max_bytes)
            if (response.length or 0) > max_bytes:
                raise AnswerTooLarge(f"The answer has {response.length} bytes, over {max_bytes}.")
            yield Stream(
                status=response.status,
                headers=headers_of(response),
                chunks=chunks(response, max_bytes),
            )

    @contextmanager
    def _opened(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        body: bytes | None,
        deadline: float,
    ) -> Iterator[tuple[http.client.HTTPResponse, TimedSocket]]:
        target = self._target(url)
        sent = sendable(headers or {})
        sent |= {"Host": target.authority, "Connection": "close", "Accept-Encoding": "identity"}
        connection = http.client.HTTPConnection(target.host, target.port)
        connection.response_class = FinalResponse
        with ExitStack() as open_ones:
            open_ones.callback(connection.close)
            with told():
                connection.sock = sock = self._connect(target, deadline)
                sock.take(LONGEST_HEAD)
                send(connection, method, target.path, body, sent)
                response = connection.getresponse()
            # The response reads from a file of its own, which `connection.close` leaves open.
            open_ones.callback(response.close)
            # http.client takes the end of what comes for the end of the head.
            if sock.has_ended:
                raise Unreachable(f"The answer has no head that ends within {LONGEST_HEAD} bytes.")
            yield response, sock

    def _target(self, url: str) -> Target:
        try:
            target = read_target(url)
        except BadUrl as error:
            raise AddressRefused(str(error)) from None
        if target.scheme != "https" and not self._allow_loopback:
            raise AddressRefused(f"The URL begins with {target.scheme}:, wanted https:.")
        if target.literal is not None:
            self._check_address(target, target.literal)
        return target

    def _connect(self, target: Target, deadline: float) -> TimedSocket:
        addresses = self._addresses(target, deadline)
        error: Exception | None = None
        for address in addresses:
            seconds = min(CONNECT, deadline - time.monotonic())
            if seconds <= 0:
                break
            try:
                return self._secured(self._dial(address, target.port, seconds), target, deadline)
            except OSError as problem:
                error = problem
        raise Unreachable(
            f"{target.host} takes no connection ({name(error)}).",
            timed_out=error is None or isinstance(error, TimeoutError),
        )

    def _secured(self, sock: socket.socket, target: Target, deadline: float) -> TimedSocket:
        try:
            sock.settimeout(max(deadline - time.monotonic(), 0.001))
            if target.scheme == "https":
                sock = self._tls.wrap_socket(sock, server_hostname=target.host)
        except BaseException:
            sock.close()
            raise
        return TimedSocket(sock, deadline)

    def _addresses(self, target: Target, deadline: float) -> Sequence[str]:
        if target.literal is not None:
            return [target.literal]
        found = self._resolved(target, deadline - time.monotonic())
        if not found:
            raise Unreachable(f"{target.host} has no address.")
        for address in found:
            self._check_address(target, address)
        return found

    def _resolved(self, target: Target, seconds: float) -> Sequence[str]:
        """Resolve in a thread of its own: no time limit reaches into the machine's resolver."""
        found: list[Sequence[str] | OSError] = []

        def ask() -> None:
            try:
                found.append(self._resolve(target.host, target.port))
            except (OSError, UnicodeError) as error:
                found.append(error if isinstance(error, OSError) else OSError(str(error)))

        asking = threading.Thread(target=ask, name="resolver", daemon=True)
        asking.start()
        asking.join(max(seconds, 0))
        answer = found[0] if found else TimeoutError()
        if isinstance(answer, OSError):
            raise Unreachable(
                f"{target.host} cannot be resolved ({name(answer)}).",
                timed_out=isinstance(answer, TimeoutError),
            )
        return answer

    def _check_address(self, target: Target, address: str) -> None:
        if self._allow_loopback and is_loopback(address):
            return
        why = None if self._allow_private else refusal(address)
        if why is not None:
            raise AddressRefused(f"{target.host} is at an address that is refused: {why}.")
        if target.scheme != "https":
            raise AddressRefused(f"{target.host} is called by https only.")

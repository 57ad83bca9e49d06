"""One HTTP/1.1 call on a connection that is there: what is sent, what comes back, what fails."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus

from services.errors import BadGateway

CHUNK = 65536
LONGEST_HEAD = 65536
"""Bytes that all may have that comes before the body of an answer."""
# What describes the message and the connection is ours to say.
OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding"})
# http.client lets spaces through: https://www.rfc-editor.org/rfc/rfc9110#name-tokens
TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class EgressError(BadGateway):
    """An address that came from outside could not be called; `permanent` when it never can."""

    permanent = False


class AddressRefused(EgressError):
    """The address is none that this service calls."""

    permanent = True


class Unreachable(EgressError):
    """Nobody answered in time, or not in HTTP; `timed_out` when it was for the time."""

    def __init__(self, detail: str | None = None, *, timed_out: bool = False) -> None:
        """Keep whether more time might have helped."""
        super().__init__(detail)
        self.timed_out = timed_out


class AnswerTooLarge(EgressError):
    """The answer is larger than it may be."""

    permanent = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back; `body` ends where the limit was, and then it is `truncated`."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    duration: float
    truncated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """An answer whose body is still coming: `chunks` reads it once, to its end."""

    status: int
    headers: Mapping[str, str]
    chunks: Iterator[bytes]


class FinalResponse(http.client.HTTPResponse):
    """Reads on until the final answer: `http.client` skips no interim one (1xx) but 100."""

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if status >= HTTPStatus.OK or status == HTTPStatus.SWITCHING_PROTOCOLS:
                return version, status, reason
            http.client.parse_headers(self.fp)


def sendable(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that are the caller's to set. Raises AddressRefused for what is none."""
    if not all(TOKEN.fullmatch(label) for label in headers):
        raise AddressRefused("A header of the call has no name that a header may have.")
    return {label: value for label, value in headers.items() if label.lower() not in OURS}


def send(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None,
    headers: Mapping[str, str],
) -> None:
    """Send the request. Raises AddressRefused for one that HTTP does not have."""
    try:
        connection.request(method, path, body, headers)
    except ValueError:  # http.client's word for a header or a method that no request may have
        raise AddressRefused("A header or the method of the call is none.") from None


@contextmanager
def told() -> Iterator[None]:
    """Raise what goes wrong on the way as ours, without what the other side sent."""
    try:
        yield
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unreachable(
            f"The call was not answered ({name(error)}).", timed_out=isinstance(error, TimeoutError)
        ) from error


def name(error: Exception | None) -> str:
    """Return what an error is called, and nothing of what it says."""
    return "out of time" if error is None else type(error).__name__


def headers_of(response: http.client.HTTPResponse) -> dict[str, str]:
    """Return the headers of an answer, in lower case, each once."""
    found: dict[str, str] = {}
    for label, value in response.getheaders():
        key = label.lower()
        found[key] = f"{found[key]}, {value}" if key in found else value
    return found


def read_up_to(response: http.client.HTTPResponse, most: int) -> tuple[bytes, bool]:
    """Return the body, or its beginning, and whether it ended before it should have."""
    parts, size = [], 0
    try:
        while size < most and (part := response.read(min(CHUNK, most - size))):
            parts.append(part)
            size += len(part)
    except http.client.IncompleteRead as early:
        return b"".join([*parts, early.partial]), True
    return b"".join(parts), size < most and bool(response.length)


def chunks(response: http.client.HTTPResponse, max_bytes: int) -> Iterator[bytes]:
    """Give the body in parts. Raises AnswerTooLarge, and Unreachable when it ends early."""
    size = 0
    while True:
        with told():
            chunk = response.read(CHUNK)
        if not chunk:
            break
        size += len(chunk)
        if size > max_bytes:
            raise AnswerTooLarge(f"The answer has more than {max_bytes} bytes.")
        yield chunk
    # http.client calls an early end of a body read in parts its end.
    if response.length:
        raise Unreachable(f"The answer ended {response.length} bytes too early.")

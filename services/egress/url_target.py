"""A URL from outside, read so strictly that nobody else can read it as another one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import NoReturn

import idna

LONGEST = 4096
PORTS = {"https": 443, "http": 80}

# Whatever else stands in a URL, one reader ends the host there and another does not.
_PLAIN = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")
_NAME = re.compile(
    r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*"
)
# https://url.spec.whatwg.org/#ends-in-a-number-checker: such a host is an IPv4 address or nothing.
_NUMBER = re.compile(r"([0-9]+|0x[0-9a-f]*)")


class BadUrl(ValueError):
    """The URL is none that is called; the message says why, without the URL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a call goes; `literal` is the host where that is an IP address."""

    scheme: str
    host: str
    port: int
    path: str
    literal: str | None

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def read_target(url: str) -> Target:
    """Return where a URL leads. Raises BadUrl."""
    if not isinstance(url, str) or len(url) > LONGEST:
        raise BadUrl(f"The URL is no text of up to {LONGEST} characters.")
    head, slashes, rest = url.partition("://")
    scheme = head.lower()
    if not slashes or scheme not in PORTS:
        raise BadUrl("The URL begins neither with https:// nor with http://.")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    path = rest[len(authority) :].partition("#")[0]
    if path and not _PLAIN.fullmatch(path):
        raise BadUrl("The URL has a character in its path that has to be percent-encoded.")
    if "@" in authority:
        raise BadUrl("The URL names a user.")
    host, port = _host_and_port(authority, PORTS[scheme])
    literal = _literal(host)
    return Target(
        scheme=scheme,
        host=literal or _name(host),
        port=port,
        path=path if path.startswith("/") else f"/{path}",
        literal=literal,
    )


def _host_and_port(authority: str, default: int) -> tuple[str, int]:
    host, bracket, after = authority.rpartition("]")
    if bracket:
        host, colon, told = host + bracket, *_split_port(after)
    else:
        host, colon, told = authority.partition(":")
    if colon and not re.fullmatch(r"[0-9]{1,5}", told):
        raise BadUrl("The URL has no port that can be read.")
    port = int(told) if colon else default
    if not host or not 1 <= port <= 65535:
        raise BadUrl("The URL has no host, or no port from 1 to 65535.")
    return host, port


def _split_port(after: str) -> tuple[str, str]:
    if after and not after.startswith(":"):
        raise BadUrl("The URL has something behind the brackets of its host.")
    return after[:1], after[1:]


def _literal(host: str) -> str | None:
    """Return the IP address that a host is; None when it is a name."""
    if host.startswith("["):
        return _ipv6(host)
    plain = host.lower().removesuffix(".")
    if not _NUMBER.fullmatch(plain.rpartition(".")[2]):
        return None
    try:
        # It takes no leading zero, no hexadecimal and no fewer than four parts: `getaddrinfo` does.
        return str(IPv4Address(plain))
    except AddressValueError:
        _no_address()


def _ipv6(host: str) -> str:
    try:
        address = IPv6Address(host[1:-1])
    except AddressValueError:
        _no_address()
    if address.scope_id is not None:
        raise BadUrl("The URL's address names a link of this machine.")
    return str(address)


def _no_address() -> NoReturn:
    raise BadUrl("The URL's host looks like an IP address and is not written like one.")


def _name(host: str) -> str:
    """Return a host name in ASCII and lower case, without the dot at its end."""
    plain = host.removesuffix(".")
    try:
        ascii_name = plain if plain.isascii() else idna.encode(plain, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        raise BadUrl("The URL's host is no name.") from None
    lowered = ascii_name.lower()
    if len(lowered) > 253 or not _NAME.fullmatch(lowered):
        raise BadUrl("The URL's host is no name.")
    if _literal(lowered) is not None:
        # Fullwidth digits and their like: only the mapping made an address of it.
        _no_address()
    return lowered

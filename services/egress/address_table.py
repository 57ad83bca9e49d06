"""The addresses that nothing given from outside may make this service call, and why.

The list is our own: what Python's `ipaddress` calls private or global changed between its versions
(CVE-2024-4032), and knows nothing of addresses inside addresses.
https://www.iana.org/assignments/iana-ipv4-special-registry
https://www.iana.org/assignments/iana-ipv6-special-registry
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

IPV4 = {
    "0.0.0.0/8": "this network",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "shared by a carrier's customers",
    "127.0.0.0/8": "this machine",
    "168.63.129.16/32": "a cloud's own service",
    "169.254.0.0/16": "link-local, where clouds tell their secrets",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "assigned to protocols",
    "192.0.2.0/24": "for documentation",
    "192.31.196.0/24": "a sink for stray lookups",
    "192.52.193.0/24": "a relay of multicast",
    "192.88.99.0/24": "a relay into IPv6",
    "192.168.0.0/16": "private",
    "192.175.48.0/24": "a sink for stray lookups",
    "198.18.0.0/15": "for benchmarks",
    "198.51.100.0/24": "for documentation",
    "203.0.113.0/24": "for documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved, or broadcast",
}

# The first that holds an address names the reason; the three halves at the end are all that is no
# global unicast address (2000::/3).
IPV6 = {
    "::/128": "no address",
    "::1/128": "this machine",
    "::ffff:0:0/96": "an IPv4 address in disguise",
    "::ffff:0:0:0/96": "an IPv4 address in disguise",
    "::/8": "an IPv4 address in disguise, or reserved",
    "64:ff9b::/96": "an IPv4 address behind a translator",
    "64:ff9b:1::/48": "an IPv4 address behind a translator",
    "100::/64": "a sink",
    "2001::/32": "an IPv4 address in a Teredo tunnel",
    "2001::/23": "assigned to protocols",
    "2001:db8::/32": "for documentation",
    "2002::/16": "an IPv4 address in a 6to4 tunnel",
    "2620:4f:8000::/48": "a sink for stray lookups",
    "3ffe::/16": "of a test network",
    "3fff::/20": "for documentation",
    "5f00::/16": "for segment routing",
    "fc00::/7": "private",
    "fe80::/10": "link-local",
    "fec0::/10": "site-local",
    "ff00::/8": "multicast",
    "::/3": "not global",
    "4000::/2": "not global",
    "8000::/1": "not global",
}

_REFUSED_V4 = tuple((ip_network(network), why) for network, why in IPV4.items())
_REFUSED_V6 = tuple((ip_network(network), why) for network, why in IPV6.items())

# An interface identifier that carries an IPv4 address (RFC 5214, section 6.1), its universal bit
# set or not.
_ISATAP = 0x0000_5EFE
_UNIVERSAL_BIT = 0x0200_0000

Address = IPv4Address | IPv6Address


def refusal(told: str) -> str | None:
    """Return why this address may not be called, None when it may; what is no address may not."""
    try:
        address = ip_address(told)
    except ValueError:
        return "no IP address"
    if isinstance(address, IPv4Address):
        return next((why for network, why in _REFUSED_V4 if address in network), None)
    return _refusal_v6(address)


def is_loopback(told: str) -> bool:
    """Return whether an address is this very machine's, spelled plainly."""
    try:
        address = ip_address(told)
    except ValueError:
        return False
    return address in ip_network("127.0.0.0/8") or address == IPv6Address("::1")


def _refusal_v6(address: IPv6Address) -> str | None:
    if address.scope_id is not None:
        return "of one link of this machine"
    if (int(address) >> 32) & 0xFFFF_FFFF & ~_UNIVERSAL_BIT == _ISATAP:
        return "an IPv4 address in an ISATAP tunnel"
    return next((why for network, why in _REFUSED_V6 if address in network), None)

"""Names and addresses: what a real DNS server answers, and what any text or number leads to."""

from __future__ import annotations

import ssl
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.egress import AddressRefused, Egress
from services.egress.address_table import refusal
from services.egress.url_target import BadUrl, read_target
from tests.name_server import AAAA, A, NameServer, name_server
from tests.unit.egress_server import OK, PUBLIC, Network, _certificate, answering, server

__all__ = ["_certificate"]

URL = "https://rebinding.example.test/"
SIX = "2606:4700:4700::1111"


def by(names: NameServer, network: Network, certificate: Path | None = None) -> Egress:
    """Return calls whose names that server knows; every address is the network's."""
    tls = ssl.create_default_context(cafile=str(certificate)) if certificate else None
    return Egress(resolve=names.resolve, dial=network.dial, tls=tls)


@pytest.mark.parametrize("inside", ["127.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1"])
def test_rebinding_server_gets_no_call_inside(certificate: Path, inside: str) -> None:
    """Its first answer is public, the next is not; nobody asks between judging and calling."""
    network = Network([])
    with (
        name_server([PUBLIC], [inside]) as names,
        server(certificate, answering(OK)) as (network.port, _),
    ):
        caller = by(names, network, certificate)
        assert caller.request("GET", "https://example.test/").body == b"ok"
        asked = list(names.asked)
        with pytest.raises(AddressRefused):
            caller.request("GET", "https://example.test/")

    assert asked == [("example.test", A), ("example.test", AAAA)]
    assert network.dialled == [(PUBLIC, 443)]


@pytest.mark.parametrize("inside", ["10.0.0.1", "fd00::1", "64:ff9b::7f00:1"])
@pytest.mark.parametrize("beside", [[PUBLIC], [SIX], [PUBLIC, SIX]])
def test_one_answer_of_either_kind_refuses_them_all(beside: list[str], inside: str) -> None:
    network = Network([])
    with name_server([*beside, inside]) as names, pytest.raises(AddressRefused):
        by(names, network).request("GET", URL)

    assert network.dialled == []


def test_names_of_this_machine_are_refused_by_its_own_resolver() -> None:
    with pytest.raises(AddressRefused):
        Egress().request("GET", "https://localhost:8443/")


@given(st.integers(0, 2**32 - 1))
def test_what_python_calls_not_global_is_refused(number: int) -> None:
    address = IPv4Address(number)

    assert refusal(str(address)) or address.is_global


@given(st.integers(0, 2**128 - 1) | st.integers(0x2000 << 112, (0x4000 << 112) - 1))
def test_what_python_calls_not_global_is_refused_in_ipv6(number: int) -> None:
    address = IPv6Address(number)

    assert refusal(str(address)) or address.is_global


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["::", "::ffff:0:0", "::ffff:0:0:0", "64:ff9b::", "64:ff9b:1::", "::5efe:0:0"]),
)
def test_an_ipv4_address_in_an_ipv6_one_is_refused(number: int, prefix: str) -> None:
    assert refusal(str(IPv6Address(int(IPv6Address(prefix)) + number)))


@given(st.integers(0, 2**32 - 1), st.sampled_from([0x2002 << 112, 0x2001 << 112]))
def test_an_ipv4_address_in_a_tunnel_is_refused(number: int, prefix: int) -> None:
    for shift in (80, 64, 0):
        assert refusal(str(IPv6Address((prefix | (number << shift)) & ~(0xFFFF << 96))))


@given(st.text())
def test_any_text_is_an_address_or_refused(told: str) -> None:
    if refusal(told) is None:
        assert ip_address(told).is_global


@given(st.text() | st.from_regex(r"https?://[ -~]{0,40}", fullmatch=True))
def test_any_url_is_read_or_refused(url: str) -> None:
    with suppress(BadUrl):
        target = read_target(url)
        assert "@" not in target.authority
        assert target.host.isascii()
        assert target.path.startswith("/")

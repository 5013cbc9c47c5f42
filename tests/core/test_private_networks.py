"""Which addresses everybody means the same machine by, and which lead into the network that we stand in."""

import ipaddress

import pytest

from samizdat.core import private_networks

INNER = (
    *("127.0.0.1", "127.8.8.8", "0.0.0.0", "::1", "::"),
    *("10.0.0.1", "172.16.0.1", "192.168.1.1", "fd00::1", "fc00::1", "fec0::1"),
    *("169.254.169.254", "fe80::1", "fd00:ec2::254", "168.63.129.16", "100.100.100.200", "192.0.0.192"),
    *("100.64.0.1", "224.0.0.1", "255.255.255.255", "ff02::1", "192.0.2.1", "2001:db8::1"),
    *(
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::a00:1",
        "2002:7f00:1::",
    ),
)


@pytest.mark.parametrize("address", INNER)
def test_nobody_reaches_an_inner_address(address: str) -> None:
    assert not private_networks.permitted(ipaddress.ip_address(address), ())


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"])
def test_public_addresses_are_reached(address: str) -> None:
    assert private_networks.permitted(ipaddress.ip_address(address), ())


def test_what_the_installation_allows_is_reached_and_nothing_beside_it() -> None:
    allowed = private_networks.networks("127.0.0.1, 10.0.5.0/24")
    for address, reached in {
        "127.0.0.1": True,
        "::ffff:127.0.0.1": True,
        "127.0.0.2": False,
        "10.0.5.9": True,
        "10.0.6.9": False,
        "::1": False,
    }.items():
        assert private_networks.permitted(ipaddress.ip_address(address), allowed) == reached, address

"""A relay on our own machine takes us for a neighbor, also where its address is a public one."""

import asyncio
import ipaddress
import socket
from typing import Any

import pytest

from samizdat import own_addresses
from samizdat.campaigns.checks import fetch
from samizdat.transports import dialing


def test_an_address_of_this_machine_is_known_from_anybody_elses() -> None:
    assert own_addresses.is_own(ipaddress.ip_address("127.0.0.1"))
    assert not own_addresses.is_own(ipaddress.ip_address("93.184.216.34"))


def test_where_everything_can_be_bound_to_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_addresses, "_binds", lambda _address: True)
    assert not own_addresses.is_own(ipaddress.ip_address("93.184.216.34"))


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch) -> str:
    """A public address that this machine has."""
    ours = ipaddress.ip_address("93.184.216.34")
    for module in (own_addresses, fetch):
        monkeypatch.setattr(module, "is_own", lambda address: address == ours)
    return str(ours)


def test_no_route_and_no_link_check_goes_to_our_own_public_address(ours: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fetch.ask(f"http://{ours}/", resolve=lambda _host, _port: [ours]).verdict == "inside"

    async def dial(allowed: Any) -> list[str]:
        return await dialing._addresses(ours, 25, allowed)

    with pytest.raises(dialing.PrivateAddress):
        asyncio.run(dial(()))
    assert asyncio.run(dial((ipaddress.ip_network(ours),))) == [ours], "this installation allows it"


def test_an_address_of_two_families_is_asked_about_in_its_own() -> None:
    assert own_addresses.is_own(ipaddress.ip_address("::1")) == _has_ipv6()


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True

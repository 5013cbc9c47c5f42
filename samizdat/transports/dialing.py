"""Connections to a host by its name: only to addresses that the route may lead to, and to the very ones looked at.

A name that leads to a public address when it is looked at, and to the machine's own a moment later, leads nowhere else
by us: it is looked up once, and the connection goes to what was found.
"""

import asyncio
import ipaddress
import socket
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable
from typing import Any

from samizdat.core.private_networks import Network
from samizdat.own_addresses import may_reach

# All routes share one loop, and a relay may be anybody's: it gets 16 kB of attention a turn. At asyncio's 256 kB, 50
# connections full of empty lines held everybody's letters up for 1.7 s a turn.
READ = 16_384
# asyncio has no parameter for it: so much is read of an encrypted connection a turn.
SSLProtocol.max_size = 2 * READ

# An answer longer than this has no end. The longest real ones, to EHLO and of a provider's web interface, have 1 kB.
LONGEST_ANSWER = 65_536


class Narrow(asyncio.BufferedProtocol):
    """A connection that is read a little at a time."""

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(READ))  # asyncio cuts it, and a bytearray would be copied.

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(bytes(self.buffer[:nbytes]))

    def data_received(self, data: bytes) -> None:
        raise NotImplementedError


class PrivateAddress(Exception):
    """The name leads to an address inside our own network, and the route may not."""


async def dial[P: asyncio.BaseProtocol](
    make: Callable[[], P], host: str, port: int, allowed: tuple[Network, ...] | None, **options: Any
) -> P:
    """A connection as asyncio's create_connection makes it. allowed: what the route may reach beside public addresses;
    None: everything. Errors: Inside, and those of asyncio.
    """
    loop = asyncio.get_running_loop()
    if allowed is None:
        return (await loop.create_connection(make, host, port, **options))[1]
    failed: OSError | None = None
    for address in await _addresses(host, port, allowed):
        try:
            return (await loop.create_connection(make, address, port, **options))[1]
        except OSError as error:  # The next one may answer.
            failed = error
    raise failed or socket.gaierror(socket.EAI_NONAME, "no address")


async def _addresses(host: str, port: int, allowed: tuple[Network, ...]) -> list[str]:
    """One that the route may not reach refuses them all."""
    results = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(info[4][0]) for info in results))
    if not all(may_reach(ipaddress.ip_address(address.partition("%")[0]), allowed) for address in addresses):
        raise PrivateAddress
    return addresses

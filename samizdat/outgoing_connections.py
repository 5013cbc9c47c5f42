"""Connections to a host that somebody typed: only to the addresses that were looked at, and to none of the inner
network unless it is allowed by number."""

import socket
import time
from ipaddress import ip_address

from samizdat.core.private_networks import Network
from samizdat.own_addresses import may_reach

# Addresses of a name that are tried.
MOST = 4


class NoSuchHost(OSError):
    """The name leads nowhere."""


class InnerAddress(OSError):
    """The name leads to an address of the inner network, or of this machine."""


def connect(host: str, port: int, inside: tuple[Network, ...] | None, timeout: float) -> socket.socket:
    """A connection that waits `timeout` seconds for what is read and written. inside: what it may reach beside public
    addresses; None: everything. Errors: NoSuchHost, InnerAddress, OSError; TimeoutError among it."""
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise NoSuchHost from None
    if inside is not None and not all(may_reach(ip_address(str(a[4][0]).partition("%")[0]), inside) for a in addresses):
        raise InnerAddress
    failure: OSError = OSError("no address")
    deadline = time.monotonic() + timeout
    for family, kind, protocol, _name, address in addresses[:MOST]:
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(max(0.001, deadline - time.monotonic()))
            connection.connect(address)
            connection.settimeout(timeout)
        except OSError as error:  # The next address may answer.
            connection.close()
            failure = error
        else:
            return connection
    raise failure

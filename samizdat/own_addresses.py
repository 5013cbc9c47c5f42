"""Whether an address is one of this machine. By its number a public one may be: mail servers carry what their own
machine hands them (Postfix: mynetworks), and other services believe whoever asks from there."""

import ipaddress
import socket

from samizdat.core.private_networks import Address, Network, permitted

# Of documentation (RFC 5737): where it can be bound to, the system lets everything be (ip_nonlocal_bind).
_NOBODYS = ipaddress.ip_address("192.0.2.1")


def may_reach(address: Address, allowed: tuple[Network, ...]) -> bool:
    """Whether a host name that an admin typed may lead there. allowed: inner networks, by number."""
    named = any(address in network for network in allowed)
    return permitted(address, allowed) and (named or not is_own(address))


def is_own(address: Address) -> bool:
    """False where the system does not tell."""
    return _binds(address) and not _binds(_NOBODYS)


def _binds(address: Address) -> bool:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True

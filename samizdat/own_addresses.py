"""Whether an address is one of this machine. By its number a public one may be: mail servers carry what their own
machine hands them (Postfix: mynetworks), and other services believe whoever asks from there."""

import ipaddress
import socket

# Of documentation (RFC 5737): where it can be bound to, the system lets everything be (ip_nonlocal_bind).
_NOBODYS = ipaddress.ip_address("192.0.2.1")


def is_own(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """False where the system does not tell."""
    return _binds(address) and not _binds(_NOBODYS)


def _binds(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True

"""Which addresses are of the network that an installation stands in: its machine, its neighbors, a cloud's metadata.

Whoever may type a host name at the desk would reach them all through us, and read from our errors what is there.
"""

import ipaddress

type Address = ipaddress.IPv4Address | ipaddress.IPv6Address
type Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Public by their number, and answered by the cloud that a machine is in: Azure's.
_METADATA = frozenset({ipaddress.ip_address("168.63.129.16")})


def is_public(address: Address) -> bool:
    """Whether everybody on the net means the same machine by it. Addresses that carry another are looked into."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    site = isinstance(address, ipaddress.IPv6Address) and address.is_site_local  # fec0::/10, RFC 3879
    odd = site or address.is_multicast or address.is_reserved or address in _METADATA
    return address.is_global and not odd


def networks(text: str) -> tuple[Network, ...]:
    """Addresses and networks with blanks or commas between them. Errors: ValueError."""
    return tuple(ipaddress.ip_network(network) for network in text.replace(",", " ").split())


def permitted(address: Address, allowed: tuple[Network, ...]) -> bool:
    """Public, or of a network that is allowed. An IPv4 address in an IPv6 one is what it carries."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    meant: Address = mapped or address
    return is_public(meant) or any(meant in network for network in allowed)

"""Asks the servers of a zone directly, and public resolvers, for records of our own domains: what the machine's
resolver keeps isn't what others see. Public resolvers learn nothing but names of sending domains, which stand in every
email.
"""

import ipaddress
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from samizdat import own_addresses
from samizdat.campaigns.sender_domain_check import look_up
from samizdat.core.mail.dns_views import DnsView
from samizdat.options import inner_networks, public_resolvers

if TYPE_CHECKING:
    from dns.message import Message

# Seconds for one answer, and for all; names and servers that are asked about.
PATIENCE, PATIENCE_FOR_ALL = 2.0, 15.0
MOST_NAMES, MOST_SERVERS = 6, 4
PORT = 53


class _Elsewhere(Exception):
    """The name leads to another zone (CNAME), whose servers would have to be asked."""


def views(domain: str, names: Iterable[str]) -> list[DnsView]:
    """names: of records at or below the domain. [] where nobody tells which servers the zone has."""
    until = time.monotonic() + PATIENCE_FOR_ALL
    servers = _servers(domain)
    seen = []
    for name in [*dict.fromkeys(names)][:MOST_NAMES] if servers else []:
        try:
            zone = {server: _of_zone(name, addresses, until) for server, addresses in servers.items()}
            resolvers = {address: _texts(name, address, until, of_zone=False) for address in public_resolvers()}
        except _Elsewhere:
            continue
        seen.append(DnsView(name, zone, resolvers))
    return seen


def _servers(domain: str) -> dict[str, list[str]]:
    """Those of the closest zone, with addresses that may be asked: what DNS names must not lead into our network."""
    labels = domain.split(".")
    hosts: Sequence[str] = []
    for at in range(len(labels) - 1):
        if hosts := look_up(".".join(labels[at:]), "NS", PATIENCE) or []:
            break
    addresses = {host.rstrip("."): _addresses(host) for host in sorted(hosts)[:MOST_SERVERS]}
    return {host: known for host, known in addresses.items() if known}


def _addresses(host: str) -> list[str]:
    every = [address for kind in ("A", "AAAA") for address in look_up(host, kind, PATIENCE) or []]
    return [text for text in every if own_addresses.may_reach(ipaddress.ip_address(text), inner_networks())]


def _of_zone(name: str, addresses: Iterable[str], until: float) -> list[str] | None:
    """By the first address that answers."""
    answers = (_texts(name, address, until, of_zone=True) for address in addresses)
    return next((texts for texts in answers if texts is not None), None)


def _texts(name: str, address: str, until: float, *, of_zone: bool) -> list[str] | None:
    """None for no answer, and for one of a server that doesn't have the zone. Errors: _Elsewhere."""
    import dns.exception
    import dns.flags
    import dns.message
    import dns.query

    if (left := min(PATIENCE, until - time.monotonic())) <= 0:
        return None
    query = dns.message.make_query(f"{name}.", "TXT")
    if of_zone:
        query.flags &= ~dns.flags.RD
    try:
        answer, _by_tcp = dns.query.udp_with_fallback(query, address, timeout=left, port=PORT)
    except (dns.exception.DNSException, OSError, EOFError):
        return None
    return None if of_zone and not answer.flags & dns.flags.AA else _values(answer, of_zone=of_zone)


def _values(answer: "Message", *, of_zone: bool) -> list[str] | None:
    import dns.rcode
    import dns.rdatatype

    if answer.rcode() == dns.rcode.NXDOMAIN:
        return []
    if answer.rcode() != dns.rcode.NOERROR:
        return None
    rows = [row for rows in answer.answer if rows.rdtype == dns.rdatatype.TXT for row in rows]
    if of_zone and not rows and any(rows.rdtype == dns.rdatatype.CNAME for rows in answer.answer):
        raise _Elsewhere
    return [b"".join(row.strings).decode("utf-8", "replace") for row in rows]

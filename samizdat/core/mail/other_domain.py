"""Addresses as they are at another domain."""

from collections.abc import Mapping

from samizdat.core.mail.address import BadAddress, is_at_or_below
from samizdat.core.mail.return_address import normalized


def at_other_domain(address: str, old: str, new: str) -> str:
    """An address, or @domain, at or below `old` as it is at or below `new`; any other one as it was typed."""
    try:
        known = normalized(address)
    except BadAddress:
        return address
    local, _at, name = known.rpartition("@")
    if is_at_or_below(name, old):
        return f"{local}@{name.removesuffix(old)}{new}"
    return address


def after_switch(switched: Mapping[str, str], old: str, new: str) -> dict[str, str]:
    """Domain that was given up -> the one in its place, after one more switch; `new` is in use again."""
    before = {domain: new if to == old else to for domain, to in switched.items() if domain not in (old, new)}
    return {**before, old: new}


def current(address: str, switched: Mapping[str, str]) -> str:
    """The address at the domain that is in place of its own now."""
    for old, new in switched.items():
        if (there := at_other_domain(address, old, new)) != address:
            return there
    return address


def former(address: str, switched: Mapping[str, str]) -> list[str]:
    """The same address at the domains that its own one replaced: mail still comes to these."""
    every = [at_other_domain(address, new, old) for old, new in switched.items()]
    return [other for other in dict.fromkeys(every) if other != address]

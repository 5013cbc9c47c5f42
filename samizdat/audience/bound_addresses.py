"""Addresses that have to stay for now: a letter is on its way to the mailbox. Apps that send letters say so here."""

from collections.abc import Callable

from samizdat.accounts.models import Organization

# (organization, number of a reader), before a transaction -> to be asked in it: whether a letter is on its way to the
# mailbox that they have now.
type Look = Callable[[Organization, int], Callable[[], bool]]
_registered: list[Look] = []


def register(look: Look) -> None:
    """When Django starts."""
    _registered.append(look)


def look(organization: Organization, number: int) -> Callable[[], bool]:
    """Before a transaction: what takes long. What it gives is asked in it."""
    asked = [look(organization, number) for look in _registered]
    return lambda: any(is_bound() for is_bound in asked)

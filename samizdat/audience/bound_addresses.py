"""Addresses that have to stay for now: a letter is on its way to the mailbox. Apps that send letters say so here."""

from collections.abc import Callable

from samizdat.accounts.models import Organization

# (organization, number of a reader) -> whether a letter is on its way to the mailbox that they have now.
_registered: list[Callable[[Organization, int], bool]] = []


def register(asked: Callable[[Organization, int], bool]) -> None:
    """When Django starts."""
    _registered.append(asked)


def is_bound(organization: Organization, number: int) -> bool:
    return any(asked(organization, number) for asked in _registered)

"""Addresses that were planted in exports (threat model, T22): no import takes one, and each that is met is told of.

Exports stand above the audience; they say here which addresses these are, and hear of those that were met.
"""

from collections.abc import Callable, Collection
from datetime import datetime

from samizdat.accounts.models import Organization
from samizdat.audience.models import Import

# Blind indices of all of an organization; raises the alarm for those of an import, and gives the exports' numbers.
type FindPlanted = Callable[[Organization], frozenset[bytes]]
type RaiseAlarms = Callable[[Import, Collection[bytes], datetime], list[int]]

_registered: list[tuple[FindPlanted, RaiseAlarms]] = []


def register(find: FindPlanted, raise_alarms: RaiseAlarms) -> None:
    """When Django starts."""
    _registered.append((find, raise_alarms))


def all_of(organization: Organization) -> frozenset[bytes]:
    return frozenset().union(*(find(organization) for find, _raise in _registered))


def raise_alarms(run: Import, blinds: Collection[bytes], now: datetime) -> list[int]:
    return [number for _find, tell in _registered for number in tell(run, blinds, now)]

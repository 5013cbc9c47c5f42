"""Which address somebody has since it was corrected, as the log says.

An older row of theirs opens, with an index that belongs to it. So each such event says the keyed index of the address
that they have by then, sealed, and the newest is believed before what stands in the row.
"""

from collections.abc import Mapping, Sequence

from samizdat.core.mail import address as addresses
from samizdat.events import queries as events
from samizdat.events.actions import detail_of, is_genuine
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.events.sql import numbers_about
from samizdat.vault.keyring import OrganizationKeys

CHANGED: EventKind = "subscriber.address_changed"
# The same address under another index key (index_renewal.py).
REINDEXED: EventKind = "subscriber.reindexed"
_INDEX = "index"


def detail_for(keys: OrganizationKeys, address: str) -> dict[str, str]:
    """For the detail of the event: the index of their address from now on."""
    return {_INDEX: keys.blind(addresses.comparable(address)).hex()}


def last_indexes(ids: Sequence[int]) -> dict[int, bytes]:
    """The index of the last address of those of them who ever got another one. Some 20 us for each of those."""
    newest = dict(numbers_about([CHANGED, REINDEXED], ids))
    return {
        event.about: index
        for event in (events.believed(newest.values()) if newest else ())
        if event.about is not None and (index := _index_in(event))
    }


def elsewhere(rows: Mapping[int, bytes]) -> set[int]:
    """Of these subscribers, each by the newest event of their address, with the index of their row: who has another one
    by the log. Where the event is none of ours nobody can say it, and nothing is sent."""
    newest = Event.objects.select_related("organization").filter(id__in=[*rows])
    return {
        event.about
        for event in newest
        if event.about is not None and not (is_genuine(event) and _index_in(event) == rows[event.id])
    }


def denied(keys: OrganizationKeys, held: Mapping[int, str]) -> set[int]:
    """Of these subscribers, by row, with the addresses that are sealed of them: whose is one that they had before."""
    last = last_indexes([*held])
    return {id for id, index in last.items() if index not in keys.blinds(addresses.comparable(held[id]))}


def _index_in(event: Event) -> bytes:
    return bytes.fromhex(detail_of(event).get(_INDEX, ""))

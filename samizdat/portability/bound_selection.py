"""Whom another admin agrees to: the condition of a segment as it was when an export was asked for, and which
subscribers it meant, sealed with the export. A segment, a tag or a list can be changed while the export is held, and an
export of the board would be one of everybody, or of as many others."""

import zlib
from datetime import UTC, datetime
from itertools import accumulate, pairwise
from typing import Any

from samizdat.accounts.models import Organization
from samizdat.audience.consistency import all_joined_since
from samizdat.audience.errors import AudienceError
from samizdat.audience.models import NUMBER_MASK, row_id
from samizdat.core import segment
from samizdat.core.mail.ledger import pack_numbers, unpack_numbers
from samizdat.portability.request import BoundSelection, ExportRequest
from samizdat.portability.selection import SelectionFilter

# A list grows while somebody waits for an approval. So many who came here since are no reason to ask anew: fewer than
# anybody opens by hand in a minute (audience/read_limits.py).
MORE, MORE_SHARE = 5, 20


def bind(organization: Organization, wish: ExportRequest, now: datetime) -> BoundSelection:
    """What is sealed. Errors: NoSuchSegment, SegmentBroken."""
    ids = set() if is_of_all(wish) else _ids(organization, wish, now)
    people = len(ids) or wish.wanted.count(organization, now)
    return BoundSelection(people, _packed(ids), now.astimezone(UTC).date(), _condition(organization, wish))


def holds(organization: Organization, wish: ExportRequest, bound: BoundSelection, now: datetime) -> bool:
    """Whether it means nobody but those it meant, and a few who came here since."""
    if is_of_all(wish):
        return True
    try:
        if _condition(organization, wish) != bound.condition:
            return False
        others = _ids(organization, wish, now) - _unpacked(organization, bound.numbers)
    except AudienceError:
        return False
    if len(others) > max(MORE, bound.people // MORE_SHARE):
        return False
    return all_joined_since(others, bound.since)


def is_of_all(wish: ExportRequest) -> bool:
    return wish.wanted.everybody and not wish.lists


def _condition(organization: Organization, wish: ExportRequest) -> dict[str, Any] | None:
    return None if wish.segment is None else segment.dump(wish.wanted.tree(organization))


def _ids(organization: Organization, wish: ExportRequest, now: datetime) -> set[int]:
    wanted = [wish.wanted]
    if len(wish.lists) > 1 and wish.wanted.everybody:
        wanted = [SelectionFilter(on=number) for number in wish.lists]
    return {id for each in wanted for page in each.ids(organization, now) for id in page}


def _packed(ids: set[int]) -> bytes:
    """Their numbers: of each how far it is from the one before, which takes a byte or two of most."""
    numbers = sorted(id & NUMBER_MASK for id in ids)
    return zlib.compress(pack_numbers([after - before for before, after in pairwise([0, *numbers])]))


def _unpacked(organization: Organization, packed: bytes) -> set[int]:
    return {row_id(organization.id, number) for number in accumulate(unpack_numbers(zlib.decompress(packed)))}

"""Whom another admin agrees to: the condition of a segment as it was when an export was asked for, and which
subscribers it meant, sealed with the export. A segment, a tag or a list can be changed while the export is held, and an
export of the board would be one of everybody, or of as many others."""

import time
import zlib
from datetime import UTC, datetime
from itertools import accumulate, pairwise
from math import inf
from typing import Any

from django.utils.translation import gettext as _

from samizdat.accounts.models import Organization
from samizdat.audience.consistency import all_joined_since
from samizdat.audience.errors import AudienceError
from samizdat.audience.models import NUMBER_MASK, row_id
from samizdat.core import segment
from samizdat.core.mail.ledger import pack_numbers, unpack_numbers
from samizdat.portability.errors import ExportRefused
from samizdat.portability.request import BoundSelection, ExportRequest
from samizdat.portability.selection import SelectionFilter

# A list grows while somebody waits for an approval. So many who came here since are no reason to ask anew: fewer than
# anybody opens by hand in a minute (audience/read_limits.py).
MORE, MORE_SHARE = 5, 20
# Seconds of CPU in which it has to be known whom an export means: whoever asks waits for it.
LONGEST = 20.0


def _too_long() -> ExportRefused:
    sentence = _("It takes too long to find who is in this segment. Use fewer conditions, or export a list.")
    return ExportRefused("too_long", sentence)


def bind(organization: Organization, wish: ExportRequest, now: datetime) -> BoundSelection:
    """What is sealed. Errors: NoSuchSegment, SegmentBroken, ExportRefused where it takes too long."""
    ids = set() if is_of_all(wish) else _ids(organization, wish, now, time.thread_time() + LONGEST)
    people = count(organization, wish, now) if is_of_all(wish) else len(ids)
    return BoundSelection(people, _packed(ids), now.astimezone(UTC).date(), _condition(organization, wish))


def count(organization: Organization, wish: ExportRequest, now: datetime) -> int:
    """How many it means now. Errors: as bind()."""
    if wish.segment is None and len(wish.lists) <= 1:
        return wish.wanted.count(organization, now)
    return len(_ids(organization, wish, now, time.thread_time() + LONGEST))


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


def _ids(organization: Organization, wish: ExportRequest, now: datetime, until: float = inf) -> set[int]:
    """until: of time.thread_time()."""
    wanted = [wish.wanted]
    if len(wish.lists) > 1 and wish.wanted.everybody:
        wanted = [SelectionFilter(on=number) for number in wish.lists]
    ids: set[int] = set()
    for each in wanted:
        for page in each.ids(organization, now):
            if time.thread_time() > until:
                raise _too_long()
            ids.update(page)
    return ids


def _packed(ids: set[int]) -> bytes:
    """Their numbers: of each how far it is from the one before, which takes a byte or two of most."""
    numbers = sorted(id & NUMBER_MASK for id in ids)
    return zlib.compress(pack_numbers([after - before for before, after in pairwise([0, *numbers])]))


def _unpacked(organization: Organization, packed: bytes) -> set[int]:
    return {row_id(organization.id, number) for number in accumulate(unpack_numbers(zlib.decompress(packed)))}

"""Whom another admin agrees to: the condition of a segment as it was when an export was asked for, and how many
subscribers it meant, sealed with the export. A segment, a tag or a list can be changed while the export is held, and an
export of the board would be one of everybody."""

from datetime import datetime
from typing import Any

from samizdat.accounts.models import Organization
from samizdat.audience.errors import AudienceError
from samizdat.core import segment
from samizdat.portability.request import BoundSelection, ExportRequest
from samizdat.portability.selection import SelectionFilter

# A list grows while somebody waits for an approval. So many more are no reason to ask anew: fewer than anybody opens by
# hand in a minute (audience/read_limits.py).
MORE, MORE_SHARE = 5, 20


def bind(organization: Organization, wish: ExportRequest, now: datetime) -> BoundSelection:
    """What is sealed. Errors: NoSuchSegment, SegmentBroken."""
    return BoundSelection(_count(organization, wish, now), _condition(organization, wish))


def holds(organization: Organization, wish: ExportRequest, bound: BoundSelection, now: datetime) -> bool:
    """Whether it means those it meant, and hardly more of them."""
    if wish.wanted.everybody and not wish.lists:
        return True
    try:
        if _condition(organization, wish) != bound.condition:
            return False
        return _count(organization, wish, now) <= bound.people + max(MORE, bound.people // MORE_SHARE)
    except AudienceError:
        return False


def _condition(organization: Organization, wish: ExportRequest) -> dict[str, Any] | None:
    return None if wish.segment is None else segment.dump(wish.wanted.tree(organization))


def _count(organization: Organization, wish: ExportRequest, now: datetime) -> int:
    if len(wish.lists) > 1 and wish.wanted.everybody:
        return sum(SelectionFilter(on=number).count(organization, now) for number in wish.lists)
    return wish.wanted.count(organization, now)

"""Saved segments: found by name or number, opened."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from samizdat.audience.models import Segment
from samizdat.audience.segments import names
from samizdat.audience.segments.errors import NoSuchSegment, SegmentBroken
from samizdat.core import segment
from samizdat.vault import house
from samizdat.vault.house import OrganisationKeys
from samizdat.vault.sealed import open_json


@dataclass(frozen=True, slots=True)
class Saved:
    """A segment, opened."""

    id: int
    name: str
    tree: segment.Tree
    version: int
    changed: datetime


def opened(keys: OrganisationKeys, row: Segment) -> Saved:
    told = open_json(keys, row.sealed, "segment", "sealed", row.id) or {"name": "", "tree": {"any": []}}
    return Saved(row.id, told["name"], segment.read(told["tree"]), row.version, row.changed)


def segments(organisation: Any) -> list[Saved]:
    """All of them, by name."""
    keys = house.keys(organisation)
    rows = Segment.objects.filter(organisation=organisation, removed=False)
    return sorted((opened(keys, row) for row in rows), key=lambda one: one.name.casefold())


def segment_by_id(organisation: Any, number: int) -> Segment:
    """Errors: NoSuchSegment, also for another organisation's and for one that was removed."""
    row = Segment.objects.select_related("organisation").filter(organisation=organisation, id=number).first()
    if row is None or row.removed:
        raise NoSuchSegment(_("There is no such segment here. Look at the list of segments."))
    return row


def segment_named(organisation: Any, name: str) -> Segment:
    """Upper and lower case alike. Errors: NoSuchSegment, whose sentence tells the names that there are."""
    indices = name_indices(house.keys(organisation), name)
    row = (
        Segment.objects.select_related("organisation").filter(organisation=organisation, name_index__in=indices).first()
    )
    if row is None:
        known = ", ".join(one.name for one in segments(organisation))
        text = (
            _("There is no segment called %(name)s. Use one of: %(names)s.")
            if known
            else _("There is no segment called %(name)s. Make it first.")
        )
        raise NoSuchSegment(text % {"name": name, "names": known})
    return row


def name_indices(keys: OrganisationKeys, name: str) -> list[bytes]:
    """Blind indices of a segment's name, the current key's first."""
    return keys.blinds(f"segment:{name.strip().casefold()}")


def tree_of(row: Segment) -> segment.Tree:
    """Its condition, if it works. Errors: SegmentBroken."""
    if row.removed:
        raise SegmentBroken(_("The segment was removed. Choose another one, or none."))
    tree = opened(house.keys(row.organisation), row).tree
    names.check(row.organisation, tree)
    return tree


def name_of(row: Segment) -> str:
    """ "" for one that was removed."""
    return opened(house.keys(row.organisation), row).name

"""Saved segments: by name or number, opened, and whether what they ask for is still there."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from msgspec import Struct, field

from samizdat.accounts.models import Organization
from samizdat.audience.models import Segment
from samizdat.audience.segments import discovery
from samizdat.audience.segments.errors import NoSuchSegment, SegmentBroken
from samizdat.core import segment
from samizdat.core.segment import registry
from samizdat.vault import keyring
from samizdat.vault.keyring import OrganizationKeys


class SegmentText(Struct, frozen=True):
    """What is sealed of a segment; of a removed one this."""

    name: str = ""
    tree: dict[str, object] = field(default_factory=lambda: {"any": []})


@dataclass(frozen=True, slots=True)
class SavedSegment:
    """A segment, opened."""

    id: int
    name: str
    tree: segment.Tree
    version: int
    changed: datetime


def opened(keys: OrganizationKeys, row: Segment) -> SavedSegment:
    text = keys.open_json(row.sealed, "segment", "sealed", row.id, SegmentText)
    return SavedSegment(row.id, text.name, segment.read(text.tree), row.version, row.changed)


def segments(organization: Organization) -> list[SavedSegment]:
    """All of them, by name."""
    keys = keyring.keys(organization)
    rows = Segment.objects.filter(organization=organization, removed=False)
    return sorted((opened(keys, row) for row in rows), key=lambda saved_segment: saved_segment.name.casefold())


def segment_by_id(organization: Organization, number: int) -> Segment:
    """Errors: NoSuchSegment, also for another organization's and for one that was removed."""
    row = Segment.objects.select_related("organization").filter(organization=organization, id=number).first()
    if row is None or row.removed:
        raise NoSuchSegment(_("This segment doesn’t exist. Check the list of segments."))
    return row


def segment_named(organization: Organization, name: str) -> Segment:
    """Upper and lower case alike, as its own sealed name says: whoever writes the database without a key exchanges two
    indices. Errors: NoSuchSegment, whose sentence tells the names that there are."""
    keys, wanted = keyring.keys(organization), _comparable(name)
    rows = Segment.objects.select_related("organization").filter(organization=organization, removed=False)
    for row in rows.filter(name_index__in=name_indices(keys, name)):
        if _comparable(name_of(row)) == wanted:
            return row
    known = segments(organization)
    for saved_segment in known:
        if _comparable(saved_segment.name) == wanted:
            return segment_by_id(organization, saved_segment.id)
    text = (
        _("There is no segment called “%(name)s”. Use one of: %(names)s.")
        if known
        else _("There is no segment called “%(name)s”. Create it first.")
    )
    raise NoSuchSegment(text % {"name": name, "names": ", ".join(saved_segment.name for saved_segment in known)})


def _comparable(name: str) -> str:
    return name.strip().casefold()


def name_indices(keys: OrganizationKeys, name: str) -> list[bytes]:
    """Blind indices of a segment's name, the current key's first."""
    return keys.blinds(f"segment:{_comparable(name)}")


def tree_of(row: Segment, saved: SavedSegment | None = None) -> segment.Tree:
    """Its condition, if it works. saved: the segment, where it is open already. Errors: SegmentBroken."""
    if row.removed:
        raise SegmentBroken(_("This segment was deleted. Choose another one, or none."))
    tree = (saved or opened(keyring.keys(row.organization), row)).tree
    check(row.organization, tree)
    return tree


def name_of(row: Segment) -> str:
    """ "" for one that was removed."""
    return opened(keyring.keys(row.organization), row).name


# -- whether what it asks for is still there --


def missing(organization: Organization, tree: segment.Tree) -> set[str]:
    """Kinds of what the segment asks for and is not here any more: tag, list, field, campaign."""
    wanted: dict[str, set[int]] = {}
    for kind, number in segment.references(tree):
        wanted.setdefault(kind, set()).add(number)
    known = discovery.references()
    return {kind for kind, numbers in wanted.items() if known[kind].known(organization, numbers) < numbers}


def broken(organization: Organization, tree: segment.Tree) -> str:
    """Why the segment does not work any more, as a sentence; "" when it does."""
    gone = missing(organization, tree)
    kinds = [kind.refers[0] for kind in registry.kinds() if kind.refers]
    return next((str(discovery.references()[kind].gone) for kind in kinds if kind in gone), "")


def check(organization: Organization, tree: segment.Tree) -> None:
    """Errors: SegmentBroken."""
    if sentence := broken(organization, tree):
        raise SegmentBroken(sentence)

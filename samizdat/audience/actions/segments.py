"""Segments: saved, changed, removed."""

import os
import secrets
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from samizdat.accounts.models import Organization, Person
from samizdat.audience.errors import NoName
from samizdat.audience.models import Segment
from samizdat.audience.segments import describe, lookup
from samizdat.audience.segments.errors import NoSuchSegment, SegmentNameTaken, SegmentOvertaken, SegmentRefused
from samizdat.core import segment
from samizdat.events.actions import record
from samizdat.vault import keyring

LONGEST_NAME = 100
MOST_SEGMENTS = 500  # All of them are opened for a page that offers them.


def add_segment(
    organization: Organization, name: str, tree: segment.Tree, *, now: datetime, by: Person | None = None
) -> Segment:
    """A new segment. Errors: NoName, SegmentNameTaken, SegmentRefused, SegmentBroken."""
    name = _checked(organization, name, tree)
    if Segment.objects.filter(organization=organization, removed=False).count() >= MOST_SEGMENTS:
        raise SegmentRefused("too_many", _("There are already 500 segments. Delete one you don’t need."))
    with _one_of_a_name(), transaction.atomic():
        keys = keyring.held_for_index(keyring.keys(organization))
        row = Segment.objects.create(
            organization=organization, name_index=lookup.name_indices(keys, name)[0], sealed=b"", changed=now
        )
        row.sealed = _sealed(row, name, tree)
        row.save(update_fields=["sealed"])
        record("segment.created", organization, about=row.id, by=by, now=now, detail={"name": name})
    return row


def change_segment(
    row: Segment, name: str, tree: segment.Tree, *, version: int, now: datetime, by: Person | None = None
) -> int:
    """Writes over the version that was opened; the new version. What was released keeps whom it was frozen for.

    Errors: as add_segment, SegmentOvertaken when somebody saved meanwhile, NoSuchSegment when it was removed.
    """
    organization = row.organization
    name = _checked(organization, name, tree, besides=row.id)
    with _one_of_a_name(), transaction.atomic():
        index = lookup.name_indices(keyring.held_for_index(keyring.keys(organization)), name)[0]
        # WHERE is the lock: one of two who save the same version finds nothing to update.
        written = Segment.objects.filter(pk=row.pk, version=version, removed=False).update(
            version=version + 1, changed=now, name_index=index, sealed=_sealed(row, name, tree)
        )
        if written:
            record("segment.changed", organization, about=row.id, by=by, now=now, detail={"name": name})
    if not written:
        lookup.segment_by_id(organization, row.id)
        raise SegmentOvertaken(
            _("Someone else changed this segment since you opened it. Reload the page and check it again.")
        )
    row.refresh_from_db()
    return version + 1


def remove_segment(row: Segment, *, now: datetime, by: Person | None = None) -> None:
    """Takes it away. Drafts that went to it go to nobody until somebody chooses anew. Errors: NoSuchSegment."""
    name = lookup.name_of(row)
    with transaction.atomic():
        gone = Segment.objects.filter(pk=row.pk, removed=False).update(
            removed=True, sealed=b"", name_index=os.urandom(16), changed=now
        )
        if not gone:
            raise NoSuchSegment(_("This segment doesn’t exist. Check the list of segments."))
        record("segment.removed", row.organization, about=row.id, by=by, now=now, detail={"name": name})


def new_seed() -> int:
    """For a random share: kept with the condition, so that it is the same people each time."""
    return secrets.randbits(31)


def _checked(organization: Organization, name: str, tree: segment.Tree, besides: int = 0) -> str:
    """The name as it is kept, of a segment that may be saved."""
    name = " ".join(name.split())[:LONGEST_NAME]
    if not name:
        raise NoName(_("Enter a segment name."))
    describe.read(segment.dump(tree))  # Whoever built it: what could not be read again is not saved.
    lookup.check(organization, tree)
    indices = lookup.name_indices(keyring.keys(organization), name)
    if Segment.objects.filter(organization=organization, name_index__in=indices).exclude(pk=besides).exists():
        raise _taken()
    return name


def _taken() -> SegmentNameTaken:
    return SegmentNameTaken(_("A segment with this name already exists. Choose another name."))


class _one_of_a_name:
    """Two who make the same name at one moment: the second gets the sentence, not the database's error."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if isinstance(error, IntegrityError):
            raise _taken() from error


def _sealed(row: Segment, name: str, tree: segment.Tree) -> bytes:
    text = lookup.SegmentText(name, segment.dump(tree))
    return keyring.keys(row.organization).seal_json(text, "segment", "sealed", row.id)

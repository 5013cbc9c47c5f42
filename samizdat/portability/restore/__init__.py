"""An export of our own format comes in: into an organization that nobody was in before, everything as it was.

Numbers stay, so that links in old letters go on where their key came along. The file is proven and read to its end
before the first row is written (verify.py); then it goes slice by slice (setup.py, subscribers.py), and a killed one
goes on where it was (resume.py).
"""

import io
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from django.db import DatabaseError
from django.utils.translation import gettext as _

from samizdat.accounts.models import Organization, Person
from samizdat.audience.models import Import
from samizdat.portability import age_decryption, read
from samizdat.portability.errors import ExportRefused
from samizdat.portability.restore.documents import read_plan
from samizdat.portability.restore.keys import wrap_keys
from samizdat.portability.restore.resume import (
    SOURCE,
    begun_before,
    done_before,
    fingerprints,
    finish_unchanged,
    insist_on_nobody,
    take_over,
)
from samizdat.portability.restore.setup import begin
from samizdat.portability.restore.subscribers import Clock, Stop, SubscriberRestore
from samizdat.portability.restore.verify import COUNTS, RestoreSteps, Tell, VerifiedExport, prove

__all__ = [
    "COUNTS",
    "SOURCE",
    "RestoreSteps",
    "VerifiedExport",
    "bring_back",
    "bring_upload",
    "is_here",
    "prove",
    "why_not",
    "wrap_keys",
]


def bring_back(
    organization: Organization,
    path: Path,
    *,
    now: Clock,
    by: Person | None = None,
    identity: str = "",
    list_named: str = "",
    dry: bool = False,
    tell: Tell | None = None,
) -> dict[str, int]:
    """Brings an export in; the counts. `identity`: the text of an age key file, for a sealed one. `list_named`: where
    the subscriptions of an export with a single list go.

    The same file again changes nothing. Errors: ExportRefused with nothing written, ImportTaken.
    """
    with _open(path, identity) as file, read.OpenedExport(file) as opened:
        marks = fingerprints(organization, opened)
        if done := done_before(organization, marks):
            return done
        begun = begun_before(organization, marks, now())
        if begun is None:
            insist_on_nobody(organization)
        steps = RestoreSteps(opened, tell)
        proven = prove(opened, steps)
        if dry:
            return proven.counts
        if begun is None:
            begun = begin(organization, opened, marks[0], list_named, proven.highest, now(), by)
        return _take(organization, opened, begun, steps, now, by)


def bring_upload(
    row: Import,
    opened: read.OpenedExport,
    highest: int,
    *,
    now: Clock,
    tell: Tell | None = None,
    stop: Stop | None = None,
) -> None:
    """Brings in, or goes on with, an export that was uploaded and proven (upload.inspect) into the import `row`,
    which this process owns. `highest`: number of a subscriber in it. Errors: ExportRefused,
    subscribers.ExportStopped."""
    organization = row.organization
    marks = fingerprints(organization, opened)
    if done := done_before(organization, marks):
        finish_unchanged(row, done, now())
        return
    if read_plan(row).places is None:
        begun = begun_before(organization, marks, now())
        if begun is None:
            begin(organization, opened, marks[0], "", highest, now(), row.by, row)
        else:
            take_over(begun, row)
    row.refresh_from_db()
    _take(organization, opened, row, RestoreSteps(opened, tell, proven=True), now, row.by, stop)


def _take(
    organization: Organization,
    opened: read.OpenedExport,
    row: Import,
    steps: "RestoreSteps",
    now: Clock,
    by: Person | None,
    stop: Stop | None = None,
) -> dict[str, int]:
    coming = SubscriberRestore(organization, opened, row, now)
    try:
        coming.take(steps, by, stop)
        return coming.finish(by)
    except BaseException:
        # Whatever broke may keep us from writing this too; a dead owner is noticed all the same.
        with suppress(DatabaseError):
            Import.objects.filter(pk=coming.row.pk, owner=coming.row.owner).update(owner="")
        raise


def why_not(organization: Organization, opened: read.OpenedExport, now: datetime) -> str:
    """Why this export could not come in: a sentence, "" for nothing. Errors: ImportTaken."""
    marks = fingerprints(organization, opened)
    if is_here(organization, opened) or begun_before(organization, marks, now) is not None:
        return ""
    try:
        insist_on_nobody(organization)
    except ExportRefused as refused:
        return str(refused)
    return ""


def is_here(organization: Organization, opened: read.OpenedExport) -> bool:
    """Whether the same export came in before, whole."""
    return done_before(organization, fingerprints(organization, opened)) is not None


def _open(path: Path, identity: str) -> BinaryIO:
    """The zip, opened; a sealed one in memory, since nothing plain may lie on the disk."""
    file = path.open("rb")
    if not age_decryption.is_sealed(file.read(32)):
        file.seek(0)
        return file
    with file:
        if not identity:
            sentence = _("This export is encrypted. Name the key file that opens it with `--identity FILE`.")
            raise ExportRefused("sealed_file", sentence)
        file.seek(0)
        plain = io.BytesIO()
        read.unseal(file, identity, lambda piece: _put(plain, piece))
    plain.seek(0)
    return plain


def _put(plain: io.BytesIO, piece: bytes) -> None:
    plain.write(piece)

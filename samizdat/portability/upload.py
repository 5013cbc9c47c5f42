"""An export of our own format that somebody drops at the desk: known, opened, looked through, brought in by the worker.

It is an import like any other (imports/actions.py has its uploading and cancelling), with this instead of columns: it
goes into an organization that nobody was in before, or nowhere, and everything in it is told before a row is written.
"""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import BinaryIO

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import override
from msgspec.structs import replace

from samizdat.accounts.models import Person
from samizdat.accounts.sealed_settings import leading
from samizdat.audience.errors import ImportTaken
from samizdat.audience.imports import confirmation, failures, ownership, uploads
from samizdat.audience.imports.documents import sealed
from samizdat.audience.imports.reading.upload_file import PieceFile
from samizdat.audience.models import Import
from samizdat.events.actions import record
from samizdat.portability import age_decryption, own_format, read, restore, subscribers, tables
from samizdat.portability.errors import ExportRefused
from samizdat.portability.restore.documents import FoundList, RestoreDocument, RestoreReport, read_plan, read_report
from samizdat.vault import keyring

SOURCE = restore.SOURCE

# Files of the upload: as it came, and what came out of a sealed one.
GIVEN, OPENED = 0, 1


def claim(row: Import, files: int) -> bool:
    """Whether an upload whose pieces are all here is one of our own exports; it is marked as one then."""
    if files != 1 or not uploads.complete(row, 1) or not own_format.is_export(_file(row, GIVEN)):
        return False
    return bool(Import.objects.filter(pk=row.pk, state="uploading").update(source=SOURCE))


def is_one(number: int) -> bool:
    return Import.objects.filter(pk=number, source=SOURCE).exists()


def _file(row: Import, number: int) -> BinaryIO:
    """Buffered, since a zip's reader takes it for granted that it gets as much as it asks for."""
    keys = keyring.keys(row.organization)
    size = uploads.sizes(keys, row)[number]
    return io.BufferedReader(PieceFile(number, uploads.PIECE, size, partial(uploads.get, keys, row)), 16 << 10)


@contextmanager
def _opened(row: Import) -> Iterator[read.OpenedExport]:
    with _file(row, OPENED if OPENED in _files(row) else GIVEN) as file, read.OpenedExport(file) as opened:
        yield opened


def _files(row: Import) -> set[int]:
    return set(row.pieces.values_list("file", flat=True).distinct())


def inspect(number: int, *, now: Callable[[], datetime]) -> Import:
    """Proves an upload and tells what is in it; writes nothing else. What cannot be read becomes state 'failed'."""
    row = ownership.take(number, ("reading", "found"), now())
    try:
        with override(leading(row.organization).language):
            report, highest = _look(row, now)
    except ExportRefused as refused:
        return _failed(row, refused, now())
    except BaseException:
        Import.objects.filter(pk=row.pk, owner=row.owner).update(owner="")
        raise
    rows = report.counts["rows"] if report.counts else None
    done = {"state": "found", "owner": "", "tries": 0, "rows_total": rows, **sealed(row, "report", report)}
    done |= sealed(row, "plan", replace(read_plan(row), highest=highest, go=0))
    Import.objects.filter(pk=row.pk, owner=row.owner, state="reading").update(**done)
    row.refresh_from_db()
    return row


def _look(row: Import, now: Callable[[], datetime]) -> tuple[RestoreReport, int]:
    if OPENED not in _files(row):
        with _file(row, GIVEN) as file:
            head = file.read(64)
        if age_decryption.is_sealed(head):
            return RestoreReport(sealed="passphrase" if age_decryption.is_by_passphrase(head) else "key"), 0
    with _opened(row) as opened:

        def beat(_done: int, _whole: int) -> None:
            if not Import.objects.filter(pk=row.pk, owner=row.owner).update(heartbeat=now()):
                raise ImportTaken

        proven = restore.prove(opened, restore.RestoreSteps(opened, beat))
        organization = opened.manifest.get("organization")
        report = RestoreReport(
            from_=str(organization.get("name", ""))[:200] if isinstance(organization, dict) else "",
            made_at=str(opened.manifest.get("made", ""))[:40],
            made_by=str(opened.manifest.get("made_by", ""))[:40],
            counts=proven.counts,
            lists=[FoundList(str(of["name"])[:200], dict(proven.lists[int(of["number"])])) for of in opened.lists],
            also={"tags": len(opened.tags), "fields": len(opened.fields), **tables.many(opened)},
            keys=bool(opened.table("keys.json")),
            why_not=restore.why_not(row.organization, opened, now()),
            here=restore.is_here(row.organization, opened),
        )
        return report, proven.highest


def unseal(row: Import, secret: str, *, now: datetime, by: Person | None) -> None:
    """Opens a sealed upload by the text of an age key file or a passphrase, which is forgotten at once: what comes out
    lies sealed with the organization's key, as the upload did. Errors: ExportRefused, and it waits on."""
    if row.state != "found" or not read_report(row).sealed:
        return
    if not secret.strip():
        raise ExportRefused(
            "sealed_file", _("This file is encrypted. Provide the key or the passphrase that opens it.")
        )
    keys, number = keyring.keys(row.organization), 0

    def take(piece: bytes) -> None:
        nonlocal number
        uploads.put(keys, row, OPENED, number, piece)
        number += 1

    if GIVEN in _files(row):  # Else somebody was killed just behind it, and all is opened.
        row.pieces.filter(file=OPENED).delete()
        try:
            with _file(row, GIVEN) as file:
                read.unseal(file, secret, take, row.organization_id)
        except BaseException:
            row.pieces.filter(file=OPENED).delete()
            raise
    if OPENED not in _files(row):
        raise own_format.torn()  # Nothing was sealed in it.
    with _file(row, OPENED) as file:
        ours = own_format.is_export(file)
    # Piece by piece, and not in the transaction below: half a gigabyte at once would hold up everybody else.
    row.pieces.filter(file=GIVEN).delete()
    other = {} if ours or row.list_id is None else _handed_over(row)
    with transaction.atomic():
        if Import.objects.filter(pk=row.pk, state="found").update(state="reading", report_sealed=b"", **other):
            record("subscribers.import.uploaded", row.organization, about=row.pk, by=by, now=now)
    row.refresh_from_db()


def _handed_over(row: Import) -> dict[str, object]:
    """Mailchimp's layout, or whatever else was sealed: it is looked at like any file (actions/imports.inspect). What
    changes of the import."""
    keys = keyring.keys(row.organization)
    for number in list(row.pieces.filter(file=OPENED).order_by("number").values_list("number", flat=True)):
        uploads.put(keys, row, GIVEN, number, uploads.get(keys, row, OPENED, number))
        row.pieces.filter(file=OPENED, number=number).delete()
    plan = read_plan(row)
    names = [name.removesuffix(".age") for name in plan.names]
    return {"source": "", **sealed(row, "plan", replace(plan, names=names))}


def start(row: Import, *, now: datetime, by: Person | None) -> None:
    """What was found shall come in; the worker does it. Keys that come along are wrapped here, by an admin's press: the
    worker may not. Errors: ExportRefused."""
    report = read_report(row)
    if report.counts is None:
        return
    if report.why_not:
        raise ExportRefused("not_empty", report.why_not)
    done, document = {"state": "waiting", "by": by, "problem": "", "tries": 0}, _with_wrapped(row, now)
    with transaction.atomic():
        if Import.objects.filter(pk=row.pk, state__in=("found", "stopped")).update(**done):
            confirmation.start(row, document, now=now, by=by)
    row.refresh_from_db()


def _with_wrapped(row: Import, now: datetime) -> RestoreDocument:
    """The plan with the keys that come along; as it is where it has begun: they are in, and the file may be gone."""
    plan = read_plan(row)
    if plan.places or not row.pieces.exists():
        return plan
    with _opened(row) as opened:
        return replace(plan, wrapped=restore.wrap_keys(row.organization, opened, now))


def run(number: int, *, now: Callable[[], datetime], stop: Callable[[], bool] | None = None) -> Import:
    """The worker brings it in, or goes on with it. Errors: ImportTaken."""
    row = ownership.take(number, ("waiting", "running", "stopped"), now())
    if not confirmation.holds(row):
        confirmation.refuse(row)
        return row

    def stopped() -> bool:
        return bool(stop and stop()) or Import.objects.filter(pk=number, problem="stop_asked").exists()

    highest = read_plan(row).highest
    mine = Import.objects.filter(pk=row.pk, owner=row.owner)
    mine.update(state="running", started=row.started or now())
    row.refresh_from_db()
    try:
        with override(leading(row.organization).language), _opened(row) as opened:
            restore.bring_upload(row, opened, highest, now=now, stop=stopped)
    except subscribers.ExportStopped:
        # Let go of by now: whoever stops it leaves it to the next one.
        Import.objects.filter(pk=row.pk, state="running", owner="").update(state="stopped", problem="")
    except ExportRefused as refused:
        return _failed(row, refused, now())
    except BaseException:
        mine.update(owner="")
        raise
    row.refresh_from_db()
    return row


def _failed(row: Import, refused: ExportRefused, now: datetime) -> Import:
    done = {"state": "failed", "owner": "", "problem": refused.code[:40]}
    done |= sealed(row, "report", RestoreReport(sentence=str(refused)))
    with transaction.atomic():
        Import.objects.filter(pk=row.pk, owner__in=("", row.owner)).update(**done)
        uploads.drop(row)
        failures.ended(row, failures.FAILED, now)
    row.refresh_from_db()
    return row

"""A whole account at the desk: its export, which an admin drops and which is known by its names, or its standing copy.
Looked through, and brought in by the worker. An import like any other (imports/actions.py has its uploading and
cancelling), with this instead of columns."""

import io
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial

from django.db import DatabaseError, transaction
from django.utils.translation import override
from msgspec.structs import replace

from samizdat.accounts.models import Person
from samizdat.accounts.sealed_settings import leading
from samizdat.audience.errors import AudienceError, ImportRefused, ImportTaken, TooManyRemovals
from samizdat.audience.imports import confirmation, failures, held, ownership, uploads
from samizdat.audience.imports.documents import AccountRules, ImportDocument, ImportOptions, read_plan, sealed
from samizdat.audience.imports.inspect import UploadedFile
from samizdat.audience.imports.reading.upload_file import PieceFile
from samizdat.audience.models import Import
from samizdat.campaigns.errors import CampaignError
from samizdat.core import zip_limits
from samizdat.portability import own_format
from samizdat.portability.account import export
from samizdat.portability.account import run as account
from samizdat.portability.account.documents import COPY, SOURCE, SOURCES, AccountReport, FoundAudience, read_report
from samizdat.portability.account.source import AccountSource
from samizdat.portability.account_copies import restoring
from samizdat.portability.errors import ExportRefused
from samizdat.vault import keyring

# What only the export of a whole account has, in lower case.
_MARKS = ("campaigns_content/", "granular_activity/", "aggregate_activity/", "lists/members/")

LONGEST_BASIS = 1_000


def claim(row: Import, files: int) -> bool:
    """Whether an upload whose pieces are all here is the export of a whole account; it is marked as one then."""
    if files != 1 or not uploads.complete(row, 1):
        return False
    uploaded = _file(row, "")
    file = io.BufferedReader(PieceFile(0, uploads.PIECE, uploaded.size, uploaded.piece), 16 << 10)
    try:
        names = [name.lower() for name in zip_limits.names(own_format.directory(file))]
    except ExportRefused:
        return False
    if not any(mark in name for name in names for mark in _MARKS):
        return False
    return bool(Import.objects.filter(pk=row.pk, state="uploading").update(source=SOURCE))


def is_one(number: int) -> bool:
    return Import.objects.filter(pk=number, source__in=SOURCES).exists()


def _file(row: Import, name: str) -> UploadedFile:
    keys = keyring.keys(row.organization)
    size = uploads.sizes(keys, row).get(0, 0)
    return UploadedFile(name or "account.zip", size, partial(uploads.get, keys, row), f"upload {row.pk}")


def inspect(number: int, *, now: Callable[[], datetime]) -> Import:
    """Looks an upload through; writes nothing else. What cannot be read becomes state 'failed'."""
    row = ownership.take(number, ("reading", "found"), now())
    document = read_plan(row)
    file = _file(row, document.names[0])
    try:
        with override(leading(row.organization).language):
            plan = export.plan_of(row.organization, file, _rules(document).lists)
            export.look(row.organization, file, plan, options=document.options, now=now())
    except ImportRefused as refused:
        return _failed(row, refused, now())
    except BaseException:
        Import.objects.filter(pk=row.pk, owner=row.owner).update(owner="")
        raise
    report = AccountReport(
        contents=plan.contents,
        audiences=[
            FoundAudience(held.audience.key, held.list_name, held.counts.get("rows", 0), held.statuses)
            for held in plan.audiences
        ],
        warnings=list(dict.fromkeys(warning for held in plan.audiences for warning in held.warnings)),
    )
    rows = sum(audience.rows for audience in report.audiences)
    done = {"state": "found", "owner": "", "tries": 0, "rows_total": rows, **sealed(row, "report", report)}
    done |= sealed(row, "plan", replace(document, go=0))
    Import.objects.filter(pk=row.pk, owner=row.owner, state="reading").update(**done)
    row.refresh_from_db()
    return row


def start(
    row: Import,
    *,
    lists: dict[str, str],
    basis: str,
    options: ImportOptions,
    listed: bool,
    keep_deleted: bool = False,
    keep_unticked: bool = False,
    now: datetime,
    by: Person | None,
) -> None:
    """What was found shall come in; the worker does it. lists: key of an audience -> name of its list. keep_deleted,
    keep_unticked: as of AccountRules. One that was stopped goes on as it was begun."""
    report, document = read_report(row), read_plan(row)
    if row.state == "found" and report.contents is not None:
        names = {held.key: lists.get(held.key, "").strip() or held.list_name for held in report.audiences}
        account = replace(
            _rules(document), lists=names, listed=listed, keep_deleted=keep_deleted, keep_unticked=keep_unticked
        )
        document = replace(document, basis=basis.strip()[:LONGEST_BASIS], options=options, account=account)
    elif row.state != "stopped":
        return
    with transaction.atomic():
        done = {"state": "waiting", "by": by, "problem": "", "tries": 0}
        if Import.objects.filter(pk=row.pk, state__in=("found", "stopped")).update(**done):
            confirmation.start(row, document, now=now, by=by)
    row.refresh_from_db()


def run(number: int, *, now: Callable[[], datetime], stop: Callable[[], bool] | None = None) -> Import:
    """The worker brings it in, or goes on with it; where it takes many off lists, once an admin has approved it.
    Errors: ImportTaken."""
    row = ownership.take(number, ("waiting", "running", "stopped"), now())
    if not confirmation.holds(row):
        confirmation.refuse(row)
        return row

    def stopped() -> bool:
        return bool(stop and stop()) or Import.objects.filter(pk=number, problem="stop_asked").exists()

    mine = Import.objects.filter(pk=row.pk, owner=row.owner)
    mine.update(state="running", started=row.started or now())
    row.refresh_from_db()
    try:
        account.bring(row, _source(row), now=now, stop=stopped, tell=lambda rows, *_: _beat(row, rows, now()))
    except account.ImportStopped:
        Import.objects.filter(pk=row.pk, state__in=("running", "stopped")).update(state="stopped", owner="", problem="")
    except TooManyRemovals as over:
        _hold(row, over.many, now())
    except (ImportRefused, CampaignError) as refused:
        return _failed(row, refused, now())
    except BaseException:
        with suppress(DatabaseError):
            Import.objects.filter(pk=row.pk, owner__in=("", row.owner)).update(owner="", state="running")
        raise
    row.refresh_from_db()
    return row


def _source(row: Import) -> AccountSource:
    """Errors: ImportRefused."""
    document = read_plan(row)
    if row.source == COPY:
        return restoring.source_of(row)
    file = _file(row, document.names[0])
    plan = export.plan_of(row.organization, file, _rules(document).lists)
    return export.ExportedAccount(file, plan, document.options)


def _rules(document: ImportDocument) -> AccountRules:
    return document.account or AccountRules()


def _beat(row: Import, rows: int, now: datetime) -> None:
    done = {"heartbeat": now, "counts": {"rows": rows}, "tries": 0}
    if not Import.objects.filter(pk=row.pk, owner=row.owner).update(**done):
        raise ImportTaken


def _hold(row: Import, many: int, now: datetime) -> None:
    """What is in stays; the rest waits for an admin."""
    with transaction.atomic():
        if Import.objects.filter(pk=row.pk, state="stopped", owner="").update(state="held", problem=""):
            row.refresh_from_db()
            document = replace(read_plan(row), account=_rules(read_plan(row)))
            held.ask(row, document, many, now=now, by=row.by, always=True)


def _failed(row: Import, refused: AudienceError | CampaignError, now: datetime) -> Import:
    done = {"state": "failed", "owner": "", "problem": refused.code[:40]}
    done |= sealed(row, "report", AccountReport(sentence=str(refused)))
    with transaction.atomic():
        Import.objects.filter(pk=row.pk, owner__in=("", row.owner)).update(**done)
        uploads.drop(row)
        failures.ended(row, failures.FAILED, now)
    row.refresh_from_db()
    return row

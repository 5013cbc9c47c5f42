"""A whole export from its first byte to its last, to wherever it goes."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from samizdat import db
from samizdat.accounts.models import Organization
from samizdat.audience import headcount
from samizdat.audience.numbers import one_number
from samizdat.portability import age_encryption, canary, flat_table, mailchimp, native, subscribers, tables
from samizdat.portability.age_passphrase import PassphraseOut, PassphraseSeal
from samizdat.portability.parts import registry
from samizdat.portability.request import ExportRequest
from samizdat.portability.selection import SelectedRows
from samizdat.portability.zip_stream import PlainWriter, ZipOutput, ZipWriter

FORMATS = ("samizdat", "mailchimp", "csv", "xlsx")
VERSION = "0.1.0"

# How often everybody is gone through, for the progress.
ROUNDS = {"samizdat": 3, "mailchimp": 1, "csv": 1, "xlsx": 1}


class CountingWriter:
    """Counts what goes through."""

    def __init__(self, out: ZipOutput) -> None:
        self._out = out
        self.bytes = 0

    def write(self, data: bytes) -> None:
        self._out.write(data)
        self.bytes += len(data)


def write(
    organization: Organization,
    wish: ExportRequest,
    planted: canary.Canary | None,
    out: ZipOutput,
    *,
    now: datetime,
    tell: subscribers.Tell | None = None,
    stop: Callable[[], bool] | None = None,
    seal: PassphraseSeal | None = None,
) -> tuple[dict[str, Any], int]:
    """(counts, bytes written). seal: of one by a passphrase. Errors: ExportRefused, subscribers.ExportStopped."""
    home = subscribers.ExportContext(organization)
    if planted is not None and not canary.is_free(home, planted):
        planted.person.number = one_number(organization.id)
    whole = headcount.of(organization.id) * ROUNDS[wish.format]
    progress = subscribers.ExportProgress(whole, tell, stop)
    counted = CountingWriter(out)
    sealed = None if wish.is_plain else _sealed(counted, wish, seal)
    into: ZipOutput = sealed or counted
    box: ZipWriter | PlainWriter = ZipWriter(into, now) if wish.zipped or wish.format != "csv" else PlainWriter(into)
    try:
        with db.bulk_reading():
            counts = _write(box, home, wish, planted, progress, now)
        box.close()
        if sealed is not None:
            sealed.close()
    except BaseException:
        box.stop()
        if sealed is not None:
            sealed.stop()
        raise
    return counts, counted.bytes


def _sealed(
    out: ZipOutput, wish: ExportRequest, seal: PassphraseSeal | None
) -> age_encryption.SealedOut | PassphraseOut:
    if not wish.passphrase:
        return age_encryption.SealedOut(out, age_encryption.recipients(wish.recipients))
    assert seal is not None, "A file by a passphrase is never written without."
    return PassphraseOut(out, seal)


def _write(
    box: ZipWriter | PlainWriter,
    home: subscribers.ExportContext,
    wish: ExportRequest,
    planted: canary.Canary | None,
    progress: subscribers.ExportProgress,
    now: datetime,
) -> dict[str, Any]:
    only = None
    if wish.segment is not None or wish.fit is not None:
        only = SelectedRows(wish.wanted.ids(home.organization, now))
    one_list = wish.lists[0] if wish.lists else None
    if wish.format == "csv":
        return flat_table.write(flat_table.CsvTable(box, "subscribers.csv"), home, planted, progress, one_list, only)
    assert isinstance(box, ZipWriter)
    if wish.format == "xlsx":
        return flat_table.write(flat_table.XlsxTable(box), home, planted, progress, one_list, only)
    if wish.format == "mailchimp":
        lists = list(wish.lists) or list(home.lists)
        return {"lists": mailchimp.write(box, home, planted, progress, lists, only)}
    besides_them: dict[str, Any] = {"extras": tables.extras, "parts": registry.parts(setup=wish.setup)}
    return native.write(box, home, planted, progress, now=now, version=VERSION, keys=wish.keys, **besides_them)


def ending(wish: ExportRequest) -> str:
    """Of the file's name."""
    plain = "xlsx" if wish.format == "xlsx" else "csv" if wish.format == "csv" and not wish.zipped else "zip"
    return plain if wish.is_plain else f"{plain}.age"


def names(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(text.strip() for text in texts if text.strip())

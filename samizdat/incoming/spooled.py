"""Moves mail that the listener took in into the database: kept there before its file goes."""

import logging
from collections.abc import Callable
from datetime import date
from pathlib import Path

from django.db import transaction

from samizdat import mail_spool
from samizdat.accounts.models import Organization
from samizdat.incoming import intake
from samizdat.incoming.errors import IncomingFull
from samizdat.vault.locks import with_keys

log = logging.getLogger("samizdat.worker")


def take_in(today: date, stops: Callable[[], bool]) -> int:
    """How many messages. Of one that is taken in and then crashes before its file goes a second copy comes: what
    follows from a message follows once, and of two that are alike too."""
    taken, full = 0, dict[bytes, int]()
    for files in mail_spool.waiting(mail_spool.folder()):
        if stops():
            break
        here = {bytes(row.uid): row for row in Organization.objects.filter(with_keys())}
        owned: dict[bytes, list[tuple[Path, bytes]]] = {}
        for path in files:
            uid, size = mail_spool.owner(path), path.stat().st_size
            if size < full.get(uid, size + 1):
                owned.setdefault(uid, []).append((path, mail_spool.read(path)[1]))
        for uid, rows in owned.items():
            if uid in here:
                taken += _take(here[uid], rows, today, full)
            else:
                log.warning("Mail waited for an organization that isn't here; it was deleted.")
                _remove(rows)
    return taken


def _take(organization: Organization, rows: list[tuple[Path, bytes]], today: date, full: dict[bytes, int]) -> int:
    """full: uid of an organization -> bytes of a message for which there is no room now. It waits, and so do the larger
    ones, which nobody reads for that."""
    try:
        with transaction.atomic():
            intake.take_boxes(organization, [box for _path, box in rows], today)
    except IncomingFull:
        if len(rows) > 1:
            return sum(_take(organization, [row], today, full) for row in rows)
        uid, size = bytes(organization.uid), rows[0][0].stat().st_size
        full[uid] = min(size, full.get(uid, size))
        return 0
    _remove(rows)
    return len(rows)


def _remove(rows: list[tuple[Path, bytes]]) -> None:
    for path, _box in rows:
        path.unlink(missing_ok=True)

"""The public database's file on SQLite is made anew where it is broken: what is published is published again, and what
readers sent is carried over as far as it can be read. Nobody has to be stopped for it: connections follow to the new
file."""

import logging
import time
from datetime import datetime
from pathlib import Path

from samizdat.accounts.models import Organization
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind
from samizdat.publicdb import sqlite_file
from samizdat.vault.locks import unlocked
from samizdat.worker.publishing import publish

log = logging.getLogger("samizdat.worker")

MENDED: EventKind = "publicdb.mended"  # doctor looks for it.
# Seconds between two tries: where the disk is full, or may only be read, none will do.
AGAIN = 60.0
# Seconds between two readings of the whole file. At the start too, and when something came upon a damaged page.
READ_AGAIN = 3600.0
_suspected = True
_not_before, _read_at = 0.0, 0.0


def suspect(error: BaseException) -> None:
    """Somebody came upon this error."""
    global _suspected
    _suspected = _suspected or sqlite_file.says_broken(error)


def look(now: datetime) -> bool:
    """Whether the public database's file was broken; it is whole again."""
    global _suspected, _not_before, _read_at
    place = sqlite_file.path()
    if place is None or time.monotonic() < _not_before:
        return False
    thorough = _suspected or time.monotonic() - _read_at > READ_AGAIN
    if thorough:
        _suspected, _read_at = False, time.monotonic()
    fault = sqlite_file.fault(place, thorough=thorough)
    if not fault:
        return False
    _not_before = time.monotonic() + AGAIN
    if fault == sqlite_file.CLOSED:
        sqlite_file.open_up(place)
    if fault != sqlite_file.CLOSED or sqlite_file.fault(place, thorough=thorough):
        _make_anew(place, now)
    _not_before = 0.0
    log.error("The public database's file was broken (%s); it was made anew, with what could be read of it.", fault)
    for organization in Organization.objects.filter(unlocked()):
        record(MENDED, organization, now=now)
    return True


def _make_anew(place: Path, now: datetime) -> None:
    from samizdat.database_migrations import migrate  # Loads much that a worker hardly ever needs.

    with sqlite_file.instead(place):
        migrate("publicdb", "publicdb")
        publish.missing_places(now)  # Their letters follow.

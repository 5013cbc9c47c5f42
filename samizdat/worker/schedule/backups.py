"""Backups by themselves: each kept place gets one a night, and a full one a week (backup/due.py); once a week, whether
the newest one restores is tested. In a thread, as a place may take hours; one after the other, as all of them read the
same disk. A backup that was broken off goes on: what the place has is not written again."""

import contextlib
import logging
import threading
import time
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import DatabaseError, connections

from samizdat import dbclock
from samizdat.accounts.models import Organization
from samizdat.backup import kept_places
from samizdat.backup.due import due_kind, usual_kind
from samizdat.backup.errors import BackupRefused
from samizdat.backup.restore_test import records, running
from samizdat.backup.restore_test.running import RESTORE, Interrupted
from samizdat.delivery import backup_places, backup_progress
from samizdat.delivery.actions import copied_installation
from samizdat.delivery.backup_places import KeptPlace
from samizdat.delivery.backup_progress import Work
from samizdat.delivery.backup_standing import backup_standing
from samizdat.events.kinds import EventKind
from samizdat.events.queries import was_said
from samizdat.logs import where_it_broke
from samizdat.publicdb import sqlite_file
from samizdat.vault.locks import unlocked
from samizdat.worker.stopping import stopping

log = logging.getLogger("samizdat.worker")

# Seconds between two looks at what is due. Processes that read: emails that are being sent need the other core.
EVERY, JOBS = 60.0, 1
# Seconds after which a place is tested once more, whatever the log says; between two looks at whether backups are made.
TESTED_AGAIN, STANDING = 86_400.0, 3600.0
# And before the first test: a start has enough to do, and so has somebody who tries something out.
CALM = 600.0
LATE: EventKind = "installation.backups_late"
# Seconds between two notes of how far a backup has come.
SHOWN = 2.0
# A place that fails for so long is an alarm, and so often it is said.
FAILING, SAID_AGAIN = timedelta(days=2), timedelta(days=7)

_thread: threading.Thread | None = None
_last = _stood = float("-inf")
_began = time.monotonic()
_tested: dict[int, float] = {}  # Number of a place -> when this process tested it.


class BackupStopped(BaseException):
    """The worker ends; no failure of the place."""


def look(_now: datetime) -> None:
    """In each slow round."""
    global _thread, _last
    if _thread is not None and _thread.is_alive():
        return
    is_asked = bool(backup_progress.asked())
    if not is_asked and time.monotonic() < _last + EVERY:
        return
    _last = time.monotonic()
    now = dbclock.now()
    places = due(now)
    if places:
        _warn(now)
    if is_asked or any(kind or is_test_due(kept, now) for kept, kind in places):
        _thread = threading.Thread(target=_run, name="backups", daemon=True)
        _thread.start()


def due(now: datetime) -> list[tuple[KeptPlace, str]]:
    """Each place that opens, with the kind of backup that is due there; "" for none."""
    kept = [each for each in backup_places.all_places() if isinstance(each, KeptPlace)]
    if not kept:
        return []
    zone = _zone()
    return [(each, due_kind(each, backup_places.copies_of_present_key(each.number), now, zone)) for each in kept]


def _zone() -> ZoneInfo:
    """That of the first organization: whose night it is, is the same for all."""
    first = Organization.objects.order_by("pk").first()
    return ZoneInfo(first.timezone if first else "UTC")


def _run() -> None:
    try:
        for number, work in backup_progress.asked():
            if not stopping.is_set():
                _do_asked(number, work)
        for kept, kind in due(dbclock.now()):
            if kind and not stopping.is_set():
                _back_up(kept, kind)
        for kept, _kind in due(dbclock.now()):
            if not stopping.is_set() and is_test_due(kept, dbclock.now()):
                _test(kept)
    except (BackupStopped, Interrupted):
        pass
    except Exception as error:
        log.error("What is due at the backup places could not be found out: %s", where_it_broke(error))
    finally:
        connections.close_all()


def _do_asked(number: int, work: Work) -> None:
    """What somebody asked for on the page *Backups*."""
    kept = backup_places.usable(number)
    if kept is None:
        backup_progress.end(number, work)
    elif work == "backup":
        _back_up(kept, usual_kind(backup_places.copies_of_present_key(number), dbclock.now()))
    else:
        _test(kept)


def _back_up(kept: KeptPlace, kind: str) -> None:
    """What goes wrong is noted with the place, where doctor and alarms read it."""
    if not _may_write(kept):
        backup_progress.end(kept.number, "backup")
        return
    shown = Shown(kept, "backup")
    try:
        kept_places.back_up(
            kept, databases=sqlite_file.readable_databases(), now=dbclock.now(), kind=kind, jobs=JOBS, tell=shown.tell
        )
    except BackupRefused as refused:
        if refused.code == "backup_runs":
            backup_progress.put_off(kept.number)
            return
        log.warning("Backup place %d: %s", kept.number, refused)
    except Exception as error:  # A place may do anything.
        log.warning("Backup place %d has no new backup: %s", kept.number, where_it_broke(error))
    backup_progress.end(kept.number, "backup")


class Shown:
    """How far a backup or test has come, for the page. A worker that ends breaks it off there."""

    def __init__(self, kept: KeptPlace, work: Work) -> None:
        copies = backup_places.copies(kept.number)
        self._number, self._total = kept.number, copies[0].rows if copies else 0
        self._at = time.monotonic()
        backup_progress.begin(kept.number, work, self._total, dbclock.now())

    def tell(self, rows: int, total: int = 0) -> None:
        if stopping.is_set():
            raise BackupStopped
        if time.monotonic() < self._at + SHOWN:
            return
        self._at = time.monotonic()
        with contextlib.suppress(DatabaseError):  # Somebody writes much: no reason to break a backup off.
            backup_progress.go_on(self._number, rows, total or self._total, dbclock.now())


def _may_write(kept: KeptPlace) -> bool:
    """Not where another copy of the installation took over, nor from one that is on hold. A place that doesn't answer
    is told so by the backup, which notes it."""
    try:
        with contextlib.closing(kept.details.open()) as place:
            return copied_installation.may_write_at(place, dbclock.now())
    except Exception:
        return not copied_installation.differs()


def is_test_due(kept: KeptPlace, now: datetime) -> bool:
    """Of a place that has a backup."""
    if time.monotonic() < max(_began + CALM, _tested.get(kept.number, float("-inf")) + TESTED_AGAIN):
        return False
    organization = Organization.objects.filter(unlocked()).order_by("pk").first()
    if organization is None or not backup_places.copies(kept.number):
        return False
    at = records.due_at(organization, kept.details.url)
    return at is None or at <= now


def _test(kept: KeptPlace) -> None:
    """Its result stands in the log of each organization; admins are mailed what failed (admin_alerts.py)."""
    shown = Shown(kept, "test")
    try:
        result = running.newest_restores(
            kept.details.url,
            kept.details.secret,
            public_only=kept.details.public_only,
            tell=lambda step, done, whole: shown.tell(done if step == RESTORE else 0, whole),
            stop=stopping.is_set,
        )
    except BackupRefused:
        backup_progress.put_off(kept.number)
        return  # Somebody tests by hand.
    _tested[kept.number] = time.monotonic()
    records.note(kept.details.url, result, dbclock.now())
    backup_progress.end(kept.number, "test")


def _warn(now: datetime) -> None:
    """Admins are told where backups aren't made."""
    global _stood
    if time.monotonic() < _stood + STANDING:
        return
    _stood = time.monotonic()
    places = backup_standing(now).places
    if any(place.level == "red" or (place.failing and now - place.failing > FAILING) for place in places):
        first = Organization.objects.order_by("pk").first()
        if first is not None and not was_said(first, LATE, now - SAID_AGAIN):
            records.record_in_all(LATE, now, {})

"""What restore tests found, in the log of each organization: there nobody writes or changes it unseen."""

import contextlib
import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import transaction

from samizdat.accounts.models import Organization, Person
from samizdat.backup.restore_test.running import RestoreTestResult
from samizdat.backup.restore_test.sentences import FOREIGN
from samizdat.events.actions import detail_of, record
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.events.queries import newest
from samizdat.vault.errors import VaultError

PASSED: EventKind = "installation.backup_tested"
FAILED: EventKind = "installation.backup_test_failed"
# A test each week; one that failed comes again a day later.
WEEK, AGAIN = timedelta(days=7), timedelta(days=1)
# So many of the newest events are looked through: places times tests.
_MOST = 50


def mark(url: str) -> str:
    """What stands for a place in the log."""
    return hashlib.sha256(url.encode()).hexdigest()[:16]


def note(url: str, result: RestoreTestResult, now: datetime) -> None:
    if result.code == FOREIGN:
        return
    detail = {
        "place": mark(url),
        "code": result.code,
        "what": result.what[:200],
        "copy": result.copy,
        "copied": result.time.isoformat() if result.time else "",
        "opened": result.opened,
        "seconds": result.seconds,
        "facts": result.facts,
    }
    record_in_all(FAILED if result.code else PASSED, now, detail)


def last(organization: Organization, url: str) -> Event | None:
    """The newest test of this place; None: there was none, as far as the organization's log can be read. Errors:
    VaultError."""
    tests = newest(organization, _MOST, (PASSED, FAILED))
    return next((event for event in tests if detail_of(event).get("place") == mark(url)), None)


def damaged(url: str) -> list[str]:
    """Names of files at this place that its newest test found damaged, by any organization's log that can be read."""
    names = set()
    for organization in Organization.objects.order_by("id"):
        with contextlib.suppress(VaultError):
            event = last(organization, url)
            if event is not None and event.kind == FAILED:
                names.add(str(detail_of(event).get("what", "")))
    return sorted(names - {""})


def due_at(organization: Organization, url: str) -> datetime | None:
    """When this place is to be tested again; None: it never was, as far as the organization's log can be read. Errors:
    VaultError."""
    event = last(organization, url)
    return event.at + (WEEK if event.kind == PASSED else AGAIN) if event else None


def record_in_all(kind: EventKind, now: datetime, detail: Mapping[str, object], by: Person | None = None) -> None:
    for organization in Organization.objects.order_by("id"):
        try:
            with transaction.atomic():
                record(kind, organization, now=now, by=by, detail=detail)
        except VaultError:  # Its people alone open its keys.
            record(kind, organization, now=now, by=by)

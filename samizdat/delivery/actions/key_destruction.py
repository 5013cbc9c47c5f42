"""Destroying an organization's keys from the app: one admin asks, another one confirms, and then it waits a day or
three, in which any admin cancels it. Whoever has the server does it at once (`samizdat keys destroy`).

Time counts by two clocks, as of a pending change; while the organization is locked it stands still, since nobody can
cancel then. An older row that is put back is older than the log.
"""

import hmac
import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.db import transaction
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from samizdat.accounts import pending_changes
from samizdat.accounts.errors import AccountError
from samizdat.accounts.models import Organization, Person
from samizdat.delivery import backup_places
from samizdat.events.actions import is_genuine, record
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.options import option
from samizdat.vault import keyring, locks, shares
from samizdat.vault.locks import unlocked
from samizdat.vault.models import KeyDestruction

log = logging.getLogger("samizdat.worker")

ASKED: EventKind = "keys.destruction_requested"
CONFIRMED: EventKind = "keys.destruction_confirmed"
CANCELLED: EventKind = "keys.destruction_cancelled"
HOURS = (24, 72)


class DestructionRefused(AccountError):
    code = "destruction_refused"


def state(organization: Organization) -> KeyDestruction | None:
    """What is asked for and stands; None: nothing."""
    row = KeyDestruction.objects.select_related("by", "confirmed_by").filter(organization=organization).first()
    return row if row is not None and _stands(row) else None


def due_at(row: KeyDestruction) -> datetime | None:
    """Never before; None: nobody has confirmed it."""
    return row.confirmed + timedelta(hours=row.hours) if row.confirmed else None


def ask(organization: Organization, hours: int, *, by: Person, now: datetime) -> KeyDestruction:
    """Errors: DestructionRefused."""
    assert hours in HOURS
    with transaction.atomic():
        _lock(organization)
        if state(organization):
            raise DestructionRefused(_("It was requested already. Reload this page."))
        if sentence := needs_second(organization, by, now):
            raise DestructionRefused(sentence)
        KeyDestruction.objects.filter(organization=organization).delete()
        row = KeyDestruction(organization=organization, number=_last(organization) + 1, hours=hours, asked=now, by=by)
        _keep(row)
        record(ASKED, organization, now=now, by=by, about=row.number)
    return row


def needs_second(organization: Organization, by: Person, now: datetime) -> str:
    """Why this admin can't ask for it; "" where another one can confirm it."""
    if pending_changes.others(organization, by, now):
        return ""
    return _(
        "It takes a second admin who has been one for a day. Without one, run on the server: samizdat keys destroy "
        "%(organization)s"
    ) % {"organization": organization.slug}


def confirm(organization: Organization, *, by: Person, now: datetime) -> KeyDestruction:
    """Errors: DestructionRefused."""
    with transaction.atomic():
        _lock(organization)
        row = state(organization)
        if row is None or row.confirmed:
            raise DestructionRefused(_("There is nothing to confirm. Reload this page."))
        if by == row.by:
            raise DestructionRefused(_("You asked for it yourself: another admin has to confirm it."))
        if by not in pending_changes.others(organization, row.by, now):
            raise DestructionRefused(_("Only someone who has been an admin for a day can confirm it."))
        row.confirmed, row.confirmed_by = now, by
        _keep(row)
        record(CONFIRMED, organization, now=now, by=by, about=row.number)
    return row


def cancel(organization: Organization, *, by: Person | None, now: datetime) -> bool:
    """By any admin. Whether there was anything to cancel."""
    with transaction.atomic():
        _lock(organization)
        row = KeyDestruction.objects.filter(organization=organization).first()
        if row is None:
            return False
        row.delete()
        record(CANCELLED, organization, now=now, by=by, about=row.number)
    return True


def due(now: datetime, passed: timedelta) -> list[KeyDestruction]:
    """Counts the time that passed since the last call; those that have waited long enough. What one of its two people
    may not ask for any more is cancelled."""
    rows = KeyDestruction.objects.select_related("organization", "by", "confirmed_by")
    ready = []
    for row in rows.filter(unlocked("organization__"), confirmed__isnull=False):
        organization = row.organization
        if not _stands(row):
            log.error("A request to destroy keys was written by somebody who has no keys; it was dropped.")
            cancel(organization, by=None, now=now)
        elif not all(pending_changes.is_admin(person, organization) for person in (row.by, row.confirmed_by)):
            cancel(organization, by=None, now=now)
        else:
            row.waited_seconds += passed.total_seconds()
            _keep(row)
            if row.waited_seconds >= row.hours * 3600 and now >= (due_at(row) or now):
                ready.append(row)
    return ready


def _lock(organization: Organization) -> None:
    Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)


def _last(organization: Organization) -> int:
    events = Event.objects.filter(organization=organization, kind=ASKED)
    return max((event.about or 0 for event in events if is_genuine(event)), default=0)


def _stands(row: KeyDestruction) -> bool:
    """Whether it is ours as it is, and the log knows of each step and of no end."""
    organization: Organization = row.organization
    if not is_ours(row, bytes(organization.uid)):
        return False
    events = Event.objects.filter(organization=organization, about=row.number, kind__in=(ASKED, CONFIRMED, CANCELLED))
    steps = {(event.kind, event.by_id) for event in events if is_genuine(event)}
    wanted = {(ASKED, row.by_id), *([(CONFIRMED, row.confirmed_by_id)] if row.confirmed else [])}
    return wanted <= steps and not any(kind == CANCELLED for kind, _by in steps)


def is_ours(row: KeyDestruction, uid: bytes) -> bool:
    return hmac.compare_digest(bytes(row.mac), _mac(row, uid))


def renew() -> Iterator[None]:
    """The MACs of all rows, once the instance key is replaced (vault/instance_exchange.py)."""
    rows = KeyDestruction.objects.select_related("organization")
    ours = [row for row in rows if is_ours(row, bytes(row.organization.uid))]
    yield
    for row in ours:
        _keep(row)


def _keep(row: KeyDestruction) -> None:
    row.mac = _mac(row, bytes(row.organization.uid))
    row.save()


def _mac(row: KeyDestruction, uid: bytes) -> bytes:
    moments = [moment.timestamp() if moment else None for moment in (row.asked, row.confirmed)]
    facts = ["destruction", row.pk, uid.hex(), row.number, row.hours, *moments, row.by_id, row.confirmed_by_id]
    return locks.keyed([*facts, float(row.waited_seconds)])


# -- what still has the keys -------------------------------------------------------------------------------------------


def copies(organization: Organization) -> Iterator[str]:
    """Where the keys are besides this server, as far as it is known, in words."""
    for place in backup_places.all_places():
        if isinstance(place, backup_places.KeptPlace):
            parts = urlsplit(place.details.url)
            yield _("Backup place: %(place)s") % {"place": f"{parts.scheme}://{parts.hostname or ''}{parts.path}"}
    if folder := option("SAMIZDAT_BACKUPS"):
        yield _("Folder of backups: %(folder)s") % {"folder": folder}
    for known in shares.sets(keyring.open_source()):
        details = known.details
        facts = {"threshold": details.threshold, "count": details.count, "day": date_format(details.created, "j E Y")}
        yield _("Key shares on paper: any %(threshold)s of %(count)s open those backups (%(day)s).") % facts
    kept = organization.exports.exclude(finished=None).count()
    if kept:
        yield ngettext(
            "%(n)s export was created. It opens with its own passphrase or key.",
            "%(n)s exports were created. Each opens with its own passphrase or key.",
            kept,
        ) % {"n": kept}

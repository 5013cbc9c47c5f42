"""Looks for codes that lock an organization in what has just come in, before anything else is done with it: ordinary
mail waits its turn, up to minutes in a flood. All admins are mailed that it was locked."""

import contextlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from samizdat import mail_spool
from samizdat.accounts.models import Organization, Person
from samizdat.core.crypto.seal import SealError
from samizdat.core.mail.incoming_envelope import Envelope
from samizdat.delivery.actions import key_locks
from samizdat.events.actions import readable_time
from samizdat.events.models import Event, FollowUp
from samizdat.incoming import intake, lock_by_mail, sql
from samizdat.incoming.models import IncomingMail
from samizdat.logs import where_it_broke
from samizdat.vault import lock_codes
from samizdat.vault.locks import unlocked
from samizdat.worker.mail import last_mails
from samizdat.worker.schedule import admin_alerts

log = logging.getLogger("samizdat.worker")

# Messages that are opened together.
BATCH = 50
# Admins who are mailed at once, and the seconds for it: then this process ends, since it may have the keys.
MOST_MAILS, MAILING = 20, 4.0
# What was looked at and waits to be read: files by name, and the last row of each organization.
_files: set[str] = set()
_rows: dict[int, int] = {}


def look(now: datetime) -> None:
    """Each second."""
    numbers = lock_codes.numbers()
    with_codes = [*Organization.objects.filter(unlocked(), pk__in=numbers)] if numbers else []
    if not with_codes:
        return
    by_uid = {bytes(row.uid): row for row in with_codes}
    _look_at_files(by_uid, now)
    for organization in with_codes:
        _look_at_rows(organization, now)


def _look_at_files(by_uid: dict[bytes, Organization], now: datetime) -> None:
    here = set[str]()
    for portion in mail_spool.waiting(mail_spool.folder()):
        here |= {path.name for path in portion}
        fresh: dict[bytes, list[Path]] = {}
        for path in portion:
            if path.name not in _files:
                with contextlib.suppress(FileNotFoundError):  # Taken in meanwhile.
                    fresh.setdefault(mail_spool.owner(path), []).append(path)
        for uid, paths in fresh.items():
            if uid in by_uid and (used := _used(by_uid[uid], [*_boxes(paths)], now)) is not None:
                paths[used].unlink(missing_ok=True)
                del by_uid[uid]
        _files.update(path.name for path in portion)
    _files.intersection_update(here)


def _boxes(paths: Iterable[Path]) -> Iterator[bytes]:
    for path in paths:
        try:
            yield mail_spool.read(path)[1]
        except FileNotFoundError:
            yield b""


def _look_at_rows(organization: Organization, now: datetime) -> None:
    """Those of mailboxes, pipes, and files that were taken in meanwhile."""
    rows = IncomingMail.objects.filter(organization=organization, state=IncomingMail.WAITING)
    while True:
        fresh = rows.filter(pk__gt=_rows.get(organization.pk, 0)).order_by("pk")
        numbers = [*fresh.values_list("pk", flat=True)[:BATCH]]
        if not numbers:
            return
        both = [*sql.boxes_of(numbers, IncomingMail.WAITING)]
        used = _used(organization, [box for _number, box in both], now)
        _rows[organization.pk] = numbers[-1]
        if used is not None:
            IncomingMail.objects.filter(pk=both[used][0]).delete()
            return


def _used(organization: Organization, boxes: Sequence[bytes], now: datetime) -> int | None:
    """Which of these had a code, and has locked it."""
    opener, places, letters = intake.opener(organization), list[int](), list[Envelope]()
    for place, box in enumerate(boxes):
        with contextlib.suppress(KeyError, SealError, msgspec.DecodeError):
            letters.append(opener.open(box))
            places.append(place)
    match = lock_by_mail.with_code(organization, letters) if letters else None
    if match is None or not lock(organization, match[1], now):
        return None
    return places[match[0]]


def lock(organization: Organization, codes: tuple[str, ...], now: datetime) -> bool:
    """Locks it and mails all admins. The mails are made before: afterwards nobody reads the password of a route."""
    try:
        mails = last_mails.ready_for_admins(organization, admin_alerts.locked_by_mail, now)
    except Exception as error:
        log.error("Admins can't be mailed that their organization was locked: %s", where_it_broke(error))
        mails = []
    if not lock_by_mail.lock(organization, codes, now):
        return False
    log.warning("An organization was locked by an email with a code.")
    _note(organization, last_mails.carry(mails), now)
    return True


def _note(organization: Organization, mailed: list[Person], now: datetime) -> None:
    """They are not mailed the same once it is unlocked."""
    event = Event.objects.filter(organization=organization, kind=key_locks.LOCKED).order_by("pk").last()
    for person in mailed:
        at = readable_time(key_locks.LOCKED, now)
        FollowUp.objects.get_or_create(event=event, name=admin_alerts.mark_of(person), defaults={"at": at})

"""An organization is locked at once, in an emergency: nobody gets its keys, sessions end, and its campaigns
wait. One of its admins unlocks it with their password, or whoever has the server does (docs/keys.md).

An event of each says who and when, and how often it was so far: a row that is put back later is older than the log.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat.accounts import memberships, sign_out
from samizdat.accounts.errors import AccountError
from samizdat.accounts.models import Organization, Person
from samizdat.campaigns.models import Campaign
from samizdat.events.actions import is_genuine, record
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.vault import destruction, keyring, lock_codes, locks, strict
from samizdat.vault.errors import STRICT, OrganizationLocked
from samizdat.vault.models import KeyLock

LOCKED: EventKind = "keys.locked"
UNLOCKED: EventKind = "keys.unlocked"
BY_MAIL: EventKind = "keys.locked_by_mail"
BY_SERVICE: EventKind = "keys.locked_by_service"
DESTROYED: EventKind = "keys.destroyed"
PRACTICE_BEGUN: EventKind = "keys.lock_practice_begun"
PRACTICED: EventKind = "keys.lock_practiced"
STRICT_LOCKED: EventKind = "keys.strict_locked"
STRICT_UNLOCKED: EventKind = "keys.strict_unlocked"
CODES_CREATED: EventKind = "keys.lock_codes_created"

# Of a campaign that waits until its organization is unlocked.
REASON = "keys_locked"

# Each lock restarts processes that other organizations of the installation use as well.
MOST, HOUR = 5, timedelta(hours=1)


def lock(organization: Organization, *, by: Person | None, now: datetime, is_practice: bool = False) -> bool:
    """By an admin, or None on the server. False: it was locked already."""
    with transaction.atomic():
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        row = locks.write(organization, True, after=_serial(organization), now=now, by_id=by.pk if by else None)
        if row is None:
            return False
        sending = Campaign.objects.filter(organization=organization, state__in=("sending", "waiting"))
        sending.update(state="waiting", reason=REASON, waits_until=None, changed=now)
        for member in memberships.valid(organization=organization):
            sign_out.end_sessions(member.person, organization, now)
        if is_practice:
            record(PRACTICE_BEGUN, organization, now=now, by=by, about=row.serial)
        record(LOCKED, organization, now=now, by=by, about=row.serial)
        transaction.on_commit(partial(keyring.drop, [(organization.pk, bytes(organization.uid))]))
    return True


def lock_by_code(organization: Organization, codes: Collection[str], *, now: datetime) -> bool:
    """By whoever has the paper: one of these codes is enough, and it is used once. False: none of them is a code of
    theirs. Errors: OrganizationLocked, where it was locked already."""
    with transaction.atomic():
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        if not lock_codes.use(organization, codes):
            return False
        record(BY_MAIL, organization, now=now, about=_serial(organization) + 1)
        lock(organization, by=None, now=now)
    return True


def lock_by_service(organization: Organization, *, now: datetime) -> bool:
    """Because a key service was stopped. False: it was locked already."""
    with transaction.atomic():
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        serial = _serial(organization)
        if not lock(organization, by=None, now=now):
            return False
        record(BY_SERVICE, organization, now=now, about=serial + 1)
    return True


def was_by_service(row: KeyLock) -> bool:
    """Whether it was locked because a key service was stopped."""
    return _events(row.organization, BY_SERVICE, row.serial)


def destroy(organization: Organization, *, by: Person | None, now: datetime) -> bool | None:
    """Its keys, for good: nobody reads its data from here again. None: they were destroyed already. True: the files of
    the database have nothing of them any more; False: nobody knows."""
    with transaction.atomic():
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        if locks.are_destroyed(organization):
            return None
        lock(organization, by=by, now=now)
        by_id, after = by.pk if by else None, _serial(organization)
        row = locks.write(organization, True, after=after, now=now, by_id=by_id, destroyed=True)
        assert row is not None
        record(DESTROYED, organization, now=now, by=by, about=row.serial)
        before = destruction.overwrite(organization)
    return destruction.scrub(before)


def was_by_mail(row: KeyLock) -> bool:
    """Whether an email with a code has locked it."""
    return _events(row.organization, BY_MAIL, row.serial)


def make_codes(organization: Organization, count: int, *, by: Person | None, now: datetime) -> list[str]:
    """New codes for paper, instead of those before: nobody can read them again. Errors: VaultError."""
    with transaction.atomic():
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        codes = lock_codes.make(organization, count, now.date())
        record(CODES_CREATED, organization, now=now, by=by, about=count)
    return codes


def unlock(organization: Organization, *, by: Person | None, now: datetime, is_proven: bool = True) -> bool:
    """By an admin who has given their password, or None on the server. Campaigns go on by themselves. False: it wasn't
    locked. is_proven: what was to be seen in a practice was seen. Errors: AccountError, KeysDestroyed,
    OrganizationLocked for a strict one."""
    if strict.is_strict(organization):
        raise OrganizationLocked(STRICT)
    with transaction.atomic():
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        if by is not None:
            _refuse_often(organization, now)
        row = locks.write(organization, False, after=_serial(organization), now=now, by_id=by.pk if by else None)
        if row is None:
            return False
        record(UNLOCKED, organization, now=now, by=by, about=row.serial)
        if is_proven and _events(organization, PRACTICE_BEGUN, row.serial - 1):
            record(PRACTICED, organization, now=now, by=by, about=row.serial)
    return True


def is_unlocked(organization: Organization) -> bool:
    """Whether `unlock` would change nothing."""
    return locks.is_unlocked(organization, after=_serial(organization))


def last_practice(organization: Organization) -> datetime | None:
    """When locking and unlocking were last practiced; None: never. For the health page and `doctor`."""
    return _last(organization, PRACTICED)


def last_by_mail(organization: Organization) -> datetime | None:
    """When an email with a code last locked it; None: never."""
    return _last(organization, BY_MAIL)


def _last(organization: Organization, kind: EventKind) -> datetime | None:
    events = Event.objects.filter(organization=organization, kind=kind).order_by("-id")
    return next((event.at for event in events if is_genuine(event)), None)


def is_practice(row: KeyLock) -> bool:
    """Whether that lock is one."""
    return _events(row.organization, PRACTICE_BEGUN, row.serial)


def _events(organization: Organization, kind: EventKind, about: int) -> bool:
    return any(map(is_genuine, Event.objects.filter(organization=organization, kind=kind, about=about)))


# -- strict organizations (strict_keys.py) --


def note_locked(organization: Organization, *, by: Person | None, now: datetime) -> int | None:
    """How often it was, by now; None where it was locked already. In a transaction that has locked its row."""
    row = locks.write(organization, True, after=_serial(organization), now=now, by_id=by.pk if by else None)
    if row is not None:
        record(STRICT_LOCKED, organization, now=now, by=by, about=row.serial)
    return row.serial if row else None


def note_unlocked(organization: Organization, *, by: Person | None, now: datetime) -> None:
    """As above."""
    row = locks.write(organization, False, after=_serial(organization), now=now, by_id=by.pk if by else None)
    if row is not None:
        record(STRICT_UNLOCKED, organization, now=now, by=by, about=row.serial)


def _refuse_often(organization: Organization, now: datetime) -> None:
    done = Event.objects.filter(organization=organization, kind=UNLOCKED, by__isnull=False, at__gt=now - HOUR)
    if len([*filter(is_genuine, done)]) >= MOST:
        sentence = _(
            "It was unlocked %(n)s times within an hour. Wait, or unlock it on the server: samizdat keys unlock"
        )
        raise AccountError(sentence % {"n": MOST})


def _serial(organization: Organization) -> int:
    """How often it was locked and unlocked, by the event log."""
    rows = [
        event
        for kind in (LOCKED, UNLOCKED, DESTROYED, STRICT_LOCKED, STRICT_UNLOCKED)
        for event in Event.objects.filter(organization=organization, kind=kind).order_by("-id")
    ]
    return max((event.about or 0 for event in rows if is_genuine(event)), default=0)


def serials() -> dict[locks.Owner, int]:
    """Of those that ever were locked, for the key server."""
    rows = ((row, _serial(row)) for row in Organization.objects.order_by("pk"))
    return {(row.pk, bytes(row.uid)): serial for row, serial in rows if serial}

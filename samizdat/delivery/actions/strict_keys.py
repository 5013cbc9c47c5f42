"""An organization is strict: its keys open with a passphrase of its people alone (vault/strict.py). It is locked as by
key_locks.py at each start of the key server and after some hours; sessions go on, and who unlocks it enters a
passphrase."""

from collections.abc import Collection
from datetime import datetime
from functools import partial

from django.db import transaction

from samizdat.accounts.models import Organization, Person
from samizdat.campaigns.models import Campaign
from samizdat.delivery.actions import key_locks
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind
from samizdat.vault import destruction, keyring, locks, shares, strict
from samizdat.vault.errors import KeysDestroyed, OrganizationLocked, StrictRefused
from samizdat.vault.models import StrictKey
from samizdat.vault.shares import SetDetails
from samizdat.vault.source import InstanceSource

ON: EventKind = "keys.strict_on"
OFF: EventKind = "keys.strict_off"
ADDED: EventKind = "keys.strict_person_added"
REMOVED: EventKind = "keys.strict_person_removed"
CHANGED: EventKind = "keys.strict_passphrase_changed"
SHARES_CREATED: EventKind = "keys.strict_shares_created"
SHARES_PRACTICED: EventKind = "keys.strict_shares_practiced"
RECOVERED: EventKind = "keys.strict_recovered"


def turn_on(organization: Organization, *, by: Person | None, now: datetime) -> bool:
    """For those who have set a passphrase. It stays unlocked for some hours. True: the files of the database have none
    of the keys as they were; False: nobody knows. Errors: VaultError."""
    with transaction.atomic():
        _take(organization)
        rows = may_turn_on(organization)
        strict_key = strict.new_key()
        for row in rows:
            strict.let_in(organization, row, strict_key)
        before = strict.wrap_all(organization, strict_key)
        strict.hold(organization, strict_key, strict.HOURS)
        record(ON, organization, now=now, by=by)
    return destruction.scrub(before)


def may_turn_on(organization: Organization) -> list[StrictKey]:
    """For whom. Errors: VaultError, where it can't be turned on now."""
    if locks.are_destroyed(organization):
        raise KeysDestroyed
    if strict.is_strict(organization):
        raise StrictRefused("This organization is strict already.")
    if locks.is_locked(organization):
        raise OrganizationLocked
    rows = strict.waiting(organization)
    if len(rows) < strict.LEAST:
        raise StrictRefused(
            "At least two people have to set a passphrase first: if there is only one and it's forgotten, "
            "everything is lost."
        )
    return rows


def turn_off(
    organization: Organization, rows: Collection[StrictKey], typed: str, *, by: Person | None, now: datetime
) -> None:
    """While it is unlocked, by the passphrase of one of these. Errors: VaultError."""
    strict.opened(organization, rows, typed)
    with transaction.atomic():
        _take(organization)
        _refuse_locked(organization)
        strict.wrap_all(organization, None)
        StrictKey.objects.filter(organization=organization).delete()
        shares.forget(strict.source_here(), _uid(organization))
        record(OFF, organization, now=now, by=by)


def add(
    organization: Organization,
    person: Person,
    rows: Collection[StrictKey],
    typed: str,
    *,
    by: Person | None,
    now: datetime,
) -> None:
    """Somebody who has set a passphrase, by that of one of `rows`. Errors: VaultError."""
    strict_key = strict.opened(organization, rows, typed)
    with transaction.atomic():
        _take(organization)
        row = next((row for row in strict.waiting(organization) if row.person_id == person.pk), None)
        if row is None:
            raise StrictRefused("This person hasn't set a passphrase yet.")
        strict.let_in(organization, row, strict_key)
        record(ADDED, organization, now=now, by=by, about=person.pk)


def remove(
    organization: Organization,
    person: Person,
    rows: Collection[StrictKey],
    typed: str,
    *,
    by: Person | None,
    now: datetime,
) -> bool:
    """With a new strict key for all others, while it is unlocked: what they kept of the one before opens nothing
    that is here, nor do shares of it. As of turn_on. Errors: VaultError."""
    strict.opened(organization, rows, typed)
    with transaction.atomic():
        _take(organization)
        _refuse_locked(organization)
        left = [row for row in strict.people(organization) if row.person_id != person.pk]
        if len(left) == len(strict.people(organization)):
            raise StrictRefused("This person has no passphrase here.")
        if len(left) < strict.LEAST:
            raise StrictRefused("At least two people have to stay. Add another person first, or turn it off.")
        StrictKey.objects.filter(organization=organization, person=person).delete()
        strict_key = strict.new_key()
        for row in left:
            strict.let_in(organization, row, strict_key)
        before = strict.wrap_all(organization, strict_key)
        strict.hold(organization, strict_key, strict.HOURS)
        shares.forget(strict.source_here(), _uid(organization))
        record(REMOVED, organization, now=now, by=by, about=person.pk)
    return destruction.scrub(before)


def change(
    organization: Organization, row: StrictKey, typed: str, new: str, *, by: Person | None, now: datetime
) -> None:
    """The passphrase of one person, by their old one. Killed meanwhile, the old one is it. Errors: StrictRefused."""
    wrapped = strict.rewrapped(organization, row, typed, new)
    with transaction.atomic():
        _take(organization)
        strict.change(row, wrapped)
        record(CHANGED, organization, now=now, by=by, about=row.person_id)


# -- shares of the strict key on paper --


def make_shares(
    organization: Organization,
    rows: Collection[StrictKey],
    typed: str,
    threshold: int,
    count: int,
    *,
    by: Person | None,
    now: datetime,
) -> tuple[SetDetails, list[str], str]:
    """A set of shares, their words and the fingerprint of the strict key, by the passphrase of one of these. Errors:
    VaultError."""
    strict_key, source = strict.opened(organization, rows, typed), strict.source_here()
    before = [known.details for known in shares.sets(source, _uid(organization))]
    details, words = shares.make(strict_key, threshold, count, now.date(), before, _uid(organization))
    with transaction.atomic():
        _take(organization)
        strict.prove(organization, strict_key)
        shares.remember_new(details, source)
        record(SHARES_CREATED, organization, now=now, by=by)
    return details, words, shares.fingerprint_of(InstanceSource(strict_key))


def practice_shares(
    organization: Organization, strict_key: bytes, identifier: int, *, by: Person | None, now: datetime
) -> bool:
    """Enough of a set with this identifier gave this key. Whether the set is remembered. Errors: StrictRefused."""
    strict.prove(organization, strict_key)
    with transaction.atomic():
        known = shares.remember_practice(identifier, now.date(), strict.source_here(), _uid(organization))
        record(SHARES_PRACTICED, organization, now=now, by=by)
    return known is not None


def recover(
    organization: Organization, person: Person, strict_key: bytes, new: str, *, by: Person | None, now: datetime
) -> None:
    """A new passphrase for somebody, by the strict key that shares gave, whatever they had before. Errors:
    StrictRefused."""
    strict.prove(organization, strict_key)
    with transaction.atomic():
        _take(organization)
        StrictKey.objects.filter(organization=organization, person=person).delete()
        row = strict.prepare(organization, person.pk, new, now.date())
        strict.let_in(organization, row, strict_key)
        record(RECOVERED, organization, now=now, by=by, about=person.pk)


def _uid(organization: Organization) -> str:
    return bytes(organization.uid).hex()


# -- unlocking and locking --


def unlock(
    organization: Organization,
    rows: Collection[StrictKey],
    typed: str,
    hours: float,
    *,
    by: Person | None,
    now: datetime,
) -> None:
    """By the passphrase of one of these; then it is locked by itself. On other machines of the installation as well it
    counts as unlocked, and each of them needs a passphrase of its own. Errors: VaultError."""
    strict_key = strict.opened(organization, rows, typed)
    with transaction.atomic():
        _take(organization)
        if locks.are_destroyed(organization):
            raise StrictRefused("The keys of this organization were destroyed. Nobody can read its data again.")
        strict.hold(organization, strict_key, hours)
        key_locks.note_unlocked(organization, by=by, now=now)


def lock(organization: Organization, *, by: Person | None, now: datetime) -> bool:
    """Until somebody enters a passphrase; nobody is signed out. False: it was locked already."""
    with transaction.atomic():
        _take(organization)
        if not strict.is_strict(organization):
            return False
        serial = key_locks.note_locked(organization, by=by, now=now)
        if serial is None:
            return False
        sending = Campaign.objects.filter(organization=organization, state__in=("sending", "waiting"))
        sending.update(state="waiting", reason=key_locks.REASON, waits_until=None, changed=now)
        transaction.on_commit(partial(keyring.drop, [(organization.pk, bytes(organization.uid))]))
    return True


def lock_all(now: datetime, numbers: Collection[int] | None = None) -> None:
    """Those of these that are strict; None: all, as at a start of the key server."""
    wanted = [number for number in strict.owners() if numbers is None or number in numbers]
    for organization in Organization.objects.filter(pk__in=wanted).order_by("pk"):
        lock(organization, by=None, now=now)


def _take(organization: Organization) -> None:
    Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)


def _refuse_locked(organization: Organization) -> None:
    if locks.state(organization) is not None:
        raise StrictRefused("Unlock it first: the keys have to be open for this.")

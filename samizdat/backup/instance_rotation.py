"""Replaces the instance key (vault/instance_exchange.py): what each app makes anew, and what is told to others."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import batched, chain

from django.db.models import Model

from samizdat.accounts import memberships
from samizdat.accounts import renewals as accounts
from samizdat.accounts.models import AddressChange, Organization, Person, Session
from samizdat.audience import emptied_records
from samizdat.audience.models import ConsentRecord
from samizdat.audience.sql import digested_records
from samizdat.backup import recipients
from samizdat.campaigns.archive import share_links
from samizdat.delivery import backup_places, copied_installation, database_progress, epochs
from samizdat.delivery.actions import copied_installation as copies
from samizdat.delivery.actions import key_destruction
from samizdat.delivery.models import BackupCopy, BackupPlace
from samizdat.events import chain as events
from samizdat.events.actions import is_genuine, record
from samizdat.events.models import Event
from samizdat.portability import permits, recipient_keys
from samizdat.publicdb import signed_rows
from samizdat.vault import destruction, instance_exchange, keyring, locks, strict
from samizdat.vault.instance_exchange import Marks, Renewal
from samizdat.vault.source import InstanceSource


def _backup_places() -> Iterator[None]:
    """For their recipients the new key file goes along with each backup."""

    def key_file_for(to: Sequence[str]) -> str:
        new = keyring.opened_here()
        assert new is not None
        return recipients.wrapped_key_file(new.for_key_file(), to)

    return backup_places.renew(key_file_for)


# Of purposes with the rules ANEW and SEALED (vault/purposes.py). In this order: a MAC that counts another column comes
# behind what seals that one anew.
BY_PURPOSE: Mapping[str, tuple[Renewal, ...]] = {
    "people": (accounts.people, accounts.address_changes),
    "people hashes": (accounts.people,),
    "grants": (
        memberships.renew,
        accounts.invitations,
        accounts.api_keys,
        accounts.pending_changes,
        share_links.renew,
        permits.renew,
    ),
    "recipient keys": (recipient_keys.renew,),
    "key locks": (locks.renew, key_destruction.renew),
    "strict people": (strict.renew,),
    "public pages": (signed_rows.renew,),
    "releases": (database_progress.renew,),
    "location": (copied_installation.renew,),
    "epoch records": (epochs.renew,),
    "backup places": (_backup_places,),
}
# Of other purposes: what a former key still checks holds with the new one alone, and what ended is in nobody's way.
OTHERS: tuple[Renewal, ...] = (accounts.kept_passwords, events.renew, emptied_records.renew, accounts.signing_in)

# Of which the former key would open earlier versions on a disk, as those of keys (instance_exchange.py).
SEALED_ROWS: tuple[type[Model], ...] = (Person, AddressChange, Session, BackupPlace, BackupCopy)

RENEWALS: tuple[Renewal, ...] = (*dict.fromkeys(chain.from_iterable(BY_PURPOSE.values())), *OTHERS)


def marks() -> Marks:
    """purpose -> the highest row that the present key checks. Of "chain" that of consent records, whose own key senders
    may not have."""
    newest = Event.objects.select_related("organization").order_by("-id").iterator(chunk_size=100)
    log = next((event.pk for event in newest if is_genuine(event)), 0)
    record = _newest_record()
    return {"log": log, "consent records": record, "chain": record}


def _newest_record() -> int:
    """The newest that we wrote: whoever writes the database puts one far ahead, or a copy of one, so that the former
    key would check all that come up to it."""
    numbers = ConsentRecord.objects.order_by("-id").values_list("id", flat=True).iterator(chunk_size=100)
    for some in batched(numbers, 100):
        rows = digested_records(some)
        others = emptied_records.altered(rows)
        digests = {row[1][0]: row[4] for row in rows if row[1][0] not in others}
        for number in sorted(digests, reverse=True):
            if not ConsentRecord.objects.filter(digest=digests[number], id__lt=number).exists():
                return number
    return 0


def exchange(former: InstanceSource, new_key: bytes, now: datetime, check: Callable[[], object] = lambda: None) -> int:
    """How many keys of organizations didn't open and stay as they are. Whoever else has keys has ended; check: looks
    for them once more before it is certain. Errors: VaultError, SendingLocked of a copy, anything of `check`; then
    nothing has changed."""
    keyring.use(former)
    copies.before_key_exchange(now)

    def recorded() -> Iterator[None]:
        yield
        for organization in Organization.objects.order_by("pk"):
            record("keys.rotated", organization, now=now)
        check()

    return instance_exchange.exchange(former, new_key, [*RENEWALS, recorded], marks)


def finish(source: InstanceSource, tell: Callable[[str], object]) -> bool:
    """Once `source` gives the new key by itself: the former one opens nothing any more, also of what stood in the
    database's files; whether it does. tell: hears why these may have some of it."""
    if not instance_exchange.finish(source, tell):
        return False
    destruction.scrub((), [model._meta.db_table for model in SEALED_ROWS], tell)
    return True


def tell_places(now: datetime) -> None:
    """Afterwards, once everybody else goes on. The worker tells them again and again."""
    with contextlib.suppress(Exception):
        copies.after_key_exchange(now)

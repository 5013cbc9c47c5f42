"""Who had their data erased is in no copy either: not in what lies here, and not in what the service goes on to say."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Max, QuerySet
from msgspec.structs import replace

from samizdat import db
from samizdat.accounts.models import Organization
from samizdat.audience import sql as audience_sql
from samizdat.audience.models import Suppression
from samizdat.core.account_copy import Contact
from samizdat.core.mail import address as addresses
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind
from samizdat.portability.account_copies import people, pieces
from samizdat.portability.account_copies.records import CopyProgress, progress_of, put_progress
from samizdat.portability.models import AccountCopy
from samizdat.vault import keyring

ERASED: EventKind = "standing_copy.erased"


class ErasedPeople:
    """Those of an organization, known by their blind indexes alone."""

    def __init__(self, organization: Organization) -> None:
        self._keys = keyring.keys(organization)
        self._indexes = frozenset(map(bytes, _rows(organization).values_list("email_index", flat=True)))

    def without(self, contacts: Sequence[Contact]) -> list[Contact]:
        return (
            [contact for contact in contacts if not self._is_erased(contact.address)] if self._indexes else [*contacts]
        )

    def _is_erased(self, address: str) -> bool:
        try:
            comparable = addresses.comparable(addresses.normalize(address))
        except addresses.BadAddress:
            return False
        return not self._indexes.isdisjoint(self._keys.blinds(comparable))


def newest(organization: Organization) -> int:
    """The number of the last erasure; 0 for none."""
    return _rows(organization).aggregate(last=Max("id"))["last"] or 0


def is_due(row: AccountCopy, progress: CopyProgress) -> bool:
    return newest(row.organization) > progress.erased_through


def drop(row: AccountCopy, now: datetime) -> None:
    """Takes them out of each piece, and out of the counts. For whoever has taken the copy."""
    through, erased, dropped = newest(row.organization), ErasedPeople(row.organization), 0
    for number, contacts in pieces.numbered_contacts(row):
        kept = erased.without(contacts)
        if len(kept) < len(contacts):
            pieces.write_contacts(row, number, kept)
            dropped += len(contacts) - len(kept)
    progress = replace(progress_of(row), erased_through=through)
    if dropped:
        progress = replace(progress, people=people.count(row, progress))
    with transaction.atomic():
        put_progress(row, progress)
        if dropped:
            record(ERASED, row.organization, about=row.pk, now=now)


def leave_disk() -> bool:
    """As audience/sql.sweep_after_erasing, of pieces of copies."""
    if db.on_sqlite():
        return audience_sql.sweep_after_erasing()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM portability_accountcopypiece")
    return True


def _rows(organization: Organization) -> QuerySet[Suppression]:
    return Suppression.objects.filter(organization=organization, reason="erased")

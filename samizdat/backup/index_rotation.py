"""Exchanges an organization's index key, by which addresses and names are found.

First every process learns the new key beside the current one; only then is it the current one, and whoever writes an
index holds it until their transaction ends (keyring.held_for_index): so nobody comes in twice, under two keys. A walk
then renews what is there. It may be stopped at any moment, and called again: a row says by which key it is found.

An address on the suppression list that no subscriber has is known by its index alone, and what was recorded names
indexes as well: for those the former key stays, and both are tried.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import IntegrityError, transaction

from samizdat.accounts.models import Organization, Person
from samizdat.audience import index_renewal
from samizdat.audience.models import ConsentRecord, Import, Subscriber, Suppression, row_id
from samizdat.backup.blind_columns import COLUMNS, NameColumn, blinds_of
from samizdat.backup.rotation import WRAPPED_ONCE
from samizdat.core import consent
from samizdat.events.actions import record
from samizdat.portability.models import Export
from samizdat.portability.restore.keys import MOST_INDEX
from samizdat.vault import keyring, strict
from samizdat.vault.errors import KeyWrong, OrganizationLocked
from samizdat.vault.keyring import OrganizationKeys
from samizdat.vault.models import VaultKey

BATCH = 1_000
# Seconds; by then every process has met the new key.
SETTLED = keyring.LOOK + 1
PASSES = 5
# Of so few that are left it's looked whether they can be renewed at all.
LOOKED = 10_000

type Clock = Callable[[], datetime]
type Wait = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class IndexRotation:
    """`coming`: a key that isn't in use yet. `left`: rows that are to be found under the current key, `kept`: entries
    on the suppression list under a former one."""

    current: int
    former: tuple[int, ...]
    coming: int | None
    left: int
    kept: int

    @property
    def goes_on(self) -> bool:
        return self.coming is not None or self.left > 0


@dataclass(slots=True)
class Renewed:
    rows: int = 0
    dropped: tuple[int, ...] = ()  # Former keys that nothing named any more.


def status(organization: Organization) -> IndexRotation:
    """Errors: VaultError."""
    keys = keyring.keys(organization)
    coming = VaultKey.objects.filter(organization=organization, kind="index", coming=True).first()
    former = {*keys.index} - {keys.index_version} - ({coming.number} if coming else set())
    left = _left(organization, keys) if former else 0
    under = Suppression.objects.filter(organization=organization).exclude(index_version=keys.index_version)
    return IndexRotation(
        keys.index_version, tuple(sorted(former)), coming.number if coming else None, left, under.count()
    )


def is_full(organization: Organization) -> bool:
    """Whether it has as many index keys as it may: each address is looked for by all of them."""
    return VaultKey.objects.filter(organization=organization, kind="index").count() >= MOST_INDEX


def rotate(
    organization: Organization,
    *,
    now: Clock,
    by: Person | None = None,
    tell: Callable[[int], None] = lambda _rows: None,
    settled: float = SETTLED,
    wait: Wait = time.sleep,
) -> Renewed:
    """Makes a new index key, or goes on with one. Errors: VaultError."""
    standing = status(organization)
    if not standing.goes_on:
        begin(organization, now=now())
    if not standing.goes_on or standing.coming is not None:
        wait(settled)  # Once more where it was killed: who knows how long that was.
        switch(organization, now=now(), by=by)
    renewed = Renewed(walk(organization, now, tell))
    # What was written by somebody who had read the key before.
    for _pass in range(PASSES):
        if status(organization).left == 0:
            break
        wait(settled)
        renewed.rows += walk(organization, now, tell)
    renewed.dropped = drop_unused(organization, now=now())
    return renewed


def begin(organization: Organization, *, now: datetime) -> int:
    """Makes a new index key that every process tries from the next seconds on, and that none writes with; its number.
    Errors: VaultError."""
    keyring.look_again(organization)
    with transaction.atomic():
        # Not locked: whoever writes an index holds the current one, and others would come to wait behind us.
        rows = list(VaultKey.objects.filter(organization=organization, kind="index"))
        number = max(row.number for row in rows) + 1
        if any(row.coming for row in rows) or len(rows) >= MOST_INDEX or number > 0x7FFF:
            raise KeyWrong("This organization has as many index keys as it can have. Nothing was changed.")
        label = keyring.label("index", number, organization, coming=True)
        wrapped = keyring.open_source().wrap(label, secrets.token_bytes(32))
        VaultKey.objects.create(
            organization=organization, kind="index", number=number, wrapped=wrapped, current=False, coming=True,
            created=now.date(),
        )  # fmt: skip
        _insist_strict(organization, len(wrapped))
    keyring.look_again(organization)
    return number


def switch(organization: Organization, *, now: datetime, by: Person | None = None) -> None:
    """The new key is the current one. Errors: VaultError."""
    source = keyring.open_source()
    with keyring.alone_with_index(organization.id):
        rows = list(VaultKey.objects.select_for_update().filter(organization=organization, kind="index"))
        for row in rows:
            if row.current or row.coming:
                secret = source.unwrap(keyring.label_of(row, organization), row.wrapped)
                row.current, row.coming, row.created = row.coming, False, now.date()
                row.wrapped = source.wrap(keyring.label_of(row, organization), secret)
                row.save(update_fields=["current", "coming", "created", "wrapped"])
                _insist_strict(organization, len(row.wrapped))
        record("keys.rotated", organization, now=now, by=by)
    keyring.look_again(organization)


def _insist_strict(organization: Organization, wrapped: int) -> None:
    """As of a data key. Errors: OrganizationLocked."""
    if strict.is_strict(organization) and wrapped <= WRAPPED_ONCE:
        raise OrganizationLocked


def walk(organization: Organization, now: Clock, tell: Callable[[int], None] = lambda _rows: None) -> int:
    """Renews what is under a former key; how many rows. May be killed, and called again. Errors: VaultError."""
    done, after = 0, row_id(organization.id, 0)
    while ids := index_renewal.under_former(organization, keyring.keys(organization), after, BATCH):
        done, after = done + index_renewal.renew(organization, ids, now()), ids[-1]
        tell(done)
    return done + sum(_renew_name(organization, column, row) for column, row in _former_names(organization))


def _former_names(organization: Organization) -> Iterator[tuple[NameColumn, int]]:
    """Rows, by key, of those whose index is the one of their own words under a former key."""
    keys = keyring.keys(organization)
    for column in COLUMNS:
        for row in column.rows(organization).order_by("pk").iterator(chunk_size=500):
            if bytes(getattr(row, column.column)) in blinds_of(column, keys, row)[1:]:
                yield column, row.pk


def _renew_name(organization: Organization, column: NameColumn, pk: int) -> int:
    """Whether it was: of two that took the same name in the moment of the exchange the second keeps its former
    index."""
    keys = keyring.keys(organization)
    try:
        with transaction.atomic():
            row = column.rows(organization).select_for_update(of=("self",)).filter(pk=pk).first()
            current, *formers = (blinds_of(column, keys, row) if row is not None else []) or [b""]
            before = bytes(getattr(row, column.column)) if row is not None else b""
            if before not in formers:
                return 0
            return column.rows(organization).filter(pk=pk, **{column.column: before}).update(**{column.column: current})
    except IntegrityError:
        return 0


def _left(organization: Organization, keys: OrganizationKeys) -> int:
    """Of subscribers those that a walk can renew, as far as that is looked at."""
    own = {"id__gt": row_id(organization.id, 0), "id__lt": row_id(organization.id + 1, 0)}
    rows = Subscriber.objects.filter(organization=organization, **own).exclude(index_version=keys.index_version)
    count = rows.count()
    if count <= LOOKED:
        ids, count = list(rows.order_by("id").values_list("id", flat=True)), 0
        for at in range(0, len(ids), BATCH):
            count += len(index_renewal.renewable(organization, keys, ids[at : at + BATCH]))
    return count + sum(1 for _row in _former_names(organization))


def drop_unused(organization: Organization, *, now: datetime) -> tuple[int, ...]:
    """Deletes former index keys that nothing names; their numbers. Not in the days in which a link works that was
    mailed before. Errors: VaultError."""
    today = now.astimezone(UTC).date()
    keys = keyring.keys(organization)
    with keyring.alone_with_index(organization.id) as number:
        if number != keys.index_version:
            return ()
        rows = VaultKey.objects.filter(organization=organization, kind="index", current=False, coming=False)
        rows = rows.filter(created__lt=today - keyring.AFTER_A_MOVE)
        unused = [row for row in rows if not _is_named(organization, row)]
        for row in unused:
            # Overwritten first: on PostgreSQL a deleted row keeps its bytes until they are needed for another.
            VaultKey.objects.filter(pk=row.pk).update(wrapped=bytes(len(row.wrapped)))
            row.delete()
    keyring.look_again(organization)
    return tuple(row.number for row in unused)


def _is_named(organization: Organization, row: VaultKey) -> bool:
    """Whether anything may be found by this former key alone. A no on record says an index, sealed, and so does an
    export of the address that was planted in it."""
    own = {"id__gt": row_id(organization.id, 0), "id__lt": row_id(organization.id + 1, 0)}
    subscribers = Subscriber.objects.filter(organization=organization, index_version=row.number, **own)
    listed = Suppression.objects.filter(organization=organization, index_version=row.number)
    kinds = [consent.KINDS.index(kind) for kind in ("withdrawn", "objected", "cleaned")]
    noes = ConsentRecord.objects.filter(organization=organization, kind__in=kinds, day__lte=row.created)
    exports = Export.objects.filter(organization=organization)
    imports = Import.objects.filter(organization=organization).exclude(state__in=("finished", "failed"))
    there = (subscribers, listed, noes.exclude(sealed=b""), exports, imports)
    return any(some.exists() for some in there) or any(True for _row in _former_names(organization))

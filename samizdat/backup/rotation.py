"""Exchanges an organization's keys.

Its data key: what is new is sealed with the new one at once, what is there is sealed anew in
a walk that may be stopped at any moment and goes on where it was. Until then both keys are valid.

The walk needs no place of its own: a value says by which key it was sealed.
"""

import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import BinaryField, F, Func, Model, QuerySet, Value

from samizdat.accounts.models import Organization, Person
from samizdat.backup.sealed_columns import COLUMNS, LEFT, SealedColumn
from samizdat.backup.tables import SPANS
from samizdat.campaigns.models import Campaign
from samizdat.core.crypto import seal
from samizdat.events.actions import record
from samizdat.portability.restore.keys import MOST_LINKS
from samizdat.vault import keyring, strict
from samizdat.vault.errors import KeyWrong, OrganizationLocked
from samizdat.vault.models import VaultKey
from samizdat.vault.source import STRICT_KINDS

# Rows at once, of tables with a light row for each subscriber or email, and of all others: one may have megabytes.
LIGHT, HEAVY = 1_000, 16
# Seconds until every process has met the new key; what it seals before is looked for once more.
SETTLED = keyring.LOOK + 1
PASSES = 5
# Bytes by which a blob says with which key it was sealed.
HEAD = 3
# Bytes of a key that is wrapped by the instance key alone.
WRAPPED_ONCE = 1 + seal.NONCE_BYTES + 32 + seal.TAG_BYTES


@dataclass(frozen=True, slots=True)
class Rotation:
    """`left`: values that a former key sealed and that are to be sealed anew; `kept`: those that it stays for."""

    current: int
    former: tuple[int, ...]
    left: int
    kept: int


@dataclass(slots=True)
class Walked:
    sealed: int = 0
    broken: int = 0  # Opened under no key at their place: altered by other means.
    left: int = 0  # Sealed with a former key meanwhile, by something that has run for long.


def status(organization: Organization) -> Rotation:
    """Errors: VaultError."""
    keys = keyring.keys(organization)
    assert keys.data is not None and keys.ring is not None
    heads = _former_heads(keys)
    left = sum(_with_heads(column.rows(organization), column.column, heads).count() for column in COLUMNS)
    kept = sum(_with_heads(_kept_rows(name, organization), name.rpartition(".")[2], heads).count() for name in LEFT)
    return Rotation(keys.data.number, tuple(sorted({*keys.ring.keys} - {keys.data.number})), left, kept)


def begin(organization: Organization, *, now: datetime, by: Person | None = None) -> int:
    """Makes a new data key, which seals from now on; its number. Errors: VaultError."""
    return _replace(organization, "data", now.date(), now, by)


def replace_links(organization: Organization, *, now: datetime, by: Person | None = None) -> int:
    """Makes a new link key, by which links are made from now on; its number. By those that were mailed before one
    leaves for ever; for keyring.AFTER_A_MOVE they do all else. Errors: VaultError."""
    # The day after: what was mailed today before this counts as well.
    return _replace(organization, "link", now.date() + timedelta(days=1), now, by)


def links_are_full(organization: Organization) -> bool:
    """Whether it has as many link keys as the public pages are told."""
    return VaultKey.objects.filter(organization=organization, kind="link").count() >= MOST_LINKS


def former_links(organization: Organization, today: date) -> tuple[int, date | None]:
    """(how many former link keys there are, the last day on which links by one of them do more than leave; None where
    that is over). Errors: VaultError."""
    came = keyring.keys(organization).came.values()
    last = max(came) + keyring.AFTER_A_MOVE if came else None
    return len(came), last if last and last >= today else None


def unsent_by_former(organization: Organization) -> int:
    """Campaigns that were frozen with a former link key and aren't over. Errors: VaultError."""
    former = keyring.keys(organization).came
    waiting = Campaign.objects.filter(organization=organization, edition__link_key__in=former)
    return waiting.exclude(state__in=("finished", "cancelled")).count()


def _replace(organization: Organization, kind: str, came: date, now: datetime, by: Person | None) -> int:
    keyring.look_again(organization)
    with transaction.atomic():
        rows = list(VaultKey.objects.select_for_update().filter(organization=organization, kind=kind))
        source, number = keyring.open_source(), _free_number(kind, rows)
        for row in rows:
            if row.current:
                secret = source.unwrap(keyring.label_of(row, organization), row.wrapped)
                row.current, row.created = False, came
                row.wrapped = source.wrap(keyring.label_of(row, organization), secret)
                row.save(update_fields=["current", "created", "wrapped"])
        VaultKey.objects.create(
            organization=organization,
            kind=kind,
            number=number,
            wrapped=source.wrap(keyring.label(kind, number, organization), secrets.token_bytes(32)),
            created=now.date(),
        )
        _insist_strict(organization, kind)
        record("keys.rotated", organization, now=now, by=by)
    keyring.look_again(organization)
    return number


def _insist_strict(organization: Organization, kind: str) -> None:
    """Its hours may be over since the first key was opened, and without the strict key a key is wrapped once. Errors:
    OrganizationLocked."""
    if kind in STRICT_KINDS and strict.is_strict(organization):
        rows = VaultKey.objects.filter(organization=organization, kind=kind)
        if any(len(row.wrapped) <= WRAPPED_ONCE for row in rows):
            raise OrganizationLocked


def _free_number(kind: str, rows: Sequence[VaultKey]) -> int:
    """Errors: KeyWrong where all are used."""
    if kind == "link":
        return secrets.randbits(32)  # As vault/actions.make_keys: two installations do not meet.
    number = max(row.number for row in rows) + 1
    if number > 0xFFFF:
        raise KeyWrong("This organization has had all numbers of data keys. Move it: samizdat export.")
    return number


def walk(
    organization: Organization,
    tell: Callable[[int], None] = lambda _sealed: None,
    settled: float = SETTLED,
    wait: Callable[[float], None] = time.sleep,
) -> Walked:
    """Seals anew what a former key sealed. Nothing that was changed meanwhile is written over. May be killed, and
    called again. Errors: VaultError."""
    began, walked = time.monotonic(), Walked()
    for _pass in range(PASSES):
        before, walked.broken = walked.sealed, 0
        for column in COLUMNS:
            for sealed, broken in _seal_anew(organization, column):
                walked.sealed += sealed
                walked.broken += broken
                tell(walked.sealed)
        rest = began + settled - time.monotonic()
        if rest > 0:
            wait(rest)
        elif walked.sealed == before:
            break
    walked.left = status(organization).left - walked.broken
    return walked


def _seal_anew(organization: Organization, column: SealedColumn) -> Iterator[tuple[int, int]]:
    """(how many values were sealed anew, how many didn't open), batch by batch along the key."""
    model, after = column.model, None
    size = LIGHT if model in SPANS else HEAVY
    while True:
        keys = keyring.keys(organization)
        rows = _with_heads(column.rows(organization), column.column, _former_heads(keys))
        if after is not None:
            rows = rows.filter(pk__gt=after)
        batch = list(rows.order_by("pk").values_list(column.column, *column.needs)[:size])
        if not batch:
            return
        after, changed = batch[-1][1], []
        for blob, *needs in batch:
            new = _sealed_anew(keys, bytes(blob), column.place(*needs))
            if new is not None:
                changed.append((new, *_key(needs[0]), bytes(blob)))
        yield _swap(column, changed), len(batch) - len(changed)


def _sealed_anew(keys: keyring.OrganizationKeys, blob: bytes, place: tuple[str, str, int]) -> bytes | None:
    """None: it doesn't open there."""
    assert keys.data is not None and keys.ring is not None
    table, column, number = place
    where = seal.where(table, column, keys.uid, number)
    try:
        return keys.data.seal(keys.ring.open(blob, where), where, os.urandom(seal.NONCE_BYTES))
    except seal.SealError:
        return None


def _swap(column: SealedColumn, changed: Sequence[tuple[Any, ...]]) -> int:
    """Writes each value (new, key of the row, as it was) where it still is as it was."""
    if not changed:
        return 0
    name, meta = connection.ops.quote_name, column.model._meta
    mine = " AND ".join(f"{name(str(field.column))} = %s" for field in meta.pk_fields)
    sealed = name(column.column)
    statement = f"UPDATE {name(meta.db_table)} SET {sealed} = %s WHERE {mine} AND {sealed} = %s"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(statement, changed)
        return int(cursor.rowcount)


def _key(pk: Any) -> tuple[Any, ...]:
    return pk if isinstance(pk, tuple) else (pk,)


def _former_heads(keys: keyring.OrganizationKeys) -> list[bytes]:
    assert keys.data is not None and keys.ring is not None
    return [key.head for number, key in sorted(keys.ring.keys.items()) if number != keys.data.number]


def _with_heads(rows: QuerySet[Model], column: str, heads: list[bytes]) -> QuerySet[Model]:
    head = Func(
        F(column), Value(1), Value(len(heads[0]) if heads else 3), function="substr", output_field=BinaryField()
    )
    sealed_with: QuerySet[Model] = rows.annotate(key_head=head).filter(key_head__in=heads)
    return sealed_with


def _kept_rows(name: str, organization: Organization) -> QuerySet[Model]:
    return SealedColumn(name, "organization", ("pk",), lambda pk: ("", "", pk)).rows(organization)

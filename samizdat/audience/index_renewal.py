"""Subscribers, and what else their addresses find, under the current index key instead of a former one: what the walk
of a rotation (backup/index_rotation.py) does with one batch.

A row is renewed by its own sealed address, and only where its index is the one of that address: whoever writes the
database without a key gets nothing written anew that they put there. All that names an index of somebody changes in one
transaction, since a sender compares it.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import batched

from django.db import IntegrityError

from samizdat.accounts.models import Organization
from samizdat.audience import address_log, consent_writer, sealed_subscribers, sql, suppression_log
from samizdat.audience.actions.suppressions import put_indexes_right
from samizdat.audience.models import DOUBLE, NUMBER_MASK, DataQualityIssue, Subscriber, Suppression, row_id
from samizdat.core.crypto import seal
from samizdat.core.mail import misspelling
from samizdat.events.actions import record_each
from samizdat.vault import keyring
from samizdat.vault.errors import IndexKeyReplaced
from samizdat.vault.keyring import OrganizationKeys

WAITING = consent_writer.index_text("", waiting=True)
# Indexes in one query.
TOGETHER = 500


@dataclass(frozen=True, slots=True)
class _Renewal:
    id: int
    comparable: str  # Their address.
    before: tuple[bytes, bytes]  # What is sealed of them, and their index.
    sealed: bytes
    index: bytes


def under_former(organization: Organization, keys: OrganizationKeys, after: int, limit: int) -> list[int]:
    """The next of those whose index is under a former key."""
    rows = Subscriber.objects.filter(id__gt=after, id__lt=row_id(organization.id + 1, 0))
    rows = rows.filter(organization=organization).exclude(index_version=keys.index_version)
    return list(rows.order_by("id").values_list("id", flat=True)[:limit])


def renewable(organization: Organization, keys: OrganizationKeys, ids: Sequence[int]) -> dict[int, tuple[bytes, str]]:
    """Of these, whose index is that of their address: (index, what it is made of). The nightly comparison puts the
    others right."""
    return {
        id: (index, text)
        for id, index, text, is_marked in consent_writer.indexes_among(organization, keys, ids)
        if text is not None and is_marked and index in keys.blinds(text)
    }


def renew(organization: Organization, ids: Sequence[int], now: datetime) -> int:
    """How many of these are under the current key by now. Who is being changed at this moment is left for the next
    walk."""
    keys = keyring.keys(organization)
    renewals = _renewals(organization, keys, ids)
    try:
        return _written(organization, keys, renewals, now)
    except IntegrityError:  # Another row has an index that belongs to one of them.
        return sum(_alone(organization, keys, renewal, now) for renewal in renewals)


def _renewals(organization: Organization, keys: OrganizationKeys, ids: Sequence[int]) -> list[_Renewal]:
    """Before the transaction: on SQLite everybody else waits for its end."""
    known = renewable(organization, keys, ids)
    opened, sealed = sealed_subscribers.opener(keys).open, sealed_subscribers.sealer(keys).seal
    renewals: list[_Renewal] = []
    for id, blob, _language, _joined, index in sql.subscribers_at(organization.id, [*known]):
        before, text = known[id]
        if bytes(index) != before:
            continue
        number, new = id & NUMBER_MASK, keys.blind(text)
        try:
            plain = opened(bytes(blob), number)
        except seal.SealError:
            continue
        fresh = sealed(plain, number, os.urandom(seal.NONCE_BYTES), new[: sealed_subscribers.MARK])
        renewals.append(_Renewal(id, text.removeprefix(WAITING), (bytes(blob), before), fresh, new))
    return renewals


def _alone(organization: Organization, keys: OrganizationKeys, renewal: _Renewal, now: datetime) -> int:
    try:
        return _written(organization, keys, [renewal], now)
    except IntegrityError:
        put_indexes_right(organization, [renewal.id & NUMBER_MASK], now=now)
        return 1


def _written(organization: Organization, keys: OrganizationKeys, renewals: Sequence[_Renewal], now: datetime) -> int:
    with keyring.alone_with_index(organization.id) as number:
        if number != keys.index_version:
            raise IndexKeyReplaced
        return _write(organization, keys, renewals, now)


def _write(organization: Organization, keys: OrganizationKeys, renewals: Sequence[_Renewal], now: datetime) -> int:
    here = sql.indexes_to_change([renewal.id for renewal in renewals])
    renewals = [renewal for renewal in renewals if here.get(renewal.id) == renewal.before]
    version = keys.index_version
    sql.change_indexes([(renewal.sealed, renewal.index, version, renewal.id) for renewal in renewals])
    comparable = {renewal.id: renewal.comparable for renewal in renewals}
    _renew_suppressions(organization, keys, [*comparable.values()], now)
    _renew_doubles(keys, comparable)
    moved = {id: comparable[id] for id in address_log.last_indexes([*comparable])}
    if moved:
        details = {id: address_log.detail_for(keys, address) for id, address in moved.items()}
        record_each(address_log.REINDEXED, organization, details, now=now)
    return len(renewals)


def _renewed_blinds(keys: OrganizationKeys, texts: Iterator[str]) -> dict[bytes, bytes]:
    """The index under each former key -> under the current one."""
    every = [keys.blinds(text) for text in texts]
    return {former: current for current, *formers in every for former in formers}


def _renew_suppressions(
    organization: Organization, keys: OrganizationKeys, texts: Sequence[str], now: datetime
) -> None:
    """Their entries, and those of their mailboxes however they are spelled, as the log has to say as well."""
    if not Suppression.objects.filter(organization=organization).exclude(index_version=keys.index_version).exists():
        return
    new = _renewed_blinds(keys, (form for text in texts for form in (text, suppression_log.root_text(text))))
    for some in batched(new, TOGETHER):
        rows = Suppression.objects.filter(organization=organization, email_index__in=some)
        columns = [*rows.values_list("id", "email_index", "reason", "day")]
        if columns:
            suppression_log.delete(organization, rows.filter(id__in=[id for id, *_rest in columns]), now)
            written = [
                (new[bytes(index)], keys.index_version, reason, day.isoformat()) for _id, index, reason, day in columns
            ]
            suppression_log.write(organization, written, now)


def _renew_doubles(keys: OrganizationKeys, comparable: Mapping[int, str]) -> None:
    for ids in batched(comparable, TOGETHER):
        rows = DataQualityIssue.objects.filter(subscriber__in=ids, kind=DOUBLE)
        for id, mark in rows.values_list("subscriber_id", "mark"):
            current, *formers = keys.blinds(misspelling.canonical(comparable[id]))
            if bytes(mark) in formers:
                DataQualityIssue.objects.filter(subscriber=id, kind=DOUBLE).update(mark=current)

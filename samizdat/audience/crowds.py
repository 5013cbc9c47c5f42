"""Facts about many subscribers at once, for bulk work: what settling.py does, in a few statements a slice."""

import os
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from samizdat import dialect
from samizdat.audience import facts, headcount, settling
from samizdat.audience.models import (
    NONSUBSCRIBED,
    NUMBER_MASK,
    ConsentRecord,
    List,
    Oddity,
    ReadableValue,
    Subscriber,
    SubscriberTag,
    Subscription,
)
from samizdat.audience.totals import Totals
from samizdat.core import address as addresses
from samizdat.core import consent, seal
from samizdat.vault import house
from samizdat.vault.house import OrganisationKeys

_DESK = consent.WAYS.index("desk")


def write(list_: List, ids: Sequence[int], kind: str, words: dict[int, str], now: datetime, grown: int = _DESK) -> None:
    """The same fact, by way of the desk, about all of these locked subscribers and one list; and what it comes to.

    `grown`: the way, of GROWN_BY, by which the list grows or shrinks.
    """
    if not ids:
        return
    organisation, keys = list_.organisation, house.keys(list_.organisation)
    assert keys.data is not None
    at, today = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), now.astimezone(UTC).date()
    days = settling.day_of(ids, today, kind in consent.AGREEING)
    sealed = keys.data.bound(*facts.RECORD, keys.uid).seal
    plain, code = seal.pack({consent.AT: at, **words}), consent.KINDS.index(kind)
    rows = []
    for id in ids:
        blob = sealed(plain, id & NUMBER_MASK, os.urandom(seal.NONCE_BYTES))
        columns = (organisation.id, id, list_.id, code, facts.NEWSLETTER, _DESK, days[id].isoformat(), blob)
        rows.append((*columns, facts.digest(*columns)))
    dialect.insert_consent(rows)
    _settle(list_, ids, now, Totals(today.isoformat(), grown))


def _settle(list_: List, ids: Sequence[int], now: datetime, totals: Totals) -> None:
    """Status and verdict of these on one list."""
    known: dict[int, list[facts.Known]] = defaultdict(list)
    for id, one in dialect.consent_of(ids):
        known[id].append(one)
    reasons, before = _suppressed(list_.organisation, ids), dialect.pauses_of(ids, list_.id)
    carried: dict[int, list[int]] = defaultdict(list)
    for id, tag in dialect.tags_of(ids):
        carried[id].append(tag)
    today = now.astimezone(UTC).date()
    entered, moved, asked = [], [], []
    for id in ids:
        old = before.get(id)
        paused = datetime.fromisoformat(old[3]).date() if old and old[3] else None
        told = facts.records(known[id])
        status, may, day = facts.verdict_of(told, list_.id, now, reasons.get(id), paused)
        if asking := facts.asking_of(told, list_.id, now):
            asked.append((asking, id, list_.id))
        since = day.isoformat() if day else (old[2] if old else today.isoformat())
        if old is None:
            entered.append((id, list_.id, status, may, since))
        elif (status, may, since) != old[:3]:
            moved.append((status, may, since, id, list_.id))
        totals.move({list_.id: old[0]} if old else {}, carried[id], {list_.id: status}, carried[id])
    dialect.insert_subscriptions(entered)
    dialect.update_subscriptions(moved)
    dialect.update_asking(asked)
    totals.write()


def take_off(list_: List, ids: Sequence[int]) -> None:
    """Those of these locked subscribers who never agreed to this list are not on it any more, as before a move."""
    here = {id: told[0] for id, told in dialect.pauses_of(ids, list_.id).items() if told[0] == NONSUBSCRIBED}
    carried: dict[int, list[int]] = defaultdict(list)
    for id, tag in dialect.tags_of([*here]):
        carried[id].append(tag)
    totals = Totals()
    for id, status in here.items():
        totals.move({list_.id: status}, carried[id], {}, ())
    Subscription.objects.filter(list=list_, subscriber__in=[*here]).delete()
    totals.write()


def erase(organisation: Any, ids: Sequence[int], now: datetime) -> None:
    """What actions.subscribers.erase_locked does to one, of all of these locked subscribers. The caller writes the
    event, which has the disk swept."""
    keys, day = house.keys(organisation), now.astimezone(UTC).date().isoformat()
    assert keys.data is not None and keys.ring is not None
    opened, sealed = keys.ring.bound(*facts.SUBSCRIBER, keys.uid), keys.data.bound(*facts.RECORD, keys.uid).seal
    at = seal.pack({consent.AT: now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")})
    marks, records = [], []
    rows_here = dialect.subscribers_at(organisation.id, ids)
    ids = [row[0] for row in rows_here]
    for id, blob, _language, _joined, _blind in rows_here:
        address = seal.pick(opened.open(blob, id & NUMBER_MASK), seal.ADDRESS)
        blind = keys.blind(addresses.comparable(address))
        marks.append((organisation.id, blind, keys.index_version, "erased", day))
        # One record at least outlives her, so that her number is known to have been used. It has no words any more.
        words = sealed(at, id & NUMBER_MASK, os.urandom(seal.NONCE_BYTES))
        columns = (organisation.id, id, None, consent.KINDS.index("objected"), facts.NEWSLETTER, _DESK, day)
        records.append((*columns, b"", facts.digest(*columns, words)))
    _out_of_totals(ids)
    ConsentRecord.objects.filter(subscriber__in=ids).update(blob=b"")
    dialect.insert_consent(records)
    for rows in (SubscriberTag, Subscription, ReadableValue, Oddity):
        rows.objects.filter(subscriber__in=ids).delete()
    Oddity.objects.filter(other__in=ids).update(other=None)
    # Overwritten first: on PostgreSQL a deleted row keeps its bytes until they are needed for another.
    dialect.update_subscribers([(b"", "", id) for id in ids])
    Subscriber.objects.filter(id__in=ids).delete()
    headcount.add(organisation.id, -len(marks))
    dialect.insert_suppressions(marks)


def _out_of_totals(ids: Sequence[int]) -> None:
    on: dict[int, dict[int, int]] = defaultdict(dict)
    for id, list_id, status, _may in dialect.subscriptions_of(ids):
        on[id][list_id] = status
    carried: dict[int, list[int]] = defaultdict(list)
    for id, tag in dialect.tags_of(ids):
        carried[id].append(tag)
    totals = Totals()
    for id, lists in on.items():
        totals.move(lists, carried[id], {}, ())
    totals.write()


def settle_all(organisation: Any, ids: Sequence[int], now: datetime) -> None:
    """Status and verdict of these locked subscribers on every list they are on."""
    on: dict[int, list[int]] = defaultdict(list)
    for id, list_id, _status, _may in dialect.subscriptions_of(ids):
        on[list_id].append(id)
    for list_ in List.objects.select_related("organisation").filter(organisation=organisation, id__in=on):
        _settle(list_, on[list_.id], now, Totals())


def _suppressed(organisation: Any, ids: Sequence[int]) -> dict[int, str | None]:
    keys = house.keys(organisation)
    whose = _blinds(organisation, keys, ids)
    found: dict[int, list[str]] = defaultdict(list)
    for blind, reason in dialect.suppressions_by_blind(organisation.id, list(whose)):
        found[whose[bytes(blind)]].append(reason)
    return {id: facts.foremost(reasons) for id, reasons in found.items()}


def _blinds(organisation: Any, keys: OrganisationKeys, ids: Sequence[int]) -> dict[bytes, int]:
    """While index keys change, an address is known under each of them."""
    if len(keys.index) == 1:
        return dialect.blinds_of(organisation.id, ids)
    rows = Subscriber.objects.filter(organisation=organisation, id__in=ids)
    return {blind: row.id for row in rows for blind in settling.blinds_of(keys, row)}


def last_by_desk(list_: List, ids: Sequence[int], kind: str) -> list[int]:
    """Those of whom the last thing that is known for a list is this, from the desk: nothing that she did since is
    undone with it. That somebody typed her address into a form is no deed of hers."""
    code, last, asked = consent.KINDS.index(kind), {}, consent.KINDS.index("asked")
    for id, (_order, list_id, found, purpose, way, _day) in dialect.consent_of(ids):
        meant = purpose == facts.NEWSLETTER or found == consent.KINDS.index("cleaned")
        if list_id in (list_.id, None) and meant and found != asked:
            last[id] = (found, way)
    return [id for id in ids if last.get(id) == (code, _DESK)]

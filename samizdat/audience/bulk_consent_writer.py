"""Facts about many subscribers at once, for bulk work: what consent_writer.py does, in a few statements a slice."""

import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from types import MappingProxyType

from samizdat.accounts.models import Organization
from samizdat.audience import (
    bulk_insert,
    consent_records,
    consent_writer,
    emptied_records,
    headcount,
    sealed_subscribers,
    sql,
    suppression_log,
)
from samizdat.audience.list_totals import ListTotals
from samizdat.audience.models import (
    CLEANED,
    NONSUBSCRIBED,
    NUMBER_MASK,
    PENDING,
    SUBSCRIBED,
    UNSUBSCRIBED,
    DataQualityIssue,
    List,
    ReadableValue,
    Subscriber,
    SubscriberTag,
    Subscription,
)
from samizdat.core import consent
from samizdat.core.crypto import seal
from samizdat.vault import keyring
from samizdat.vault.keyring import OrganizationKeys

_DESK = consent.WAYS.index("desk")


def write(list_: List, ids: Sequence[int], kind: str, words: dict[int, str], now: datetime, grown: int = _DESK) -> None:
    """The same fact, by way of the desk, about all of these locked subscribers and one list; and what it comes to.

    `grown`: the way, of GROWN_BY, by which the list grows or shrinks. Those of whom limits.RECORDS facts are on record
    are left out, but for what ends something.
    """
    if kind not in consent_records.ENDING:
        full = sql.crowded(ids)
        ids = [id for id in ids if id not in full]
    if not ids:
        return
    organization, keys = list_.organization, keyring.keys(list_.organization)
    assert keys.data is not None
    at, today = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), now.astimezone(UTC).date()
    days = consent_writer.day_of(ids, today, kind in consent.AGREEING)
    sealed = keys.data.bound(*consent_records.RECORD, keys.uid).seal
    plain, code = seal.pack({consent.AT: at, **words}), consent.KINDS.index(kind)
    indexed = _with_indexes(organization, ids, code, plain)
    rows = []
    for id in ids:
        blob = sealed(indexed.get(id, plain), id & NUMBER_MASK, os.urandom(seal.NONCE_BYTES))
        columns = (organization.id, id, list_.id, code, consent_records.NEWSLETTER, _DESK, days[id].isoformat(), blob)
        rows.append((*columns, consent_records.digest(*columns)))
    bulk_insert.insert_consent(rows)
    _settle(list_, ids, now, ListTotals(today.isoformat(), grown))


def _with_indexes(organization: Organization, ids: Sequence[int], kind: int, words: bytes) -> dict[int, bytes]:
    """Packed words of a no, each with the index of whoever it is about."""
    if kind not in consent_records.NO:
        return {}
    keys = keyring.keys(organization)
    return {
        id: consent_records.with_index(kind, words, keys.index_version, keys.blind(address))
        for id, _index, address, _is_marked in consent_writer.indexes_among(organization, keys, ids)
        if address is not None
    }


def _settle(
    list_: List,
    ids: Sequence[int],
    now: datetime,
    totals: ListTotals,
    blinds: Mapping[int, Sequence[bytes]] | None = None,
) -> None:
    """Status and verdict of these on one list. blinds: as of settle_all()."""
    known = _records_of(ids)
    reasons, before = _suppressed(list_.organization, ids, blinds), sql.pauses_of(ids, list_.id)
    carried: dict[int, list[int]] = defaultdict(list)
    for id, tag in sql.tags_of(ids):
        carried[id].append(tag)
    today = now.astimezone(UTC).date()
    entered, moved, asked = [], [], []
    for id in ids:
        old = before.get(id)
        paused = datetime.fromisoformat(old[3]).date() if old and old[3] else None
        records = known[id]
        status, may, day = consent_records.verdict_of(records, list_.id, now, reasons.get(id), paused)
        if asking := consent_records.asking_of(records, list_.id, now):
            asked.append((asking, id, list_.id))
        since = day.isoformat() if day else (old[2] if old else today.isoformat())
        if old is None:
            entered.append((id, list_.id, status, may, since))
        elif (status, may, since) != old[:3]:
            moved.append((status, may, since, id, list_.id))
        totals.move({list_.id: old[0]} if old else {}, carried[id], {list_.id: status}, carried[id])
    bulk_insert.insert_subscriptions(entered)
    sql.update_subscriptions(moved)
    sql.update_asking(asked)
    totals.write()


def _records_of(ids: Sequence[int]) -> dict[int, list[consent.ConsentFact]]:
    known: dict[int, list[consent_records.Known]] = {id: [] for id in ids}
    for id, entry in consent_records.believed(sql.digested_consent_of(ids)):
        known[id].append(entry)
    return {id: consent_records.records(entries) for id, entries in known.items()}


def statuses_of(list_: List, ids: Sequence[int], now: datetime) -> dict[int, int]:
    """How they stand on a list by their records, whatever its row says."""
    known = _records_of(ids)
    return {id: consent_records.verdict_of(records, list_.id, now, None)[0] for id, records in known.items()}


def gone_since(list_: List, ids: Sequence[int], day: date, now: datetime) -> list[int]:
    """Who of them left this list before this day, or is over on it for another reason, and is on no other: by their
    records, whatever their rows say: by none that somebody else wrote, since nothing is left of who is erased."""
    lists = List.objects.filter(organization=list_.organization_id).values_list("id", flat=True)
    rows = sql.digested_consent_of(ids)
    altered = emptied_records.altered(rows)
    known = _records_of(sorted({*ids} - {row[0] for row in rows if row[1][0] in altered}))
    return [id for id, records in known.items() if _is_gone(records, list_.id, [*lists], day, now)]


def _is_gone(
    records: Sequence[consent.ConsentFact], list_id: int, lists: Sequence[int], day: date, now: datetime
) -> bool:
    facts_of = consent_records.of_lists(records)
    status, _may, since = consent_records.verdict_of(facts_of(list_id), list_id, now, None)
    named = {fact.list for fact in records} & {*lists}
    others = [consent_records.verdict_of(facts_of(other), other, now, None)[0] for other in named - {list_id}]
    is_over = status in (UNSUBSCRIBED, CLEANED) and since is not None and since < day
    return is_over and not any(other in (PENDING, SUBSCRIBED) for other in others)


def statuses_among(lists: Iterable[List], id: int, now: datetime) -> dict[List, int]:
    """The same of one subscriber, on some lists with one look at their records."""
    facts_of = consent_records.of_lists(_records_of([id])[id])
    return {list_: consent_records.verdict_of(facts_of(list_.id), list_.id, now, None)[0] for list_ in lists}


def on_list(list_: List, ids: Sequence[int], now: datetime, statuses: Collection[int]) -> list[int]:
    """Those of them who can be taken off a list: who stand so by the records that we wrote, or by the column and have
    not left by those records."""
    known: dict[int, list[consent_records.Known]] = {id: [] for id in ids}
    for id, entry in consent_records.genuine(sql.digested_consent_of(ids)):
        known[id].append(entry)
    logs = {id: consent_records.records(entries) for id, entries in known.items()}
    by_records = {id: consent_records.verdict_of(log, list_.id, now, None)[0] for id, log in logs.items()}
    by_column = {id for id, row in sql.pauses_of(ids, list_.id).items() if row[0] in statuses}
    return [
        id
        for id in ids
        if by_records[id] in statuses or (id in by_column and by_records[id] not in (UNSUBSCRIBED, CLEANED))
    ]


def take_off(list_: List, ids: Sequence[int]) -> None:
    """Those of these locked subscribers who never agreed to this list are not on it any more, as before a move."""
    here = {
        id: subscription[0]
        for id, subscription in sql.pauses_of(ids, list_.id).items()
        if subscription[0] == NONSUBSCRIBED
    }
    carried: dict[int, list[int]] = defaultdict(list)
    for id, tag in sql.tags_of([*here]):
        carried[id].append(tag)
    totals = ListTotals()
    for id, status in here.items():
        totals.move({list_.id: status}, carried[id], {}, ())
    Subscription.objects.filter(list=list_, subscriber__in=[*here]).delete()
    totals.write()


def _with_twins(organization: Organization, keys: OrganizationKeys, ids: Sequence[int]) -> list[int]:
    """These subscribers and the unconfirmed sign-ups with their addresses, or the other way round."""
    opened, blinds = sealed_subscribers.opener(keys).open, []
    for id, blob, _language, _joined, _blind in sql.subscribers_at(organization.id, ids):
        plain = opened(blob, id & NUMBER_MASK)
        waiting = bool(seal.pick(plain, seal.WAITING))
        blinds += keys.blinds(consent_writer.index_text(seal.pick(plain, seal.ADDRESS), not waiting))
    twins = [id for _blind, id, _blob, _language in sql.subscribers_by_blind(organization.id, blinds)]
    return [*dict.fromkeys([*ids, *twins])]


def erase(organization: Organization, ids: Sequence[int], now: datetime) -> list[int]:
    """What actions.subscribers.erase_locked does to one, of all of these locked subscribers. Whose rows went: theirs
    and those of sign-ups with their addresses. The caller writes the event, which has the disk swept."""
    keys = keyring.held_for_index(keyring.keys(organization))
    day = now.astimezone(UTC).date().isoformat()
    assert keys.data is not None
    opened, sealed = sealed_subscribers.opener(keys), keys.data.bound(*consent_records.RECORD, keys.uid).seal
    at = seal.pack({consent.AT: now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")})
    marks, records = [], []
    rows_here = sql.subscribers_at(organization.id, _with_twins(organization, keys, ids))
    ids = [row[0] for row in rows_here]
    for id, blob, _language, _joined, _blind in rows_here:
        address = seal.pick(opened.open(blob, id & NUMBER_MASK), seal.ADDRESS)
        marks += suppression_log.entries(keys, address, "erased", day)
        # One record at least outlives them, so that their number is known to have been used.
        words = sealed(at, id & NUMBER_MASK, os.urandom(seal.NONCE_BYTES))
        columns = (organization.id, id, None, consent.KINDS.index("objected"), consent_records.NEWSLETTER, _DESK, day)
        records.append((*columns, words, consent_records.digest(*columns, words)))
    _out_of_totals(ids)
    bulk_insert.insert_consent(records)
    emptied_records.empty_all_of(ids)
    for rows in (SubscriberTag, Subscription, ReadableValue, DataQualityIssue):
        rows.objects.filter(subscriber__in=ids).delete()
    DataQualityIssue.objects.filter(duplicate_of__in=ids).update(duplicate_of=None)
    # Overwritten first: on PostgreSQL a deleted row keeps its bytes until they are needed for another.
    sql.update_subscribers([(b"", "", id) for id in ids])
    Subscriber.objects.filter(id__in=ids).delete()
    headcount.add(organization.id, -len(ids))
    suppression_log.write(organization, [*dict.fromkeys(marks)], now)
    return ids


def _out_of_totals(ids: Sequence[int]) -> None:
    on: dict[int, dict[int, int]] = defaultdict(dict)
    for id, list_id, status, _may in sql.subscriptions_of(ids):
        on[id][list_id] = status
    carried: dict[int, list[int]] = defaultdict(list)
    for id, tag in sql.tags_of(ids):
        carried[id].append(tag)
    totals = ListTotals()
    for id, lists in on.items():
        totals.move(lists, carried[id], {}, ())
    totals.write()


def settle_all(
    organization: Organization,
    ids: Sequence[int],
    now: datetime,
    blinds: Mapping[int, Sequence[bytes]] | None = None,
    lists: Mapping[int, Iterable[int]] = MappingProxyType({}),
    way: int | None = None,
) -> None:
    """Status and verdict of these locked subscribers on every list they are on, and on those given for each. blinds:
    their indexes under every key (consent_writer.blinds_among), where those were read since they were locked. way: of
    GROWN_BY, by which lists grow or shrink; None where nothing new is known."""
    on: dict[int, set[int]] = defaultdict(set)
    for id, list_id, _status, _may in sql.subscriptions_of(ids):
        on[list_id].add(id)
    for id, more in lists.items():
        for list_id in more:
            on[list_id].add(id)
    today = now.astimezone(UTC).date().isoformat()
    for list_ in List.objects.select_related("organization").filter(organization=organization, id__in=on):
        totals = ListTotals() if way is None else ListTotals(today, way)
        _settle(list_, sorted(on[list_.id]), now, totals, blinds)


def _suppressed(
    organization: Organization, ids: Sequence[int], blinds: Mapping[int, Sequence[bytes]] | None
) -> dict[int, str | None]:
    if blinds is None:
        known = consent_writer.blinds_among(organization, keyring.keys(organization), ids)
        blinds = {id: own for id, _index, own in known}
    whose = {blind: id for id in ids for blind in blinds.get(id, ())}
    by_subscriber: dict[int, list[str]] = defaultdict(list)
    for blind, reason in sql.suppressions_by_blind(organization.id, list(whose)):
        by_subscriber[whose[bytes(blind)]].append(reason)
    return {id: consent_records.foremost(reasons) for id, reasons in by_subscriber.items()}


def last_by_desk(list_: List, ids: Sequence[int], kind: str, *, once: bool = False) -> list[int]:
    """Those of whom the last thing that is known for a list is this, from the desk: nothing that they did since is
    undone with it. That somebody typed their address into a form is no deed of theirs. `once`: and who did not tell
    the desk the same after it, which stands. Nobody of whom anything isn't as we wrote it: it may have been a no."""
    code, asked = consent.KINDS.index(kind), consent.KINDS.index("asked")
    last, repeated = dict[int, tuple[int, int]](), set[int]()
    rows = sql.digested_consent_of(ids)
    not_ours = emptied_records.altered(rows)
    altered = {row[0] for row in rows if row[1][0] in not_ours}
    for id, (_order, list_id, kind_code, purpose, way, _day), *_proof in rows:
        meant = purpose == consent_records.NEWSLETTER or kind_code == consent.KINDS.index("cleaned")
        if list_id in (list_.id, None) and meant and kind_code != asked:
            (repeated.add if last.get(id) == (kind_code, way) else repeated.discard)(id)
            last[id] = (kind_code, way)
    left_out = altered | (repeated if once else set())
    return [id for id in ids if last.get(id) == (code, _DESK) and id not in left_out]

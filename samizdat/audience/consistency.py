"""The nightly comparison: what a subscription says of itself, and what its records say.

The worker writes CHECKED once a day, and DIFFER before it where something was wrong. MEND is a person's answer: the
next comparison begins at once and puts right what it finds, by the records. Events tell counts, never who.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import batched

from django.db import transaction

from samizdat.accounts.models import Organization, Person
from samizdat.audience import (
    consent_records,
    consent_writer,
    emptied_records,
    missing_subscribers,
    sql,
    suppression_check,
)
from samizdat.audience.actions.consent import settle_again
from samizdat.audience.actions.suppressions import put_indexes_right
from samizdat.audience.consent_records import is_ours
from samizdat.audience.models import NUMBER_MASK, ConsentRecord, Subscriber, Subscription, row_id
from samizdat.audience.open_signups import ASKED
from samizdat.events import queries as events
from samizdat.events.actions import detail_of, record
from samizdat.events.kinds import EventKind
from samizdat.vault import keyring
from samizdat.vault.keyring import HasKeys

PAGE = 2_000
PAGE_INDEXES = 20_000  # Each address has one for each key that came with an export.
PAGE_RECORDS = 50_000  # 15 MB; fewer people where they have more

CHECKED: EventKind = "subscribers.checked"
DIFFER: EventKind = "subscribers.inconsistent"
MEND: EventKind = "subscribers.repair_requested"


@dataclass(slots=True)
class ConsistencyResult:
    """How many subscribers were looked at, and the numbers of those whose status, verdict or index of the address was
    not what it is, or whose records exchanged their numbers. `misindexed`: those with another index. `missing`: rows of
    those who have consent records and no row of their own that opens (missing_subscribers)."""

    subscribers: int = 0
    wrong: list[int] = field(default_factory=list)
    misindexed: list[int] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ComparedSubscriptions:
    """What the newest comparison found. `asked`: somebody wants it put right, and the worker has not done so yet."""

    at: datetime
    subscribers: int
    wrong: int  # Still wrong: what was put right is not among them.
    asked: bool


def compared(organization: Organization) -> ComparedSubscriptions | None:
    """None before the first comparison."""
    last, wish = events.last(organization, CHECKED), events.last(organization, MEND)
    if last is None:
        return None
    detail = detail_of(last)
    wrong = int(detail.get("wrong", 0)) - int(detail.get("mended", 0))
    return ComparedSubscriptions(
        last.at, int(detail.get("subscribers", 0)), wrong, wish is not None and wish.id > last.id
    )


def mend_all(organization: Organization, now: datetime, by: Person | None = None) -> tuple[ConsistencyResult, int]:
    """Compares at once and puts right what is wrong, by the records: what was found, and how many are right now."""
    checked, mended, after = ConsistencyResult(), 0, 0
    suppression_check.look(organization, now)
    more: int | None = after
    while more is not None:
        page, more = check_page(organization, after, now)
        checked.subscribers += page.subscribers
        checked.wrong += page.wrong
        put_indexes_right(organization, page.misindexed, now=now)
        missing_subscribers.report(organization, page.missing, now)
        mended += settle_again(organization, page.wrong, now=now)
        after = more or after
    tell(organization, checked.subscribers, len(checked.wrong), mended, now, by)
    return checked, mended


def tell(
    organization: Organization, subscribers: int, wrong: int, mended: int, now: datetime, by: Person | None = None
) -> None:
    """Writes down what a comparison found."""
    detail = {"subscribers": subscribers, "wrong": wrong} | ({"mended": mended} if mended else {})
    with transaction.atomic():
        if wrong:
            record(DIFFER, organization, now=now, by=by, detail=detail)
        record(CHECKED, organization, now=now, by=by, detail=detail)


def check_projections(organization: Organization, now: datetime) -> ConsistencyResult:
    """Compares every subscription with its records, in key pages. Reads only; settle_again() puts right."""
    checked, after = ConsistencyResult(), 0
    more: int | None = after
    while more is not None:
        page, more = check_page(organization, after, now)
        checked.subscribers += page.subscribers
        checked.wrong += page.wrong
        checked.misindexed += page.misindexed
        checked.missing += page.missing
        after = more or after
    return checked


def check_page(organization: Organization, after: int, now: datetime) -> tuple[ConsistencyResult, int | None]:
    """One page of the comparison: subscribers whose number follows `after`, and the number to go on from; None at the
    end."""
    begin, end = row_id(organization.id, after), row_id(organization.id + 1, 0)
    most = min(PAGE, max(1, PAGE_INDEXES // len(keyring.keys(organization).index)))
    ids = sql.numbered_after(begin, end, most)
    whole = len(ids) < most
    if len(few := sql.cut_by_records(ids, PAGE_RECORDS)) < len(ids):
        ids, whole = list(few), False
    wrong, misindexed, unreadable = _wrong(organization, ids, now)
    if wrong:
        # Somebody may have left between two of the queries; who is wrong is so at a second look.
        wrong, misindexed, _unreadable = _wrong(organization, wrong, now)
    checked = ConsistencyResult(
        len(ids),
        [id & NUMBER_MASK for id in wrong],
        [id & NUMBER_MASK for id in sorted(misindexed)],
        sorted({*sql.without_row(begin, end - 1 if whole else ids[-1]), *unreadable}),
    )
    return checked, None if whole else ids[-1] & NUMBER_MASK


def _wrong(organization: Organization, ids: list[int], now: datetime) -> tuple[list[int], set[int], set[int]]:
    """Of these, who differs in anything, who in the index of the address, and whose address does not open."""
    known: dict[int, list[consent_records.Known]] = {id: [] for id in ids}
    for id, entry in consent_records.believed(sql.digested_consent_of(ids)):
        known[id].append(entry)
    keys = keyring.keys(organization)
    here = [*consent_writer.indexes_among(organization, keys, ids)]
    unreadable = {id for id, _index, text, _is_marked in here if text is None}
    indexes = [(id, index, [index] if text is None else keys.blinds(text)) for id, index, text, _is_marked in here]
    misindexed = {id for id, index, blinds in indexes if index not in blinds}
    misindexed |= {id for id, _index, text, is_marked in here if text is not None and not is_marked}
    misindexed |= {*sql.of_others(organization.id, ids)}
    reasons = _suppressed(organization, {blind: id for id, _index, blinds in indexes for blind in blinds})
    logs = {id: consent_records.records(held) for id, held in known.items()}
    resting = Subscription.objects.filter(subscriber__in=ids, paused__isnull=False)
    paused = {(id, list_id): day for id, list_id, day in resting.values_list("subscriber_id", "list_id", "paused")}
    asking = sql.asking_of(ids)
    differing = {
        id
        for id, list_id, status, may in sql.subscriptions_of(ids)
        if consent_records.verdict_of(logs[id], list_id, now, reasons.get(id), paused.get((id, list_id)))[:2]
        != (status, may)
        or consent_records.asking_of(logs[id], list_id, now) != asking.get((id, list_id), 0)
    }
    return sorted(differing | misindexed | sql.exchanged(ids)), misindexed, unreadable


def _suppressed(organization: Organization, whose: dict[bytes, int]) -> dict[int, str | None]:
    by_subscriber: dict[int, list[str]] = {}
    for blind, reason in sql.suppressions_by_blind(organization.id, list(whose)):
        by_subscriber.setdefault(whose[bytes(blind)], []).append(reason)
    return {id: consent_records.foremost(reasons) for id, reasons in by_subscriber.items()}


def changed_records(organization: HasKeys, ids: list[int]) -> list[int]:
    """Of these records of consent, those that do not say what their digest says, that somebody copied beside
    themselves, or whose reader's records exchanged their numbers: for the check of the chain. One whose words were
    erased has no say any more: we took them away, with its subscriber or of a sign-up (emptied_records)."""
    rows = sql.digested_records(ids)
    unlike, emptied = {row[1][0] for row in rows if not is_ours(row)}, emptied_records.among(rows)
    gone = _gone({row[0] for row in rows if row[1][0] in emptied})
    erased = {row[1][0] for row in rows if row[1][0] in emptied and (row[0] in gone or row[1][2] == ASKED)}
    subscribers = {row[0] for row in rows}
    copied = _copied(subscribers) & {row[1][0] for row in rows}
    exchanged = sql.exchanged([*subscribers])
    copied |= {row[1][0] for row in rows if row[0] in exchanged}
    return sorted(copied | unlike - erased)


def all_joined_since(ids: Iterable[int], day: date) -> bool:
    """Whether each of these subscribers came that day or later, as all of their records of consent say, which have a
    digest: Subscriber.joined stands in the open, and whoever writes the database would have anybody be new."""
    return all(_joined_since(set(page), day) for page in batched(ids, 500))


def _joined_since(ids: set[int], day: date) -> bool:
    rows = sql.digested_consent_of([*ids])
    are_new = all(is_ours(row) and row[1][5] >= day.isoformat() for row in rows)
    return are_new and ids == {row[0] for row in rows}


def _gone(numbers: set[int]) -> set[int]:
    """Of these readers, those who are not here any more."""
    return numbers - set(Subscriber.objects.filter(id__in=numbers).values_list("id", flat=True))


def _copied(subscribers: set[int]) -> set[int]:
    """The records of these readers that are another one over again, which no two with words are."""
    marks, copies = set(), set()
    rows = ConsentRecord.objects.filter(subscriber__in=subscribers).exclude(sealed=b"").order_by("id")
    for id, mark in rows.values_list("id", "digest"):
        if bytes(mark) in marks:
            copies.add(id)
        marks.add(bytes(mark))
    return copies

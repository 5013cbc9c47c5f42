"""All that is known of one subscriber, with their consent log."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from samizdat.audience import consent_records, consent_writer, sql
from samizdat.audience.list_details import list_name
from samizdat.audience.models import STATUSES, List, Subscriber, Subscription
from samizdat.audience.queries.subscribers import tag_names, values_of
from samizdat.core import consent
from samizdat.core.crypto import seal
from samizdat.core.mail import address as addresses
from samizdat.vault import keyring
from samizdat.vault.keyring import OrganizationKeys

type Verdict = consent.Permission | consent.Refusal
# A consent record, and what is sealed of it.
type OpenedRecord = tuple[consent_records.Known, dict[int, str]]


@dataclass(frozen=True, slots=True)
class SubscriptionStatus:
    """Where they stand with one list."""

    list_id: int
    name: str
    status: str
    verdict: Verdict
    since: date


@dataclass(frozen=True, slots=True)
class ConsentEntry:
    """A consent record, opened. `at`: the exact time as it was told, "" where nobody told one; `day` follows it."""

    day: date
    at: str
    asked_at: str
    kind: str
    list_id: int | None
    list_name: str  # "" for every list
    way: str
    source: str
    wording: str
    reason: str
    letter: str
    purpose: str = "newsletter"
    version: str = ""  # Of the wording, with its language, where the house keeps it.
    language: str = ""


@dataclass(frozen=True, slots=True)
class SubscriberCard:
    """All that is known of one subscriber."""

    number: int
    address: str
    values: dict[str, str]
    notes: str
    tags: list[str]
    language: str
    provider: str
    joined: date
    suppressed: str | None
    lists: list[SubscriptionStatus] = field(default_factory=list)
    timeline: list[ConsentEntry] = field(default_factory=list)  # newest first
    fundraising: list[tuple[SubscriptionStatus, Verdict]] = field(
        default_factory=list
    )  # Where they ever said something of it.


def card(subscriber: Subscriber, now: datetime) -> SubscriberCard:
    """Their page: values, tags, the verdict with its reason for every list they are on, and their consent log."""
    organization = subscriber.organization
    keys = keyring.keys(organization)
    held = consent_writer.values_of(keys, subscriber)
    names = {row.id: list_name(keys, row) for row in List.objects.filter(organization=organization)}
    reason = consent_writer.suppressed(organization.id, consent_writer.blinds_of(keys, subscriber))
    opened = _opened(keys, subscriber)
    moments = _told(opened)
    standings = [*_standings(subscriber, names, now, reason, [record for record, _ in opened], moments)]
    return SubscriberCard(
        number=subscriber.number,
        address=held[seal.ADDRESS],
        values=values_of(subscriber),
        notes=held.get(seal.NOTES, ""),
        tags=tag_names(organization, [subscriber.id]).get(subscriber.id, []),
        language=subscriber.language,
        provider=addresses.PROVIDERS[subscriber.provider],
        joined=min([subscriber.joined, *(date.fromisoformat(moment[:10]) for moment in moments.values())]),
        suppressed=reason,
        lists=standings,
        timeline=_timeline(opened, moments, names),
        fundraising=_fundraising(standings, [record for record, _ in opened], now, reason),
    )


def consent_entries(subscriber: Subscriber) -> list[ConsentEntry]:
    """Their consent log alone, the newest first; without the names of lists."""
    opened = _opened(keyring.keys(subscriber.organization), subscriber)
    return _timeline(opened, _told(opened), {})


def _timeline(opened: Iterable[OpenedRecord], moments: dict[int, str], names: dict[int, str]) -> list[ConsentEntry]:
    newest = sorted(opened, key=lambda entry: (moments[entry[0][0]], entry[0][5], entry[0][0]), reverse=True)
    return [_entry(record, words, moments[record[0]], names) for record, words in newest]


def _fundraising(
    standings: Iterable[SubscriptionStatus], known: Iterable[consent_records.Known], now: datetime, reason: str | None
) -> list[tuple[SubscriptionStatus, Verdict]]:
    """May we ask them for money? A yes to letters is none to that; shown where anything is on record about it."""
    records = consent_records.records(known)
    if not any(record.purpose == "fundraising" for record in records):
        return []
    return [
        (standing, consent.may(records, standing.list_id, "fundraising", now, suppressed=reason))
        for standing in standings
    ]


_LEAVING = frozenset({"withdrawn", "objected", "cleaned"})


def _opened(keys: OrganizationKeys, subscriber: Subscriber) -> list[OpenedRecord]:
    """Their records with what is sealed of them, in the order in which core/consent reads them."""
    records = [
        (record, seal.unpack(keys.open(blob, *consent_records.RECORD, subscriber.number)) if blob else {})
        for _, record, blob in sql.consent_with_words([subscriber.id])
    ]
    return sorted(records, key=lambda pair: (pair[0][5], pair[0][0]))


def letters_left_by(subscriber: Subscriber, lists: Iterable[List], now: datetime) -> frozenset[tuple[int, str]]:
    """(list, edition by whose link they left it), of each of these lists, as their sealed records tell it
    (core/consent)."""
    keys = keyring.keys(subscriber.organization)
    rows = sql.consent_with_words([subscriber.id])
    records = consent_records.records(record for _, record, _ in rows)
    letter_records = [
        replace(record, letter=_letter(keys, subscriber, blob)) if record.kind == "withdrawn" else record
        for record, (_, _, blob) in zip(records, rows, strict=True)
    ]
    # Most left by no letter yet, and nothing has to be folded.
    purposes = {record.purpose for record in letter_records if record.letter}
    facts_of = consent_records.of_lists(letter_records)
    return frozenset(
        (list_.id, letter)
        for list_ in lists
        for purpose in purposes
        for letter in consent.letters_left_by(facts_of(list_.id), list_.id, purpose, now)
    )


def _letter(keys: OrganizationKeys, subscriber: Subscriber, blob: bytes) -> str:
    """Which edition's link a leaving was by. Nothing where it does not open: a damaged one must stop nobody."""
    try:
        return (
            seal.unpack(keys.open(blob, *consent_records.RECORD, subscriber.number)).get(consent.LETTER, "")
            if blob
            else ""
        )
    except (seal.SealError, KeyError):
        return ""


def _told(opened: Iterable[OpenedRecord]) -> dict[int, str]:
    """Number of a record -> the moment it tells of, or the day alone.

    Readable of an import is its own day; the file's time is sealed. One later than that is a wrong clock. A leaving
    that a file dates before the agreement beside it counts after it, so it is shown after it.
    """
    moments: dict[int, str] = {}
    latest: dict[int | None, str] = {}
    for (number, list_id, kind, _purpose, _way, day), words in opened:
        at = words.get(consent.AT, "")
        moment = at if at and at[:10] <= day else day
        if consent.KINDS[kind] in _LEAVING:
            moment = max(moment, latest.get(list_id, ""))
        moments[number] = latest[list_id] = moment
    return moments


def _standings(
    subscriber: Subscriber,
    names: dict[int, str],
    now: datetime,
    reason: str | None,
    known: Iterable[consent_records.Known],
    moments: dict[int, str],
) -> Iterator[SubscriptionStatus]:
    """The verdicts, with the day that was told instead of the readable one."""
    records = consent_records.records(known)
    for row in Subscription.objects.filter(subscriber=subscriber).order_by("list_id"):
        verdict = consent.may(records, row.list_id, "newsletter", now, suppressed=reason, paused=row.paused)
        own, since = consent.may(records, row.list_id, "newsletter", now), row.since
        if own.record:
            since = date.fromisoformat(moments[own.record.order][:10])
        if verdict.record and verdict.reason != "paused":
            verdict = replace(verdict, record=replace(verdict.record, day=since))
        yield SubscriptionStatus(row.list_id, names[row.list_id], STATUSES[row.status], verdict, since)


def _entry(record: consent_records.Known, words: dict[int, str], moment: str, names: dict[int, str]) -> ConsentEntry:
    _, list_id, kind, purpose, way, _ = record
    return ConsentEntry(
        day=date.fromisoformat(moment[:10]),
        at=words.get(consent.AT, ""),
        asked_at=words.get(consent.ASKED_AT, ""),
        kind=consent.KINDS[kind],
        list_id=list_id,
        list_name=names.get(list_id or 0, ""),
        way=consent.WAYS[way],
        source=words.get(consent.SOURCE, ""),
        wording=words.get(consent.WORDING, ""),
        reason=words.get(consent.REASON, ""),
        letter=words.get(consent.LETTER, ""),
        purpose=consent.PURPOSES[purpose],
        version=words.get(consent.VERSION, ""),
        language=words.get(consent.LANGUAGE, ""),
    )

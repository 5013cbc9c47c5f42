"""All that is known of one subscriber, with her consent log."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from samizdat import dialect
from samizdat.audience import facts, settling
from samizdat.audience.models import STATUSES, List, Subscriber, Subscription
from samizdat.audience.naming import list_name
from samizdat.audience.queries.people import tag_names, values_of
from samizdat.core import address as addresses
from samizdat.core import consent, seal
from samizdat.vault import house
from samizdat.vault.house import OrganisationKeys

type Verdict = consent.Yes | consent.No


@dataclass(frozen=True, slots=True)
class Standing:
    """Where she stands with one list."""

    list_id: int
    name: str
    status: str
    verdict: Verdict
    since: date


@dataclass(frozen=True, slots=True)
class Entry:
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
class Card:
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
    lists: list[Standing] = field(default_factory=list)
    timeline: list[Entry] = field(default_factory=list)  # newest first
    fundraising: list[tuple[Standing, Verdict]] = field(default_factory=list)  # Where she ever said something of it.


def card(subscriber: Subscriber, now: datetime) -> Card:
    """Her page: values, tags, the verdict with its reason for every list she is on, and her consent log."""
    organisation = subscriber.organisation
    keys = house.keys(organisation)
    held = settling.values_of(keys, subscriber)
    names = {row.id: list_name(keys, row) for row in List.objects.filter(organisation=organisation)}
    reason = settling.suppressed(organisation.id, settling.blinds_of(keys, subscriber))
    opened = _opened(keys, subscriber)
    told = _told(opened)
    standings = [*_standings(subscriber, names, now, reason, [record for record, _ in opened], told)]
    return Card(
        number=subscriber.number,
        address=held[seal.ADDRESS],
        values=values_of(subscriber),
        notes=held.get(seal.NOTES, ""),
        tags=tag_names(organisation, [subscriber.id]).get(subscriber.id, []),
        language=subscriber.language,
        provider=addresses.PROVIDERS[subscriber.provider],
        joined=min([subscriber.joined, *(date.fromisoformat(moment[:10]) for moment in told.values())]),
        suppressed=reason,
        lists=standings,
        timeline=[
            _entry(record, words, told[record[0]], names)
            for record, words in sorted(opened, key=lambda one: (told[one[0][0]], one[0][5], one[0][0]), reverse=True)
        ],
        fundraising=_fundraising(standings, [record for record, _ in opened], now, reason),
    )


def _fundraising(
    standings: Iterable[Standing], known: Iterable[facts.Known], now: datetime, reason: str | None
) -> list[tuple[Standing, Verdict]]:
    """May we ask her for money? A yes to letters is none to that; shown where anything is on record about it."""
    records = facts.records(known)
    if not any(record.purpose == "fundraising" for record in records):
        return []
    return [(one, consent.may(records, one.list_id, "fundraising", now, suppressed=reason)) for one in standings]


_LEAVING = frozenset({"withdrawn", "objected", "cleaned"})


def _opened(keys: OrganisationKeys, subscriber: Subscriber) -> list[tuple[facts.Known, dict[int, str]]]:
    """Her records with what is sealed of them, in the order in which core/consent reads them."""
    found = [
        (record, seal.unpack(keys.open(blob, *facts.RECORD, subscriber.number)) if blob else {})
        for _, record, blob in dialect.consent_with_words([subscriber.id])
    ]
    return sorted(found, key=lambda one: (one[0][5], one[0][0]))


def letters_left_by(subscriber: Subscriber, list_: List, now: datetime) -> frozenset[str]:
    """The editions by whose link she left this list, as her sealed records tell it (core/consent)."""
    keys = house.keys(subscriber.organisation)
    found = dialect.consent_with_words([subscriber.id])
    records = facts.records(record for _, record, _ in found)
    told = [
        replace(record, letter=_letter(keys, subscriber, blob)) if record.kind == "withdrawn" else record
        for record, (_, _, blob) in zip(records, found, strict=True)
    ]
    return frozenset().union(*(consent.letters_left_by(told, list_.id, one, now) for one in consent.PURPOSES))


def _letter(keys: OrganisationKeys, subscriber: Subscriber, blob: bytes) -> str:
    """Which edition's link a leaving was by. Nothing where it does not open: a damaged one must stop nobody."""
    try:
        return seal.unpack(keys.open(blob, *facts.RECORD, subscriber.number)).get(consent.LETTER, "") if blob else ""
    except (seal.SealError, KeyError):
        return ""


def _told(opened: Iterable[tuple[facts.Known, dict[int, str]]]) -> dict[int, str]:
    """Number of a record -> the moment it tells of, or the day alone.

    Readable of an import is its own day; the file's time is sealed. One later than that is a wrong clock. A leaving
    that a file dates before the agreement beside it counts after it, so it is shown after it.
    """
    told: dict[int, str] = {}
    latest: dict[int | None, str] = {}
    for (number, list_id, kind, _purpose, _way, day), words in opened:
        at = words.get(consent.AT, "")
        moment = at if at and at[:10] <= day else day
        if consent.KINDS[kind] in _LEAVING:
            moment = max(moment, latest.get(list_id, ""))
        told[number] = latest[list_id] = moment
    return told


def _standings(
    subscriber: Subscriber,
    names: dict[int, str],
    now: datetime,
    reason: str | None,
    known: Iterable[facts.Known],
    told: dict[int, str],
) -> Iterator[Standing]:
    """The verdicts, with the day that was told instead of the readable one."""
    records = facts.records(known)
    for row in Subscription.objects.filter(subscriber=subscriber).order_by("list_id"):
        verdict = consent.may(records, row.list_id, "newsletter", now, suppressed=reason, paused=row.paused)
        own, since = consent.may(records, row.list_id, "newsletter", now), row.since
        if own.record:
            since = date.fromisoformat(told[own.record.order][:10])
        if verdict.record and verdict.reason != "paused":
            verdict = replace(verdict, record=replace(verdict.record, day=since))
        yield Standing(row.list_id, names[row.list_id], STATUSES[row.status], verdict, since)


def _entry(record: facts.Known, words: dict[int, str], moment: str, names: dict[int, str]) -> Entry:
    _, list_id, kind, purpose, way, _ = record
    return Entry(
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

"""Named reads of the audience. Names are opened here, and nothing else leaves the seal than what is asked for."""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from django.db.models import Count, QuerySet, Sum
from django.utils.translation import gettext as _

from samizdat import dialect
from samizdat.audience import facts, headcount, settling, tagging
from samizdat.audience.errors import NoSuchList
from samizdat.audience.filters import Filter, Search
from samizdat.audience.models import (
    GROWTH,
    NUMBER_MASK,
    STATUSES,
    SUBSCRIBED,
    SUPPRESSION_REASONS,
    Field,
    Growth,
    Import,
    List,
    ListTotal,
    Subscriber,
    SubscriberTag,
    Subscription,
    Suppression,
    Tag,
    TagTotal,
    row_id,
)
from samizdat.audience.naming import list_name
from samizdat.core import address as addresses
from samizdat.core import consent, seal
from samizdat.vault import house
from samizdat.vault.house import OrganisationKeys
from samizdat.vault.sealed import open_json

type Verdict = consent.Yes | consent.No

# -- lists, tags, fields ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ListView:
    id: int
    name: str
    form_slug: str
    created: date
    totals: dict[str, int]  # by status, all five
    total: int


@dataclass(frozen=True, slots=True)
class FieldView:
    """`choices`: of a choice, its texts in their order. `ready`: readable, and all values are there for segments."""

    number: int
    tag: str
    label: str
    default: str
    kind: str = "text"
    required: bool = False
    choices: tuple[str, ...] = ()
    readable: bool = False
    ready: bool = False
    id: int = 0  # Of its row, as ReadableValue names it.
    codes: dict[str, int] = field(default_factory=dict)  # Text of a choice -> its readable value.


def lists(organisation: Any) -> list[ListView]:
    """All lists with their totals, in the order of their making."""
    keys = house.keys(organisation)
    totals: dict[int, dict[str, int]] = {}
    for row in ListTotal.objects.filter(list__organisation=organisation):
        totals.setdefault(row.list_id, dict.fromkeys(STATUSES, 0))[STATUSES[row.status]] = row.count
    return [
        ListView(
            id=row.id,
            name=list_name(keys, row),
            form_slug=row.form_slug,
            created=row.created,
            totals=(counts := totals.get(row.id, dict.fromkeys(STATUSES, 0))),
            total=sum(counts.values()),
        )
        for row in List.objects.filter(organisation=organisation).order_by("created", "id")
    ]


def list_named(organisation: Any, name: str) -> List:
    """Upper and lower case alike. Errors: NoSuchList, whose sentence tells the names that there are."""
    keys = house.keys(organisation)
    rows = {
        list_name(keys, row): row for row in List.objects.filter(organisation=organisation).order_by("created", "id")
    }
    for known, row in rows.items():
        if known.casefold() == name.strip().casefold():
            return row
    raise NoSuchList(_no_list(name, rows))


def _no_list(name: str, known: Iterable[str]) -> str:
    names = ", ".join(known)
    if not names:
        return _("There is no list called %(name)s. Make it first.") % {"name": name}
    return _("There is no list called %(name)s. Use one of: %(names)s.") % {"name": name, "names": names}


def list_by_id(organisation: Any, number: int) -> List:
    """Errors: NoSuchList, also for another organisation's."""
    row = List.objects.filter(organisation=organisation, id=number).first()
    if row is None:
        raise NoSuchList(_("There is no such list here. Go back and choose one."))
    return row


def name_of(list: List) -> str:
    return list_name(house.keys(list.organisation), list)


def details_of(list: List) -> dict[str, Any]:
    """From, permission reminder, purpose: what new_list and change_list were given."""
    return open_json(house.keys(list.organisation), list.details_sealed, "list", "details", list.id) or {}


def tags(organisation: Any) -> list[tuple[int, str]]:
    """(id, name), by name."""
    return sorted(tagging.all_tags(organisation, house.keys(organisation)).items(), key=lambda tag: tag[1].casefold())


def tag_named(organisation: Any, name: str) -> Tag | None:
    indices = tagging.tag_indices(house.keys(organisation), name.strip())
    return Tag.objects.filter(organisation=organisation, name_index__in=indices).first()


def fields(organisation: Any) -> list[FieldView]:
    """In the order of their making."""
    keys = house.keys(organisation)
    rows = Field.objects.filter(organisation=organisation, removed=None).order_by("number")
    return [_field_view(row, open_json(keys, row.sealed, "field", "sealed", row.number)) for row in rows]


def _field_view(row: Field, told: dict[str, Any]) -> FieldView:
    codes = told.get("choices", {})
    return FieldView(
        number=row.number,
        tag=told["tag"],
        label=told["label"],
        default=told.get("default", ""),
        kind=told.get("kind", "text"),
        required=told.get("required", False),
        choices=tuple(codes),
        readable=row.readable,
        ready=row.readable and row.filled is None,
        id=row.id,
        codes=codes,
    )


# -- counts -----------------------------------------------------------------------------------------------------


def count(organisation: Any, list: List | None = None, status: str | None = None, tag: str | None = None) -> int:
    """How many subscriptions: of a list or all, with a status or any, with a tag or none asked.

    Without list, status and tag: how many subscribers. Kept as totals, so a million takes no longer than ten.
    """
    if list is None and status is None and tag is None:
        return headcount.of(organisation.id)
    rows: QuerySet[Any] = ListTotal.objects.all() if tag is None else TagTotal.objects.all()
    rows = rows.filter(list__organisation=organisation) if list is None else rows.filter(list=list)
    if tag is not None:
        found = tag_named(organisation, tag)
        rows = rows.filter(tag=found) if found else rows.none()
    if status is not None:
        rows = rows.filter(status=STATUSES.index(status))
    return rows.aggregate(sum=Sum("count"))["sum"] or 0


def count_subscribers(organisation: Any, tag: str | None = None) -> int:
    """How many people, each once on however many lists; with a tag (along an index) or all (a kept sum)."""
    if tag is None:
        return headcount.of(organisation.id)
    found = tag_named(organisation, tag)
    return SubscriberTag.objects.filter(tag=found).count() if found else 0


# Subscriptions; 40 ms on SQLite.
COUNTED_AT_ONCE = 100_000


def people_by_status(organisation: Any, tag: str | None = None) -> dict[str, int] | None:
    """Status -> how many people have it on at least one list; with a tag or all. None where there are too many to read
    for a page."""
    rows = Subscription.objects.filter(list__organisation=organisation)
    total = ListTotal.objects.filter(list__organisation=organisation).aggregate(sum=Sum("count"))["sum"] or 0
    if total > COUNTED_AT_ONCE:
        return None
    if tag is not None:
        tagged = SubscriberTag.objects.filter(tag=tag_named(organisation, tag))
        rows = rows.filter(subscriber__in=tagged.values("subscriber"))
    counted = dict(rows.values_list("status").annotate(people=Count("subscriber", distinct=True)))
    return {status: counted.get(code, 0) for code, status in enumerate(STATUSES)}


def reach(list: List, tag: Tag | None = None) -> dict[str, int]:
    """Who a letter would go to: subscribed, minus suppressed, is may."""
    rows: QuerySet[Any] = TagTotal.objects.filter(tag=tag) if tag else ListTotal.objects.all()
    subscribed = rows.filter(list=list, status=SUBSCRIBED).aggregate(sum=Sum("count"))["sum"] or 0
    suppressed = dialect.count_subscribed_but_not_written_to(list.id, tag.id if tag else None)
    return {"subscribed": subscribed, "suppressed": suppressed, "may": subscribed - suppressed}


# -- one subscriber ---------------------------------------------------------------------------------------------


def subscriber_at(organisation: Any, address: str) -> Subscriber | None:
    """Who has this address: the whole of it, in any case. Errors: BadAddress."""
    return settling.find(organisation, house.keys(organisation), addresses.normalise(address))


def numbers_at(organisation: Any, comparable: Iterable[str]) -> list[int]:
    """The numbers of those who have one of these addresses (address.comparable); at most 500 at a time."""
    keys = house.keys(organisation)
    blinds = [blind for one in comparable for blind in keys.blinds(one)]
    return [id & NUMBER_MASK for _blind, id, _b, _l in dialect.subscribers_by_blind(organisation.id, blinds)]


def subscriber_numbered(organisation: Any, number: int) -> Subscriber | None:
    return Subscriber.objects.filter(organisation=organisation, id=row_id(organisation.id, number)).first()


def address_of(subscriber: Subscriber) -> str:
    return settling.address_of(house.keys(subscriber.organisation), subscriber)


def values_of(subscriber: Subscriber) -> dict[str, str]:
    """Field tag -> text for every field of the organisation, "" where she has none; EMAIL is her address."""
    keys = house.keys(subscriber.organisation)
    held = settling.values_of(keys, subscriber)
    values = {"EMAIL": held[seal.ADDRESS]}
    for tag, (number, _label, _default) in tagging.all_fields(subscriber.organisation, keys).items():
        values[tag] = held.get(number, "")
    return values


def suppression_of(organisation: Any, address: str) -> str | None:
    """The foremost reason for which an address is suppressed, whoever has it. Errors: BadAddress."""
    blinds = house.keys(organisation).blinds(addresses.comparable(addresses.normalise(address)))
    return settling.suppressed(organisation.id, blinds)


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
        tags=_tag_names(organisation, [subscriber.id]).get(subscriber.id, []),
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
    return consent.letters_left_by(told, list_.id, "newsletter", now)


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


# -- pages ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the list of subscribers: what is readable, and the first letter of the address."""

    number: int
    initial: str
    status: str  # "" for somebody on no list
    provider: str
    language: str
    since: date
    tags: list[str]
    source: str = "import"  # of consent.WAYS: how she first came


@dataclass(frozen=True, slots=True)
class Page:
    """Rows by falling number. `next`: what `before` is for the page after; None on the last. `cut`: the look was as
    long as it may be before the page was full."""

    rows: list[Row]
    next: int | None
    cut: bool = False


def page(
    organisation: Any,
    list: List | None = None,
    status: str | None = None,
    tag: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> Page:
    """One page of subscribers. Key-paged: the thousandth page costs what the first does."""
    below = row_id(organisation.id + 1, 0) if before is None else row_id(organisation.id, before)
    found = _ids(organisation, list, status, tag, below, limit + 1)
    more = len(found) > limit
    return Page(_rows(organisation, found[:limit], list, status), found[limit - 1] & NUMBER_MASK if more else None)


# Seconds that a page looks for people who fit a filter.
LOOKING = 0.06


def filtered(organisation: Any, asked: Filter, before: int | None = None, limit: int = 50) -> Page:
    """One page of those who fit a filter. Where few do, it ends after LOOKING with where to go on."""
    list = list_by_id(organisation, asked.list) if asked.list is not None else None
    if asked.plain:
        tag = dict(tags(organisation)).get(asked.tag) if asked.tag is not None else None
        return page(organisation, list, asked.status, tag, before, limit)
    below = None if before is None else row_id(organisation.id, before)
    found = Search(organisation, asked).look(below, limit, LOOKING)
    following = None if found.below is None else found.below & NUMBER_MASK
    cut = following is not None and len(found.ids) < limit
    return Page(_rows(organisation, found.ids, list, asked.status), following, cut)


def count_filtered(
    organisation: Any, asked: Filter, before: int | None = None, seconds: float | None = None
) -> tuple[int, int | None]:
    """How many subscribers fit a filter, and the number to go on from when the seconds are used up."""
    below = None if before is None else row_id(organisation.id, before)
    found, following = Search(organisation, asked).count(below, seconds)
    return found, None if following is None else following & NUMBER_MASK


def _ids(
    organisation: Any, list: List | None, status: str | None, tag: str | None, below: int, limit: int
) -> list[int]:
    if list is None and status is None and tag is None:
        return dialect.subscribers_below(row_id(organisation.id, 0), below, limit)
    tag_id = None
    if tag is not None:
        found = tag_named(organisation, tag)
        if found is None:
            return []
        tag_id = found.id
    among = [list.id] if list else List.objects.filter(organisation=organisation).values_list("id", flat=True)
    wanted = range(len(STATUSES)) if status is None else [STATUSES.index(status)]
    if tag_id is None:
        streams = [dialect.subscriptions_below(one, code, below, limit) for one in among for code in wanted]
    else:
        streams = _tagged({(one, code) for one in among for code in wanted}, tag_id, below, limit)
    merged = heapq.merge(*streams, reverse=True)
    return [*dict.fromkeys(merged)][:limit]  # She may be on several lists.


def _tagged(wanted: set[tuple[int, int]], tag: int, below: int, limit: int) -> list[list[int]]:
    """The next ids with a tag, by list and status, found along whichever index has fewer rows to pass over.

    Two looks at the totals for all: three for each list and status were half the time of a page on PostgreSQL.
    """
    columns = ("list_id", "status", "count")
    tagged = {(one, code): count for one, code, count in TagTotal.objects.filter(tag=tag).values_list(*columns)}
    pairs = [pair for pair in sorted(wanted) if tagged.get(pair, 0) > 0]
    rows = ListTotal.objects.filter(list__in={one for one, _ in pairs}).values_list(*columns)
    standing = {(one, code): count for one, code, count in rows}
    carriers = sum(tagged.values())
    return [
        dialect.tagged_below(*pair, tag, below, limit, along_tag=carriers < standing.get(pair, 0)) for pair in pairs
    ]


def rows_of(organisation: Any, ids: list[int]) -> list[Row]:
    """These subscribers by their row ids, as a page shows them."""
    return _rows(organisation, ids, None, None)


def _rows(organisation: Any, ids: list[int], list: List | None, status: str | None) -> list[Row]:
    keys = house.keys(organisation)
    assert keys.ring is not None
    open_blob = keys.ring.bound(*facts.SUBSCRIBER, keys.uid).open
    people = {row.id: row for row in Subscriber.objects.filter(id__in=ids)}
    standing = _standing(ids, list, status)
    tags = _tag_names(organisation, ids)
    rows = []
    for id in ids:
        if id not in people:
            continue  # Erased between the two queries.
        row = people[id]
        code, since = standing.get(id, (None, row.joined))
        rows.append(
            Row(
                number=row.number,
                initial=seal.pick(open_blob(bytes(row.blob), row.number), seal.ADDRESS)[:1],
                status=STATUSES[code] if code is not None else "",
                provider=addresses.PROVIDERS[row.provider],
                language=row.language,
                since=since,
                tags=tags.get(id, []),
                source=consent.WAYS[row.source],
            )
        )
    return rows


# On a page of all lists the status that tells most is shown: subscribed before pending before the rest.
_FIRST = ("subscribed", "pending", "unsubscribed", "cleaned", "nonsubscribed")


def _standing(ids: list[int], list: List | None, status: str | None) -> dict[int, tuple[int, date]]:
    rows = Subscription.objects.filter(subscriber__in=ids)
    if list is not None:
        rows = rows.filter(list=list)
    if status is not None:
        rows = rows.filter(status=STATUSES.index(status))
    found: dict[int, tuple[int, date]] = {}
    for row in sorted(rows, key=lambda row: _FIRST.index(STATUSES[row.status])):
        found.setdefault(row.subscriber_id, (row.status, row.since))
    return found


def _tag_names(organisation: Any, ids: list[int]) -> dict[int, list[str]]:
    keys = house.keys(organisation)
    pairs = dialect.tags_of(ids)
    rows = Tag.objects.filter(id__in={tag for _, tag in pairs}, removed=False)
    names = {tag.id: tagging.tag_name(keys, tag) for tag in rows}
    found: dict[int, list[str]] = {}
    for subscriber, tag in pairs:
        if tag in names:
            found.setdefault(subscriber, []).append(names[tag])
    return {subscriber: sorted(held, key=str.casefold) for subscriber, held in found.items()}


# -- imports ----------------------------------------------------------------------------------------------------


def imports(organisation: Any) -> QuerySet[Import]:
    """Newest first, without those that were given up before anything was brought in."""
    rows = Import.objects.filter(organisation=organisation).exclude(state="failed", problem="cancelled")
    return rows.order_by("-id")


def import_by_id(organisation: Any, number: int) -> Import | None:
    return Import.objects.filter(organisation=organisation, id=number).first()


# -- growth -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Grown:
    """Of one day (UTC) and way of consent.WAYS: how many began to be subscribed, left, or were found dead."""

    day: date
    way: str
    joined: int
    left: int
    cleaned: int


def growth(organisation: Any, since: date, until: date, list: List | None = None) -> list[Grown]:
    """By day and way, of one list or of all; whoever joins two lists counts twice."""
    rows = Growth.objects.filter(list__organisation=organisation, day__gte=since, day__lte=until)
    if list is not None:
        rows = rows.filter(list=list)
    found: dict[tuple[date, int], dict[str, int]] = {}
    for day, what, way, many in rows.values_list("day", "what", "way", "count"):
        sums = found.setdefault((day, way), dict.fromkeys(GROWTH, 0))
        sums[GROWTH[what]] += many
    return [Grown(day, consent.WAYS[way], **sums) for (day, way), sums in sorted(found.items())]


# -- the stop list ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stopped:
    """A line of the stop list: the address itself is not known, only whether a subscriber has it."""

    id: int
    reason: str
    day: date
    number: int | None


def stopped_by_reason(organisation: Any) -> dict[str, int]:
    """How many addresses are on the stop list, by reason; one may have several."""
    rows = Suppression.objects.filter(organisation=organisation).values("reason").annotate(many=Count("id"))
    found = {row["reason"]: row["many"] for row in rows}
    return {reason: found[reason] for reason in SUPPRESSION_REASONS if reason in found}


def stopped(organisation: Any, reason: str = "", before: int | None = None, limit: int = 50) -> list[Stopped]:
    """The newest lines; `before` pages on by their number."""
    rows = Suppression.objects.filter(organisation=organisation).order_by("-id")
    if reason:
        rows = rows.filter(reason=reason)
    if before is not None:
        rows = rows.filter(id__lt=before)
    found = list(rows[:limit])
    here = dialect.subscribers_by_blind(organisation.id, [bytes(row.blind) for row in found])
    whose = {bytes(blind): id & NUMBER_MASK for blind, id, _blob, _language in here}
    return [Stopped(row.id, row.reason, row.day, whose.get(bytes(row.blind))) for row in found]


def reasons_of(organisation: Any, address: str) -> list[str]:
    """All reasons for which an address is on the stop list. Errors: BadAddress."""
    blinds = house.keys(organisation).blinds(addresses.comparable(addresses.normalise(address)))
    rows = Suppression.objects.filter(organisation=organisation, blind__in=blinds)
    found = set(rows.values_list("reason", flat=True))
    return [reason for reason in SUPPRESSION_REASONS if reason in found]

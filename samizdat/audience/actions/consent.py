"""A subscriber confirms, leaves, and takes the leaving back: facts, and what they come to."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType

from django.db import transaction

from samizdat.accounts.models import Organization, Person
from samizdat.audience import (
    consent_records,
    consent_writer,
    emptied_records,
    removal_limit,
    sql,
    suppression_log,
    waiting,
)
from samizdat.audience.consent_texts import words_of
from samizdat.audience.consent_writer import ConsentFactRow
from samizdat.audience.errors import RowsAltered
from samizdat.audience.list_details import open_details
from samizdat.audience.models import (
    SUBSCRIBED,
    UNSUBSCRIBED,
    List,
    Subscriber,
    Subscription,
    row_id,
)
from samizdat.core import consent
from samizdat.core.consent import APPEALS, LETTERS
from samizdat.core.crypto import seal
from samizdat.events.actions import record
from samizdat.vault import keyring

# What a subscriber's own confirmation lifts: the mailbox answered, and they asked for it. What a person of the
# organization decided stays until a person lifts it.
LIFTED_BY_CONFIRMATION = ("bounce", "complaint", "erased", "objected")

# Ways that are the subscriber's alone.
SUBSCRIBER_WAYS = ("form", "one-click", "mail")
# Of these, those that a link makes, which lies in mailboxes for ever and which the public process can forge.
BY_LINK = ("form", "one-click")

_ASKED, _WITHDRAWN = map(consent.KINDS.index, ("asked", "withdrawn"))
# So far apart the clocks of two machines with public pages may be.
ONE_CLOCK = timedelta(minutes=1)

# (subscriber, record, what is sealed of it): sql.consent_with_words().
type Sealed = tuple[int, consent_records.Known, bytes]
type Verdict = consent.Permission | consent.Refusal


def confirm(
    subscriber: Subscriber,
    list: List,
    *,
    now: datetime,
    way: str = "form",
    by: Person | None = None,
    wording: str = "",
    signed_up: date | None = None,
    sent_at: datetime | None = None,
) -> Verdict:
    """The subscriber pressed the link in our letter, or answered it. The verdict afterwards. Nothing is written
    of whoever has limits.RECORDS facts on record, nor about a list that is archived. Errors: NoSuchSubscriber.

    `sent_at`: when, by the clock of the public pages.

    `signed_up`: the day (UTC) of the sign-up that their link is about. Where that one asked for appeals for money as
    well, they confirm both; another day's was perhaps a stranger's, and is forgotten (actions/forgetting).
    `wording`: what they agreed to by it; "" for the words that they had signed up to.
    """
    return confirm_all(
        subscriber, [list], now=now, way=way, by=by, wording=wording, signed_up=signed_up, sent_at=sent_at
    )[list.id]


def confirm_all(
    subscriber: Subscriber,
    lists: Sequence[List],
    *,
    now: datetime,
    way: str = "form",
    by: Person | None = None,
    wording: str = "",
    signed_up: date | None = None,
    sent_at: datetime | None = None,
) -> dict[int, Verdict]:
    """As confirm(), of some lists with one look at their records and one write; by list."""
    with transaction.atomic():
        row = waiting.promote(subscriber, now)
        keys = keyring.keys(row.organization)
        is_full = consent_writer.is_full(row)
        written = [] if is_full else [list for list in lists if not open_details(keys, list).archived]
        if written:
            lifted = suppression_log.of_address(row.organization, keys, consent_writer.address_of(keys, row))
            lifted = lifted.filter(reason__in=suppression_log.with_roots(LIFTED_BY_CONFIRMATION))
            suppression_log.delete(row.organization, lifted, now)
            consent_writer.write(row, _confirmations(row, written, way, wording, signed_up, now), now, sent_at)
        for list in written:
            record("subscriber.confirmed", row.organization, about=row.id, by=by, now=now, detail={"list": list.id})
        return verdicts(row, lists, now)


def _confirmations(
    row: Subscriber, lists: Iterable[List], way: str, wording: str, signed_up: date | None, now: datetime
) -> list[ConsentFactRow]:
    """Of each list, and of its appeals where that sign-up asked for them."""
    rows, facts = sql.consent_with_words([row.id]), []
    facts_of = consent_records.of_lists(consent_records.records(known for _, known, _blob in rows))
    with_appeals = _asked_of(facts_of, lists, signed_up, now, APPEALS) if signed_up else []
    for list in lists:
        words = words_of(list, wording) if wording else _asked_in(row, rows, list, day=signed_up)
        facts.append(ConsentFactRow("confirmed", way, list, words))
        if list in with_appeals:
            words = _asked_in(row, rows, list, APPEALS, signed_up)
            facts.append(ConsentFactRow("confirmed", way, list, words, APPEALS))
    return facts


def unsubscribe(
    subscriber: Subscriber,
    list: List,
    *,
    now: datetime,
    way: str = "desk",
    by: Person | None = None,
    reason: str = "",
    letter: str = "",
    purpose: str = LETTERS,
    sent_at: datetime | None = None,
) -> bool:
    """The subscriber leaves this list, with its appeals; or its appeals alone. False when they had left already, by
    their records; then their no is recorded all the same (once a day), as whatever undoes the other must not undo it.

    `letter`: which edition's link it was, `reason`: their own words. `sent_at`: when, by the clock of the public pages.
    Errors: NoSuchSubscriber, TooManyRemovals.
    """
    words = _words(reason=reason, letter=letter)
    return bool(
        unsubscribe_from(subscriber, [list], now=now, way=way, by=by, words=words, purpose=purpose, sent_at=sent_at)
    )


def unsubscribe_from(
    subscriber: Subscriber,
    lists: Sequence[List],
    *,
    now: datetime,
    way: str = "desk",
    by: Person | None = None,
    words: Mapping[int, str] = MappingProxyType({}),
    purpose: str = LETTERS,
    sent_at: datetime | None = None,
) -> list[List]:
    """As unsubscribe(), of some lists with one look at their records and one write; those that they left by it.
    `words`: what is sealed of it."""
    with removal_limit.limited(subscriber.organization, now=now, by=by):
        row = consent_writer.lock(subscriber)
        known = consent_writer.genuine(row)
        held = [list for list in lists if not known.has_gone(list.id, purpose, now)]
        if words.get(consent.REASON) == consent.NO_ANSWER:
            lists = held  # Of the others they said nothing.
        if not lists:
            return []
        if held:
            removal_limit.check(row.organization, [row.id], now=now, by=by)
        facts = [ConsentFactRow("withdrawn", way, list, {**words}, purpose) for list in lists]
        consent_writer.write(row, facts, now, sent_at, known)
        if held:
            left = [list.id for list in held]
            which = {"list": left[0]} if len(left) == 1 else {"lists": left}
            detail = {**which, "way": way, **_about(purpose)}
            record("subscriber.left", row.organization, about=row.id, by=by, now=now, detail=detail)
        return held


def unsubscribe_from_all(
    subscriber: Subscriber, *, now: datetime, way: str = "desk", by: Person | None = None, reason: str = ""
) -> int:
    """They leave every list that they are on or were asked about, which is one removal; how many lists. reason: kept in
    their records.
    Errors: NoSuchSubscriber, TooManyRemovals."""
    with removal_limit.limited(subscriber.organization, now=now, by=by):
        row = consent_writer.lock(subscriber)
        known = consent_writer.genuine(row)
        every = [(list, known.standing(list.id, LETTERS, now)) for list in every_list_of(row)]
        held = [list for list, status in every if status in ("pending", "subscribed")]
        if held:
            removal_limit.check(row.organization, [row.id], now=now, by=by)
        words = _words(reason=reason)
        facts = [ConsentFactRow("withdrawn", way, list, words) for list, status in every if status != "nonsubscribed"]
        if facts:
            consent_writer.write(row, facts, now, known=known)
        if held:
            detail = {"lists": [list.id for list in held], "way": way}
            record("subscriber.left", row.organization, about=row.id, by=by, now=now, detail=detail)
        return len(held)


def every_list_of(subscriber: Subscriber) -> list[List]:
    """All lists that a record of ours names of them, wherever their rows are: a subscription can be away for a day, and
    one that somebody wrote into the database must not become a record of ours, by which it is named to them.

    Errors: RowsAltered where one of these lists is away, or no list is named and a record isn't as we wrote it."""
    return lists_to_leave({subscriber.id: sql.digested_consent_of([subscriber.id])})[subscriber.id]


def lists_to_leave(rows: Mapping[int, Sequence[consent_records.Digested]]) -> dict[int, list[List]]:
    """every_list_of() for many, by row: rows: what is on record about each. Errors: RowsAltered."""
    named = {id: {list_id for list_id in consent_records.lists_on_record(own) if list_id} for id, own in rows.items()}
    here = List.objects.in_bulk({list_id for known in named.values() for list_id in known})
    for id, known in named.items():
        if not known <= here.keys() or (not known and emptied_records.altered(rows[id])):
            raise RowsAltered("Lists that somebody left are away.")
    return {id: [here[list_id] for list_id in sorted(known & here.keys())] for id, known in named.items()}


def agree_to_appeals_of(
    subscriber: Subscriber,
    lists: Iterable[List],
    *,
    now: datetime,
    way: str = "form",
    by: Person | None = None,
    wording: str = "",
    asked: date | None = None,
    sent_at: datetime | None = None,
) -> list[List]:
    """A reader of these lists agrees to appeals for money as well, in these words: with one look at their records and
    one write. Those to whose appeals they agreed by it: not where they had already, or don't get the letters. Errors:
    NoSuchSubscriber.

    `asked`: the day (UTC) of the request that their link answers: in its words, and not where nothing of that day
    waits.
    """
    with transaction.atomic():
        row = consent_writer.lock(subscriber)
        if consent_writer.is_full(row):
            return []
        mine = Subscription.objects.filter(subscriber=row, status=SUBSCRIBED)
        gets = {*mine.exclude(fundraising_verdict=consent.YES).values_list("list_id", flat=True)}
        wanted = [list for list in lists if list.id in gets]
        rows = sql.consent_with_words([row.id]) if wanted else []
        if asked is not None:
            facts_of = consent_records.of_lists(consent_records.records(known for _, known, _blob in rows))
            wanted = _asked_of(facts_of, wanted, asked, now, APPEALS)
        kind = "confirmed" if way in SUBSCRIBER_WAYS else "given"
        facts = []
        for list in wanted:
            words = _asked_in(row, rows, list, APPEALS, asked) if asked else words_of(list, wording, APPEALS)
            facts.append(ConsentFactRow(kind, way, list, words, APPEALS))
        if facts:
            consent_writer.write(row, facts, now, sent_at)
        for list in wanted:
            detail = {"list": list.id, "purpose": APPEALS}
            record("subscriber.fundraising_agreed", row.organization, about=row.id, by=by, now=now, detail=detail)
        return wanted


def undo_unsubscribe(
    subscriber: Subscriber,
    list: List,
    *,
    now: datetime,
    way: str = "one-click",
    by: Person | None = None,
    since: date | None = None,
    sent_at: datetime | None = None,
    purpose: str = LETTERS,
) -> bool:
    """Takes the last leaving back: what stood before stands again. False when they had not left; with `since` also when
    the leaving that stands is not one by a link, of that day or later. `sent_at`: when they asked for it, by the clock
    of the public pages; what was sent before that leaving takes back an earlier one at most.
    """
    of = [(list, purpose)]
    return bool(undo_unsubscribe_from(subscriber, of, now=now, way=way, by=by, since=since, sent_at=sent_at))


def undo_unsubscribe_from(
    subscriber: Subscriber,
    of: Iterable[tuple[List, str]],
    *,
    now: datetime,
    way: str = "one-click",
    by: Person | None = None,
    since: date | None = None,
    sent_at: datetime | None = None,
) -> list[tuple[List, str]]:
    """As undo_unsubscribe(), of some (list, purpose) with one look at their records and one write; those of which it
    was taken back."""
    with transaction.atomic():
        row = consent_writer.lock(subscriber)
        if consent_writer.is_full(row):
            return []
        back = [(list, purpose) for list, purpose in of if has_left(row, list, purpose)]
        if back and (since or sent_at):
            rows = sql.consent_with_words([row.id])
            facts_of = consent_records.of_lists(consent_records.records(known for _, known, _blob in rows))
            if since:
                back = [left for left in back if _left_by_link(facts_of(left[0].id), *left, since, now)]
            if sent_at:
                back = [left for left in back if sent_at + ONE_CLOCK >= _left_at(row, rows, *left)]
        if back:
            facts = [ConsentFactRow("returned", way, list, purpose=purpose) for list, purpose in back]
            consent_writer.write(row, facts, now)
        for list, purpose in back:
            detail = {"list": list.id, **_about(purpose)}
            record("subscriber.returned", row.organization, about=row.id, by=by, now=now, detail=detail)
        return back


def _about(purpose: str) -> dict[str, str]:
    """For an event: whoever leaves appeals goes on getting the list."""
    return {} if purpose == LETTERS else {"purpose": purpose}


def leave_again(
    subscriber: Subscriber, list: List, *, now: datetime, by: Person | None = None, purpose: str = LETTERS
) -> bool:
    """Takes a return by a link back. False where anything was said since."""
    with transaction.atomic():
        row = consent_writer.lock(subscriber)
        about = consent.PURPOSES.index(purpose)
        rows = consent_records.genuine(sql.digested_consent_of([row.id]))
        known = [known for _, known in rows if known[1] in (list.id, None)]
        spoken = [entry for entry in known if entry[3] == about and entry[2] != _ASKED]
        if not spoken or (consent.KINDS[spoken[-1][2]], consent.WAYS[spoken[-1][4]]) != ("returned", "one-click"):
            return False
        consent_writer.write(row, [ConsentFactRow("withdrawn", "desk", list, purpose=purpose)], now)
        detail = {"list": list.id, "way": "desk", **_about(purpose)}
        record("subscriber.left", row.organization, about=row.id, by=by, now=now, detail=detail)
        return True


def settle_again(organization: Organization, numbers: Iterable[int], *, now: datetime) -> int:
    """Puts right what checking.check_projections() found wrong; how many were still here."""
    mended = 0
    for number in numbers:
        with transaction.atomic():
            rows = Subscriber.objects.select_for_update().filter(organization=organization)
            row = rows.filter(id=row_id(organization.id, number)).first()
            if row is not None:
                consent_writer.settle(row, now)
                record("subscriber.status_repaired", organization, about=row.id, now=now)
                mended += 1
    return mended


def verdict(subscriber: Subscriber, list: List, now: datetime, purpose: str = "newsletter") -> Verdict:
    """May we write to this subscriber, with the reason: core/consent over all that is on record."""
    return verdicts(subscriber, [list], now, purpose)[list.id]


def verdicts(
    subscriber: Subscriber, lists: Iterable[List], now: datetime, purpose: str = "newsletter"
) -> dict[int, Verdict]:
    """As verdict(), of some lists with one look at their records; by list."""
    rows = consent_records.believed(sql.digested_consent_of([subscriber.id]))
    facts_of = consent_records.of_lists(consent_records.records(record for _, record in rows))
    blinds = consent_writer.blinds_of(keyring.keys(subscriber.organization), subscriber)
    reason = consent_writer.suppressed(subscriber.organization_id, blinds)
    return {list.id: consent.may(facts_of(list.id), list.id, purpose, now, suppressed=reason) for list in lists}


def has_left(subscriber: Subscriber, list: List, purpose: str = LETTERS) -> bool:
    if purpose == LETTERS:
        return _status(subscriber, list) == UNSUBSCRIBED
    left = consent.REASONS.index("left")
    return Subscription.objects.filter(subscriber=subscriber, list=list, fundraising_verdict=left).exists()


def asked_among(
    lists: Iterable[List], subscriber: Subscriber, day: date, now: datetime, purpose: str = LETTERS
) -> list[List]:
    """Those of these lists for which, or for whose appeals, their sign-up of that day (UTC) asked, and nothing has
    answered that since."""
    known = consent_records.records(record for _, record in sql.consent_of([subscriber.id]))
    return _asked_of(consent_records.of_lists(known), lists, day, now, purpose)


def _asked_of(
    facts_of: Callable[[int], list[consent.ConsentFact]], lists: Iterable[List], day: date, now: datetime, purpose: str
) -> list[List]:
    return [list for list in lists if day in consent.asked_on(facts_of(list.id), list.id, now, purpose)]


def appeals_asked(subscriber: Subscriber, list: List, day: date, now: datetime) -> str:
    """The words about appeals of that sign-up, which confirming it confirms as well; "" where it asked for none."""
    if not asked_among([list], subscriber, day, now, APPEALS):
        return ""
    rows = sql.consent_with_words([subscriber.id])
    return _asked_in(subscriber, rows, list, APPEALS, day).get(consent.WORDING, "")


def _left_by_link(known: Iterable[consent.ConsentFact], list: List, purpose: str, since: date, now: datetime) -> bool:
    """Whether all that was withdrawn since they got it last was withdrawn by a link, on that day or later: what stands,
    which is undone, and what was said again after it. Whoever can forge links lays one over somebody else's no.
    """
    left = consent.leavings(known, list.id, purpose, now)
    return bool(left) and all(withdrawal.way in BY_LINK and withdrawal.day >= since for withdrawal in left)


def _left_at(subscriber: Subscriber, rows: Sequence[Sealed], list: List, purpose: str) -> datetime:
    """When they left this list last, by the clock of the door that they left by."""
    for held in _with_words(subscriber, rows, (list.id, None), _WITHDRAWN, purpose):
        if consent.AT in held:
            return datetime.fromisoformat(held[consent.AT])
    return datetime.min.replace(tzinfo=UTC)


def _asked_in(
    subscriber: Subscriber, rows: Sequence[Sealed], list: List, purpose: str = LETTERS, day: date | None = None
) -> dict[int, str]:
    """The words of their last sign-up for this list, or of that day, with their version, and when that was."""
    held = next(_with_words(subscriber, rows, (list.id,), _ASKED, purpose, day), {})
    kept = {field: held[field] for field in (consent.WORDING, consent.VERSION, consent.LANGUAGE) if field in held}
    return kept | ({consent.ASKED_AT: held[consent.AT]} if consent.AT in held else {})


def _with_words(
    subscriber: Subscriber,
    rows: Sequence[Sealed],
    lists: tuple[int | None, ...],
    kind: int,
    purpose: str,
    day: date | None = None,
) -> Iterator[dict[int, str]]:
    """What is sealed in their records of one kind about one of these lists, or in those of a day, the newest first."""
    keys, about = keyring.keys(subscriber.organization), (kind, consent.PURPOSES.index(purpose))
    for _, (_number, of_list, *of, _way, its_day), blob in reversed(rows):
        if of_list in lists and tuple(of) == about and blob and (day is None or its_day == day.isoformat()):
            yield seal.unpack(keys.open(blob, *consent_records.RECORD, subscriber.number))


def _status(subscriber: Subscriber, list: List) -> int | None:
    return Subscription.objects.filter(subscriber=subscriber, list=list).values_list("status", flat=True).first()


def _words(wording: str = "", reason: str = "", letter: str = "") -> dict[int, str]:
    words = {consent.WORDING: wording, consent.REASON: reason, consent.LETTER: letter}
    return {number: text for number, text in words.items() if text}

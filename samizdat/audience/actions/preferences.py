"""What a reader decides about their own letters: how often, how they look, until when nothing, and to which mailbox."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat.accounts.models import Organization, Person
from samizdat.audience import address_log, bulk_consent_writer, choice_log, consent_writer, suppression_log
from samizdat.audience.actions import forms, fundraising_consent
from samizdat.audience.actions.consent import ONE_CLOCK
from samizdat.audience.choice_log import LoggedChoices
from samizdat.audience.consent_writer import ConsentFactRow
from samizdat.audience.list_details import list_name
from samizdat.audience.models import (
    FREQUENCIES,
    SUBSCRIBED,
    List,
    Subscriber,
    Subscription,
)
from samizdat.core import consent, pagination
from samizdat.core.content import digest, reader_formats
from samizdat.core.crypto import seal
from samizdat.core.mail import address as addresses
from samizdat.events.actions import record
from samizdat.vault import keyring

# Days. Longer is leaving; and a process that is taken must not silence a list for good.
LONGEST_PAUSE = 400
# Subscriptions of one transaction when pauses end.
PAGE = 50

# Wishes for another mailbox that are kept: one is mailed about in a day, and its links work for a week.
MOST_WISHES = 9

PAUSE, OFTEN = "pause", ("all", "monthly", "digest")


@dataclass(frozen=True, slots=True)
class ReaderPreferences:
    """What the preference centre shows of one subscription. topics: (tag number, name, whether they have it). gathers:
    does the list make digests? appeals: whether they agreed to appeals for money; None where they are not asked.
    """

    list_name: str
    status: str
    often: str
    until: date | None
    language: str
    wishes: str
    topics: list[tuple[int, str, bool]]
    gathers: bool = False
    appeals: bool | None = None


@dataclass(frozen=True, slots=True)
class PreferenceChoice:
    """What they chose. often: of OFTEN or PAUSE; "" leaves it. wishes: core/content/reader_formats. topics: tag
    numbers; offered: those that the page showed them, and none of the others is taken from them.
    """

    often: str = ""
    until: date | None = None
    language: str = ""
    wishes: str | None = None
    topics: frozenset[int] | None = None
    offered: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Fewer:
    """A choice after which fewer letters come: how often and until when nothing, as it was and as it is, and the topics
    that were taken away."""

    before: tuple[str, date | None]
    after: tuple[str, date | None]
    topics: frozenset[int]


def settings_of(subscriber: Subscriber, list: List, now: datetime) -> ReaderPreferences | None:
    """None where they have nothing to do with this list. How they stand is asked of their records: who reads here that
    they have left takes nothing back."""
    keys = keyring.keys(subscriber.organization)
    row = Subscription.objects.filter(subscriber=subscriber, list=list).first()
    if row is None:
        return None
    held, is_asked = {*consent_writer.tags_of(subscriber)}, fundraising_consent.concern(subscriber, list, now)
    return ReaderPreferences(
        list_name=list_name(keys, list),
        status=consent_writer.standing(subscriber, list, now),
        often=_often(row.frequency),
        until=row.paused,
        language=subscriber.language,
        wishes=reader_formats.known(consent_writer.values_of(keys, subscriber).get(seal.WISHES, "")),
        topics=[(number, name, number in held) for number, name in topics_of(list).items()],
        gathers=bool(list.digest_when),
        appeals=bool(fundraising_consent.agreed(subscriber, [list], now)) if is_asked else None,
    )


def _often(frequency: int) -> str:
    return digest.CHOSEN.get(FREQUENCIES[frequency], FREQUENCIES[frequency])


def often_of(subscriber: Subscriber, list_id: int) -> tuple[str, date | None]:
    """(how often they want the letters of a list, of OFTEN; until which day nothing)."""
    row = Subscription.objects.get(subscriber=subscriber, list=list_id)
    return _often(row.frequency), row.paused


@dataclass(frozen=True, slots=True)
class FormatChoice:
    """wishes: how their letters look (core/content/reader_formats). mailboxes: where they want them, and have not said
    yes yet."""

    wishes: str
    mailboxes: list[str]


def looks_of(subscriber: Subscriber) -> FormatChoice:
    held = consent_writer.values_of(keyring.keys(subscriber.organization), subscriber)
    return FormatChoice(reader_formats.known(held.get(seal.WISHES, "")), _wishes(held))


def topics_of(list: List) -> dict[int, str]:
    """Tag number -> name of those that readers of a list choose themselves: the topics of its sign-up forms."""
    offered: dict[int, str] = {}
    for form in forms.standing(list.organization):
        if list.id in forms.facts_of(form).lists:
            offered |= forms.view_of(form).topics
    return offered


def remarks(organization: Organization, view: forms.FormView) -> list[str]:
    """What of a form does not fit on the public pages, as sentences; they show the rest."""
    sentences = []
    written = forms.written(view)
    for field in view.fields:
        if field.number in written:
            text = _(
                "“%(field)s” has %(count)s choices, more than fits on a public page of 14 KB. Subscribers type one "
                "instead, and only listed choices are accepted. Use fewer or shorter choices to let them pick."
            )
            sentences.append(text % {"field": field.label or field.tag, "count": len(field.choices)})
    for list_ in List.objects.select_related("organization").filter(organization=organization, id__in=view.lists):
        topics = [*topics_of(list_).values()]
        shown = pagination.shown(topics, fundraising_consent.words_for(list_))
        if shown < len(topics):
            text = _(
                "The email preferences for “%(list)s” show %(shown)s of its %(count)s topics; the page has no room "
                "for more. Subscribers with one of the other topics keep it."
            )
            sentences.append(text % {"list": view.lists[list_.id], "shown": shown, "count": len(topics)})
    return sentences


def prefer_all(
    subscriber: Subscriber,
    lists: Iterable[List],
    choice: PreferenceChoice,
    *,
    now: datetime,
    sent_at: datetime | None = None,
) -> dict[int, Fewer]:
    """Writes what they chose for these lists, as far as they have anything to do with them, with one look at their
    records. By list: what they had before, where fewer letters come after it. `sent_at`: when, by the clock of the
    public pages; what was sent before another choice of a list changes nothing there, since somebody put it in once
    more. Behind limits.CHOICES in a day only what means fewer emails is done. Errors: NoSuchSubscriber."""
    fewer, is_paused_otherwise = {}, False
    with transaction.atomic():
        row = consent_writer.lock(subscriber)
        logged = choice_log.last(row)
        if logged.is_full(now) and not _may_lessen(choice):
            return {}
        for list in lists:
            less, is_news, logged = _prefer(row, list, choice, logged, now, sent_at)
            is_paused_otherwise |= is_news
            if less is not None:
                fewer[list.id] = less
        if is_paused_otherwise:
            consent_writer.settle(row, now)
    return fewer


def _prefer(
    row: Subscriber,
    list: List,
    choice: PreferenceChoice,
    logged: LoggedChoices,
    now: datetime,
    sent_at: datetime | None,
) -> tuple[Fewer | None, bool, LoggedChoices]:
    """What prefer_all() returns of this list, whether their pause is to be looked at, and what the log says then.
    logged: what it says by now."""
    mine = Subscription.objects.filter(subscriber=row, list=list)
    if not mine.exists() and consent_writer.standing(row, list, now) == "subscribed":
        consent_writer.settle(row, now, [list])  # Away for now, of whoever writes the database.
    subscription = mine.first()
    if subscription is None or (sent_at and _has_chosen_since(logged, list, sent_at)):
        return None, False, logged
    if logged.is_full(now):
        choice = _fewer_of(row, subscription, choice)
    before, held = (_often(subscription.frequency), subscription.paused), {*consent_writer.tags_of(row)}
    changed = [
        *_how_often(row, subscription, choice, now),
        *_looks(row, choice),
        *_topics(row, list, choice),
    ]
    # What the log says last of a pause, too. The column alone says nothing: whoever writes the database has the pause
    # that they ask for stand there before, and takes it away afterwards.
    pause, is_monthly = _paused(row, list), often_of(row, list.id)[0] == "monthly"
    is_news = "often" in changed or (choice.often == PAUSE and pause != logged.pauses.get(list.id, ""))
    is_news |= choice.often == "monthly" and list.id not in logged.monthly
    if changed or is_news:
        logged = logged.with_pause(list.id, pause).with_monthly(list.id, is_monthly) if is_news else logged
        logged = logged.with_sent(list.id, sent_at) if sent_at else logged
        logged = logged.write(row, list.id, changed, now)
    after, topics = often_of(row, list.id), frozenset(held - {*consent_writer.tags_of(row)})
    fewer = Fewer(before, after, topics) if topics or _rank(after) > _rank(before) else None
    return fewer, is_news, logged


def _has_chosen_since(logged: LoggedChoices, list: List, sent_at: datetime) -> bool:
    """Whether they sent another choice of this list later, which the log has."""
    last = logged.sent.get(list.id)
    return last is not None and sent_at + ONE_CLOCK < datetime.fromisoformat(last)


def _may_lessen(choice: PreferenceChoice) -> bool:
    return choice.often not in ("", "all") or bool(choice.offered - (choice.topics or frozenset()))


def _fewer_of(row: Subscriber, subscription: Subscription, choice: PreferenceChoice) -> PreferenceChoice:
    """What of a choice means fewer emails."""
    often, before = choice.often, (_often(subscription.frequency), subscription.paused)
    if often == PAUSE:
        is_less = _rank((before[0], choice.until)) >= _rank(before)
    else:
        is_less = _rank((often, None)) > _rank(before)
    topics = None if choice.topics is None else choice.topics & {*consent_writer.tags_of(row)}
    return PreferenceChoice(often if is_less else "", choice.until, topics=topics, offered=choice.offered)


def _paused(row: Subscriber, list: List) -> str:
    """For the log: until when; "" for no pause."""
    until = often_of(row, list.id)[1]
    return until.isoformat() if until else ""


def _rank(often: tuple[str, date | None]) -> tuple[bool, date, bool]:
    """The more, the fewer letters come."""
    return often[1] is not None, often[1] or date.min, often[0] != "all"


def put_back(subscriber: Subscriber, list: List, fewer: Fewer, *, now: datetime, by: Person | None = None) -> bool:
    """Undoes such a choice, as far as nothing else was chosen since. Errors: NoSuchSubscriber."""
    with transaction.atomic():
        row = consent_writer.lock(subscriber)
        subscription = Subscription.objects.filter(subscriber=row, list=list).first()
        if subscription is None:
            return False
        changed = consent_writer.retag(row, fewer.topics & {*topics_of(list)})
        if (_often(subscription.frequency), subscription.paused) == fewer.after:
            often, until = fewer.before
            for choice in (PreferenceChoice(often), PreferenceChoice(PAUSE, until)):
                subscription.refresh_from_db()
                changed |= bool([*_how_often(row, subscription, choice, now)])
        if changed:
            consent_writer.settle(row, now)
            logged = choice_log.last(row).with_pause(list.id, _paused(row, list))
            logged = logged.with_monthly(list.id, often_of(row, list.id)[0] == "monthly")
            logged.write(row, list.id, ["often"], now, by)
    return bool(changed)


def _how_often(row: Subscriber, subscription: Subscription, choice: PreferenceChoice, now: datetime) -> Iterable[str]:
    today = now.astimezone(UTC).date()
    paused, frequency, turn = before = subscription.paused, subscription.frequency, subscription.digest_turn
    if choice.often == PAUSE and choice.until and today < choice.until <= today + timedelta(days=LONGEST_PAUSE):
        paused = choice.until
    elif choice.often in OFTEN:
        paused = None
        # Held, so that no letter begins and no round ends between this look and what is written.
        list_ = List.objects.select_for_update(no_key=True).get(id=subscription.list_id)
        if choice.often != "digest" or list_.digest_when:
            frequency, turn = digest.chosen(frequency, turn, list_.digest_round, choice.often)
    if (paused, frequency, turn) != before:
        mine = Subscription.objects.filter(subscriber=row, list=subscription.list_id)
        mine.update(paused=paused, frequency=frequency, digest_turn=turn)
        yield "often"


def _looks(row: Subscriber, choice: PreferenceChoice) -> Iterable[str]:
    if choice.language and choice.language != row.language:
        Subscriber.objects.filter(id=row.id).update(language=choice.language[:8])
        yield "language"
    if choice.wishes is None:
        return
    held = consent_writer.values_of(keyring.keys(row.organization), row)
    wishes = reader_formats.known(choice.wishes)
    if held.get(seal.WISHES, "") != wishes:
        consent_writer.reseal(row, held | {seal.WISHES: wishes})
        yield "looks"


def _topics(row: Subscriber, list: List, choice: PreferenceChoice) -> Iterable[str]:
    """Only tags that the list offers: the others are the organization's own notes."""
    if choice.topics is None:
        return
    offered = {*topics_of(list)}
    if consent_writer.retag(row, offered & choice.topics, (offered & choice.offered) - choice.topics):
        yield "topics"


def end_pauses(now: datetime) -> int:
    """Whose pause is over is written to again; how many, at most PAGE."""
    today = now.astimezone(UTC).date()
    ids = [*Subscription.objects.filter(paused__lte=today).values_list("subscriber_id", flat=True)[:PAGE]]
    for row in Subscriber.objects.select_related("organization").filter(id__in=ids):
        with transaction.atomic():
            locked = consent_writer.lock(row)
            Subscription.objects.filter(subscriber=locked, paused__lte=today).update(paused=None)
            consent_writer.settle(locked, now)
    return len(ids)


# -- another mailbox --------------------------------------------------------------------------------------------


def ask_to_move(subscriber: Subscriber, address: str) -> None:
    """Remembers, sealed beside their address, where they want their letters; they are written to there once their
    mailbox has allowed it and that one has said yes. Whoever holds a forwarded letter can ask, so a wish ends none of
    those before it. Errors: BadAddress, NoSuchSubscriber.
    """
    address = addresses.normalize(address)
    with transaction.atomic():
        row = consent_writer.lock(subscriber)
        held = consent_writer.values_of(keyring.keys(row.organization), row)
        others = [wish for wish in _wishes(held) if wish != address]
        _wish_for(row, held, [*others, address][-MOST_WISHES:])


def allow(subscriber: Subscriber, mark: int) -> list[str]:
    """Their own mailbox has said yes to this wish: it is the only one from now on. The others, which are not theirs or
    not any more. Errors: NoSuchSubscriber."""
    with transaction.atomic():
        row = consent_writer.lock(subscriber)
        held = consent_writer.values_of(keyring.keys(row.organization), row)
        mine = [wish for wish in _wishes(held) if mark_of(row.organization, wish) == mark]
        others = [wish for wish in _wishes(held) if wish not in mine]
        if mine and others:
            _wish_for(row, held, mine)
    return others if mine else []


def wish_of(subscriber: Subscriber, mark: int) -> str:
    """Where they wanted their letters when a link with this mark was mailed; "" when that is over by now."""
    return _wish(subscriber, consent_writer.values_of(keyring.keys(subscriber.organization), subscriber), mark)


def _wish(subscriber: Subscriber, held: dict[int, str], mark: int) -> str:
    return next((wish for wish in _wishes(held) if mark_of(subscriber.organization, wish) == mark), "")


def _wishes(held: dict[int, str]) -> list[str]:
    return held.get(seal.MOVING, "").split()


def _wish_for(row: Subscriber, held: dict[int, str], wishes: list[str]) -> None:
    others = {number: text for number, text in held.items() if number != seal.MOVING}
    consent_writer.reseal(row, others | ({seal.MOVING: " ".join(wishes)} if wishes else {}))


def mark_of(organization: Organization, address: str) -> int:
    """32 bits of an address, keyed: which one a link for moving is about."""
    return marks_of(organization, address)[0]


def marks_of(organization: Organization, address: str) -> list[int]:
    """The same under every index key, the current one first."""
    blinds = keyring.keys(organization).blinds(addresses.comparable(address))
    return [int.from_bytes(blind[:4]) for blind in blinds]


def current_mark(subscriber: Subscriber, mark: int, place: int) -> int | None:
    """Of the wish that has this mark under the key at that place of marks_of: the one that it has by now."""
    held = consent_writer.values_of(keyring.keys(subscriber.organization), subscriber)
    every = [marks_of(subscriber.organization, wish) for wish in _wishes(held)]
    return next((marks[0] for marks in every if marks[place] == mark), None)


def move(subscriber: Subscriber, mark: int, *, now: datetime) -> bool:
    """Their mailbox is the one they asked for, which has said yes. False when their mailbox allowed another one since.

    The old address is marked as an erased one: a file that has it must not write to a mailbox that they have left.
    Where somebody has the new one already, it is the same person: their lists go over to that entry, and this one
    leaves them. Errors: NoSuchSubscriber.
    """
    with transaction.atomic():
        row = consent_writer.lock(subscriber)
        organization = row.organization
        keys = keyring.held_for_index(keyring.keys(organization))
        held = consent_writer.values_of(keys, row)
        address, before = _wish(row, held, mark), held[seal.ADDRESS]
        if not address:
            return False
        other = consent_writer.find(organization, keys, address, lock=True)
        if other is not None and other.id != row.id:
            _wish_for(row, held, [])
            _hand_over(row, other, now)
        elif other is None:
            _readdress(row, held, address, now)
        if addresses.comparable(before) != addresses.comparable(address):
            # Of this spelling alone: they may have moved to another of the same mailbox.
            old = (keys.blind(addresses.comparable(before)), keys.index_version, "erased")
            suppression_log.write(organization, [(*old, now.astimezone(UTC).date().isoformat())], now)
            if other is not None:
                consent_writer.settle(row, now)
        detail = address_log.detail_for(keys, address if other is None else before)
        record("subscriber.address_changed", organization, about=row.id, now=now, detail=detail)
    return True


def _readdress(row: Subscriber, held: dict[int, str], address: str, now: datetime) -> None:
    keys = keyring.held_for_index(keyring.keys(row.organization))
    values = {number: text for number, text in held.items() if number != seal.MOVING} | {seal.ADDRESS: address}
    consent_writer.reseal(row, values)
    Subscriber.objects.filter(id=row.id).update(
        email_index=keys.blind(addresses.comparable(address)),
        index_version=keys.index_version,
        provider=addresses.provider(addresses.domain(address)),
    )
    row.refresh_from_db()
    # The new mailbox asked for what the old one had agreed to: a fact of its own.
    consent_writer.write(row, [_confirmed(list_) for list_ in _agreed_lists(row, now)], now)


def _hand_over(row: Subscriber, other: Subscriber, now: datetime) -> None:
    lists = _agreed_lists(row, now)
    consent_writer.write(other, [_confirmed(list_) for list_ in lists], now)
    consent_writer.write(
        row, [ConsentFactRow("withdrawn", "form", list_, {consent.REASON: "moved"}) for list_ in lists], now
    )


def _confirmed(list: List) -> ConsentFactRow:
    return ConsentFactRow("confirmed", "form", list, {consent.SOURCE: "moved"})


def _agreed_lists(row: Subscriber, now: datetime) -> list[List]:
    """By their records as well: a status that whoever writes the database changed must become no yes of theirs."""
    statuses = bulk_consent_writer.statuses_among(lists_of(row), row.id, now)
    return [list_ for list_, status in statuses.items() if status == SUBSCRIBED]


def lists_of(row: Subscriber) -> list[List]:
    mine = Subscription.objects.filter(subscriber=row, status=SUBSCRIBED).values("list_id")
    return [*List.objects.filter(id__in=mine).order_by("id")]

"""Takes up what readers sent in: proves every token again, and does what they asked for.

The public process is not believed. It may drop in what it likes: a token that our own keys do not prove does nothing,
and whoever holds real tokens can at most make people leave, come back within a week, or get fewer letters. Where many
do it raises an alarm, and is undone as one.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import partial
from itertools import batched
from types import MappingProxyType
from typing import Any

from django.db import transaction

from samizdat.accounts.models import Organization, Person
from samizdat.audience import actions as audience
from samizdat.audience import queries as audience_queries
from samizdat.audience import sql as audience_sql
from samizdat.audience.actions import forms, fundraising_consent, preferences
from samizdat.audience.actions.preferences import Fewer, PreferenceChoice
from samizdat.audience.consent_records import CROWDS, FEWER, LEFT, RETURNED, purpose_in, what_in
from samizdat.audience.errors import RowsAltered
from samizdat.audience.models import List, Subscriber, is_number, row_id
from samizdat.campaigns.edition_details import opened
from samizdat.campaigns.models import Edition
from samizdat.core import consent
from samizdat.core.consent import Permission
from samizdat.core.crypto import tokens
from samizdat.core.crypto.seal import SealBroken
from samizdat.delivery.actions import welcome
from samizdat.delivery.actions.unsubscribe_totals import Moved, add_unsubscribes, counted
from samizdat.events.actions import detail_of, is_genuine, record
from samizdat.events.models import Event
from samizdat.publicdb import actions as publicdb
from samizdat.vault import keyring
from samizdat.vault.models import VaultKey
from samizdat.worker.inbox import fundraising_consent as appeals
from samizdat.worker.inbox import leaving_alarm
from samizdat.worker.inbox.inbox import LEAVING, SLICE, OpenedEnvelope, each, in_batches, sort_in
from samizdat.worker.inbox.leaving_alarm import TAKES_BACK

# Consent records of these people; fewer people where they have more. Ordinary ones have five. Whoever brings along
# people who have a thousand each keeps nobody waiting for longer than one of those takes.
SLICE_RECORDS = 1_000
# Lists of a choice that is of all of theirs.
SLICE_LISTS = 10

# Changes what a subscriber has on a list; whether there was anything to change.
type Change = Callable[[Subscriber, List], bool]

KINDS = (*LEAVING, "confirm")
LEAVING_PURPOSES = ("leave", "preferences")


@dataclass(frozen=True, slots=True)
class SentEdition:
    """Whom an email went to, as its edition was sealed. appeal: it asked for money."""

    list: List
    appeal: bool
    released: datetime


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Whose token it was, proven. appeal: of an edition that was one, for money. released: when, if that is known."""

    envelope: OpenedEnvelope
    subscriber: Any
    lists: tuple[Any, ...]
    edition: int
    appeal: bool = False
    released: datetime | None = None

    @property
    def purpose(self) -> str:
        """What they leave: of an appeal by its page the appeals alone, if that is what they pressed; else the list."""
        return consent.APPEALS if self.appeal and self.envelope.words.only == "appeals" else consent.LETTERS

    @property
    def at(self) -> datetime:
        """When they pressed it, as far as that can be believed: nobody does before the letter is released."""
        return max(self.envelope.at, self.released) if self.released else self.envelope.at


def take(now: datetime) -> int:
    """Takes up leaving, coming back and confirming alone; returns how many. The worker takes these up together with
    what subscribers choose (worker/inbox/preferences.take_everything). Signing up sends mail and has its own loop
    (worker/inbox/signups.py)."""
    sort_in(now)
    done = in_batches(now, LEAVING, take_up) + in_batches(now, ("confirm",), take_up)
    leaving_alarm.look(now)
    return done


def take_up(envelopes: list[OpenedEnvelope], now: datetime) -> int:
    """Does what boxes of KINDS ask for; returns how many there were."""
    asked = [*_for_others(envelopes), *envelopes]
    for organization_id in dict.fromkeys(envelope.organization.id for envelope in asked):
        mine = [envelope for envelope in asked if envelope.organization.id == organization_id]
        # In the order they came: who left and came back is back. Runs of one kind are taken together.
        for kind, run in _runs(mine):
            for slice_ in _slices(_once(run)):
                each({"leave": _leave, "back": _back, "confirm": _confirm}[kind], slice_, now)
    return len(envelopes)


def _for_others(envelopes: list[OpenedEnvelope]) -> list[OpenedEnvelope]:
    """The same asked of other organizations that brought the same former link key along: nothing tells which of them
    wrote the letter, so they leave all that have their number. First, since the box goes with the one that it came
    to."""
    numbered = [(_key_number(envelope), envelope) for envelope in envelopes if envelope.kind in LEAVING]
    rows = VaultKey.objects.select_related("organization").filter(kind="link", number__in={n for n, _e in numbered})
    holders: dict[int, list[VaultKey]] = defaultdict(list)
    for row in rows.order_by("id"):
        holders[row.number].append(row)
    return [
        replace(envelope, row=0, organization=holder.organization)
        for number, envelope in numbered
        if not any(holder.current for holder in holders[number])
        for holder in holders[number]
        if holder.organization != envelope.organization
    ]


def _key_number(envelope: OpenedEnvelope) -> int:
    try:
        return tokens.key_number(envelope.words.token)
    except tokens.BadToken:
        return -1


def _once(run: list[OpenedEnvelope]) -> list[OpenedEnvelope]:
    """The first of each that says the same: somebody who presses one link a thousand times keeps nobody waiting."""
    first: dict[tuple[str, ...], OpenedEnvelope] = {}
    for envelope in run:
        words = envelope.words
        first.setdefault((words.token, words.purpose, words.way, words.only), envelope)
    kept = list(first.values())
    if len(kept) < len(run):
        rows = {envelope.row for envelope in kept}
        publicdb.done_with(envelope.row for envelope in run if envelope.row not in rows)
    return kept


def _runs(envelopes: list[OpenedEnvelope]) -> Iterator[tuple[str, list[OpenedEnvelope]]]:
    run: list[OpenedEnvelope] = []
    for envelope in envelopes:
        if run and run[-1].kind != envelope.kind:
            yield run[0].kind, run
            run = []
        run.append(envelope)
    if run:
        yield run[0].kind, run


def _slices(envelopes: list[OpenedEnvelope]) -> Iterator[list[OpenedEnvelope]]:
    for start in range(0, len(envelopes), SLICE):
        yield envelopes[start : start + SLICE]


# -- leaving and coming back ------------------------------------------------------------------------------------


def all_proven(
    envelopes: list[OpenedEnvelope], purposes: tuple[str, ...] = LEAVING_PURPOSES, today: date | None = None
) -> list[Unsubscribe]:
    """Before the transaction of what they ask for: proving only reads, and nobody should wait for it. today: given for
    what takes more than a former key, which someone else may have (keyring.OrganizationKeys.believes)."""
    editions: dict[int, SentEdition | None] = {}
    return [
        unsubscribe
        for unsubscribe in (_proven(sent, editions, purposes, today) for sent in envelopes)
        if unsubscribe is not None
    ]


def _proven(
    envelope: OpenedEnvelope, editions: dict[int, SentEdition | None], purposes: tuple[str, ...], today: date | None
) -> Unsubscribe | None:
    """The subscriber and lists of a token; None when our keys do not prove it or they are not here any more."""
    purpose = envelope.words.purpose
    if purpose not in purposes:
        return None
    keys = keyring.keys(envelope.organization)
    try:
        token = tokens.read(keys.links, purpose, envelope.words.token)
    except tokens.BadToken:
        return None
    subscriber = audience_queries.subscriber_numbered(envelope.organization, token.number)
    if subscriber is None:
        _insist_erased(envelope.organization, token.number)
        return None
    if token.edition not in editions:
        editions[token.edition] = _edition(envelope.organization, token.edition)
    edition = editions[token.edition]
    # One that is not known here was sent before it came.
    if today and not keys.believes(token, edition.released.astimezone(UTC).date() if edition else date.min, today):
        return None
    if edition is not None:
        return Unsubscribe(envelope, subscriber, (edition.list,), token.edition, edition.appeal, edition.released)
    # An edition that is not known, since it was moved without its campaigns: a way out must still lead out, of every
    # list of theirs; and a pause is of them all, since the page names no list.
    return Unsubscribe(envelope, subscriber, tuple(audience.every_list_of(subscriber)), token.edition)


def _insist_erased(organization: Organization, number: int) -> None:
    """Errors: RowsAltered for somebody whose row is away, and of whom there are consent records with words."""
    row = row_id(organization.id, number) if is_number(number) else 0
    if row and audience_sql.without_row(row - 1, row):
        raise RowsAltered("The row of a subscriber is away.")


def _edition(organization: Organization, number: int) -> SentEdition | None:
    """What the seal says, not the columns of its campaign: whoever writes the database would lead the unsubscribes of a
    whole campaign to another list, or beside another organization. None where the seal does not hold, too. Errors:
    RowsAltered where the list is away."""
    row = Edition.objects.filter(organization=organization, id=number).first()
    try:
        details = opened(keyring.keys(organization), row) if row else None
    except SealBroken:
        return None
    if row is None or details is None:
        return None
    list_ = List.objects.filter(id=details.list).first()
    if list_ is None:
        raise RowsAltered("The list of an edition is away.")
    return SentEdition(list_, consent.PURPOSES[details.purpose] == consent.APPEALS, row.created)


def _leave(envelopes: list[OpenedEnvelope], now: datetime) -> None:
    proven = all_proven(envelopes)
    for some in _cut(proven, _row_of):
        _leave_together(some, now)
    states = {consent.LETTERS: "left", consent.APPEALS: "left-appeals"}
    _settle(envelopes, ((unsubscribe.envelope, states[unsubscribe.purpose]) for unsubscribe in proven))


def _cut[T](items: Sequence[T], row_of: Callable[[T], int]) -> Iterator[Sequence[T]]:
    """Those of one transaction each. row_of: the subscriber whom one is about."""
    while items:
        many = len(audience_sql.cut_by_records([row_of(item) for item in items[:SLICE]], SLICE_RECORDS))
        yield items[:many]
        items = items[many:]


def _row_of(unsubscribe: Unsubscribe) -> int:
    return int(unsubscribe.subscriber.id)


def _leave_together(proven: Sequence[Unsubscribe], now: datetime) -> None:
    left: dict[tuple[int, str], list[int]] = defaultdict(list)
    moved: Moved = Counter()
    organization = proven[0].envelope.organization
    with transaction.atomic():
        _hold(proven)
        for unsubscribe in proven:
            leave = partial(
                audience.unsubscribe_from,
                lists=unsubscribe.lists,
                way="one-click" if unsubscribe.envelope.words.way == "one-click" else "form",
                now=now,
                sent_at=unsubscribe.at,
                words={consent.LETTER: str(unsubscribe.edition)} if unsubscribe.edition else {},
                purpose=unsubscribe.purpose,
            )
            for list_ in counted(unsubscribe.subscriber, unsubscribe.lists, leave, moved, now):
                left[list_.id, unsubscribe.purpose].append(unsubscribe.subscriber.number)
        _tell(organization, LEFT, left, now)
        add_unsubscribes(organization, moved)


def leave_appeals(proven: Unsubscribe, now: datetime) -> None:
    """The subscriber took their yes to appeals back in their settings. By no letter: it is none that they answer
    there."""
    left: dict[tuple[int, str], list[int]] = {}
    with transaction.atomic():
        _hold([proven])
        agreed = fundraising_consent.agreed(proven.subscriber, proven.lists, now)
        # Of all of them: a no is recorded however they stand.
        for list_ in audience.unsubscribe_from(
            proven.subscriber, proven.lists, way="form", now=now, sent_at=proven.at, purpose=consent.APPEALS
        ):
            if list_.id in agreed:
                left[list_.id, consent.APPEALS] = [proven.subscriber.number]
        _tell(proven.envelope.organization, LEFT, left, now)


def prefer(proven: Unsubscribe, choice: PreferenceChoice, now: datetime) -> None:
    """They chose how often, or which topics. Of fewer letters it is told who: a pause is no better than leaving, for a
    group that has to reach its readers."""
    for lists in batched(proven.lists, SLICE_LISTS):
        with transaction.atomic():
            fewer = preferences.prefer_all(proven.subscriber, lists, choice, now=now, sent_at=proven.at)
            for list_id, less in fewer.items():
                chosen = {(list_id, consent.LETTERS): [proven.subscriber.number]}
                _tell(proven.envelope.organization, FEWER, chosen, now, {"fewer": _written(less)})


def _tell(
    organization: Organization,
    what: str,
    who: Mapping[tuple[int, str], list[int]],
    now: datetime,
    more: Mapping[str, object] = MappingProxyType({}),
) -> None:
    """(list, purpose) -> numbers of those who did it: who they were, so that it can be undone. Whether they are too
    many is looked at later, where nobody waits for it."""
    group = leaving_alarm.group_of(now)
    for (list_id, purpose), numbers in who.items():
        detail = {"group": group, "numbers": numbers, "count": len(numbers), "purpose": purpose, **more}
        record(CROWDS[what], organization, now=now, about=list_id, detail=detail)
        leaving_alarm.due(organization, what, list_id, purpose, group)


def _written(fewer: Fewer) -> list[object]:
    days = [[often, until.isoformat() if until else ""] for often, until in (fewer.before, fewer.after)]
    return [*days, sorted(fewer.topics)]


def _read(before: list[str], after: list[str], topics: list[int]) -> Fewer:
    days = [(often, date.fromisoformat(until) if until else None) for often, until in (before, after)]
    return Fewer(days[0], days[1], frozenset(topics))


def _hold(proven: Sequence[Unsubscribe]) -> None:
    """All of a slice before the first: else it holds a list's totals, and waits for a subscriber whom somebody at the
    desk holds, who waits for these totals."""
    audience_sql.lock_subscribers(sorted({unsubscribe.subscriber.id for unsubscribe in proven}))


def _back(envelopes: list[OpenedEnvelope], now: datetime) -> None:
    proven = all_proven(envelopes, today=now.astimezone(UTC).date())
    back = [unsubscribe for some in _cut(proven, _row_of) for unsubscribe in _back_together(some, now)]
    _settle(envelopes, ((unsubscribe.envelope, "back") for unsubscribe in back))


def _back_together(proven: Sequence[Unsubscribe], now: datetime) -> list[Unsubscribe]:
    """Those who are back."""
    moved: Moved = Counter()
    back = []
    returned: dict[tuple[int, str], list[int]] = defaultdict(list)
    organization = proven[0].envelope.organization
    with transaction.atomic():
        _hold(proven)
        for unsubscribe in proven:
            # Who left before a letter was released did not leave by it, and never had its link.
            since = max(now - TAKES_BACK, unsubscribe.released or now - TAKES_BACK).astimezone(UTC).date()
            # By the way out of an appeal they may have left either.
            purposes = consent.PURPOSES if unsubscribe.appeal else (consent.LETTERS,)
            left = [(list_, purpose) for list_ in unsubscribe.lists for purpose in purposes]
            left = [
                (list_, purpose) for list_, purpose in left if audience.has_left(unsubscribe.subscriber, list_, purpose)
            ]
            change = partial(
                audience.undo_unsubscribe_from, of=left, way="one-click", now=now, since=since, sent_at=unsubscribe.at
            )
            changed = counted(unsubscribe.subscriber, unsubscribe.lists, change, moved, now) if left else []
            # Done already, where the worker was killed before it could say so.
            if changed or not left:
                back.append(unsubscribe)
            for list_, purpose in changed:
                returned[list_.id, purpose].append(unsubscribe.subscriber.number)
        _tell(organization, RETURNED, returned, now)
        add_unsubscribes(organization, moved)
    return back


def _settle(envelopes: list[OpenedEnvelope], proven: Iterable[tuple[OpenedEnvelope, str]]) -> None:
    """After the commit: the pages of the proven tokens say what they are now, and all the boxes go."""
    with transaction.atomic(using="publicdb"):  # One write to the disk for all.
        for envelope, state in proven:
            publicdb.set_token_state(envelope.words.token, state)
        publicdb.done_with(envelope.row for envelope in envelopes)


# -- undoing what an alarm told of ------------------------------------------------------------------------------


def undo(event: Event, now: datetime) -> None:
    """Somebody at the desk asked for what an alarm told of to be undone."""
    alarm = Event.objects.select_related("organization").filter(
        id=event.about or 0, organization=event.organization, kind="subscribers.left_alarm"
    )
    for row in filter(is_genuine, alarm):
        undo_alarm(row, by=event.by, now=now)


def undo_alarm(alarm: Event, *, by: Person | None, now: datetime) -> int:
    """Undoes for everybody what was done in the groups of an alarm; returns for how many. It is undone once: after a
    kill half way it goes on, but once it is said it stays, whatever asks for it again.
    """
    organization, alarm_detail = _organization(alarm), detail_of(alarm)
    what, groups, purpose = what_in(alarm_detail), set(alarm_detail["groups"]), purpose_in(alarm_detail)
    if _was_undone(alarm, sorted(groups), alarm_detail):
        return 0
    list_ = List.objects.get(id=alarm.about or 0, organization=organization)
    begin = min(datetime.strptime(group, "%Y-%m-%dT%H").replace(tzinfo=UTC) for group in groups)
    changes = _changes(alarm, list_, begin, by, now)
    back = 0
    for some in _cut(changes, lambda of: row_id(organization.id, of[0])):
        moved: Moved = Counter()
        with transaction.atomic():
            for number, change in some:
                subscriber = audience_queries.subscriber_numbered(organization, number)
                if subscriber is not None:
                    back += len(counted(subscriber, [list_], partial(_changed, change, list_), moved, now))
            add_unsubscribes(organization, moved)
    detail = {"what": what, "groups": sorted(groups), "back": back, "purpose": purpose}
    record("subscribers.left_undone", organization, now=now, about=list_.id, by=by, detail=detail)
    return back


def _changed(change: Change, list_: List, subscriber: Subscriber) -> list[List]:
    return [list_] if change(subscriber, list_) else []


def _changes(alarm: Event, list_: List, begin: datetime, by: Person | None, now: datetime) -> list[tuple[int, Change]]:
    """(number, what undoes it) of everybody in the groups of an alarm."""
    organization, detail = _organization(alarm), detail_of(alarm)
    what, groups, purpose = what_in(detail), detail["groups"], purpose_in(detail)
    if what == FEWER:  # The newest first: each is undone to what it changed.
        entries = [
            entry for entry in leaving_alarm.details(organization, what, list_.id, begin) if entry["group"] in groups
        ]
        back = partial(preferences.put_back, now=now, by=by)
        return [
            (number, partial(back, fewer=_read(*entry["fewer"]))) for entry in entries for number in entry["numbers"]
        ]
    change: Change = partial(audience.leave_again, now=now, by=by, purpose=purpose)
    if what == LEFT:
        # Whoever told the desk as well that they leave was heard by somebody: that no was not made by a link.
        change = partial(audience.undo_unsubscribe, way="desk", now=now, by=by, purpose=purpose, since=date.min)
    did = leaving_alarm.groups_since(organization, what, list_.id, purpose, begin)
    numbers = dict.fromkeys(number for group in sorted(groups) for number in did.get(group, []))
    return [(number, change) for number in numbers]


def _organization(alarm: Event) -> Organization:
    assert alarm.organization is not None
    return alarm.organization


def _was_undone(alarm: Event, groups: list[str], raised: Mapping[str, object]) -> bool:
    rows = Event.objects.select_related("organization").filter(
        organization=alarm.organization, kind="subscribers.left_undone", about=alarm.about, id__gt=alarm.id
    )
    meant = groups, purpose_in(raised), what_in(raised)
    return any(
        (detail["groups"], purpose_in(detail), what_in(detail)) == meant
        for detail in map(detail_of, filter(is_genuine, rows))
    )


# -- confirming -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Confirmation:
    """number: in the token. lists: those that were asked for with it and still waited when they pressed."""

    envelope: OpenedEnvelope
    subscriber: Subscriber
    lists: Sequence[List]
    number: int


def _confirm(envelopes: list[OpenedEnvelope], now: datetime) -> None:
    while envelopes:
        taken, confirmed = _confirm_together(envelopes, now)
        _settle(taken, ((envelope, "confirmed") for envelope in confirmed))
        envelopes = envelopes[len(taken) :]


def _confirm_together(
    envelopes: list[OpenedEnvelope], now: datetime
) -> tuple[list[OpenedEnvelope], list[OpenedEnvelope]]:
    """The first of them in one transaction: these, and which of them confirmed something. Whose sign-up it is, and so
    how much is on record, is only known once it is a part of the subscriber who has its address."""
    taken, confirmed, records = [], [], 0
    with transaction.atomic():
        newcomers = welcome.Newcomers()
        for envelope in envelopes:
            taken.append(envelope)
            pending = _pending(envelope, now)
            if pending is None:
                continue
            if pending.lists:
                _take_in(pending, newcomers, now)
                confirmed.append(envelope)
            records += audience_sql.count_records(pending.subscriber.id)
            if records > SLICE_RECORDS:
                break
        newcomers.owe(now)
    return taken, confirmed


def _take_in(pending: _Confirmation, newcomers: welcome.Newcomers, now: datetime) -> None:
    subscriber, number, sent_at = pending.subscriber, pending.number, pending.envelope.at
    way = "mail" if pending.envelope.words.way == "mail" else "form"
    first = [list_ for list_ in pending.lists if newcomers.is_first(subscriber, list_)]
    verdicts = audience.confirm_all(
        subscriber, pending.lists, way=way, now=now, sent_at=sent_at, signed_up=forms.day_in(number)
    )
    forms.take_told(subscriber, pending.lists, number, now=now)
    for list_ in first:
        if isinstance(verdicts[list_.id], Permission):
            newcomers.add(subscriber, list_)
    # Their sign-up may have asked for the appeals of lists that they had before, too: its mail said so.
    if forms.without_day(number) >> 32:
        appeals.agree(subscriber.organization, subscriber, number, now, sent_at)


def _pending(envelope: OpenedEnvelope, now: datetime) -> _Confirmation | None:
    """What a confirm token confirms. None for an old link: somebody who has left since must not come back because a
    mail is pressed again.
    """
    keys = keyring.keys(envelope.organization)
    try:
        token = tokens.read(keys.links, "confirm", envelope.words.token)
    except tokens.BadToken:
        return None
    if not keys.believes(token, forms.day_in(token.edition), now.astimezone(UTC).date()):
        return None
    subscriber = audience_queries.subscriber_numbered(envelope.organization, token.number)
    if subscriber is None:
        return None
    # By a form, also one that was removed since: they were asked, and answer.
    about, day = forms.without_day(token.edition), forms.day_in(token.edition)
    numbers = forms.lists_asked(subscriber, token.edition) if about >> 32 else [about]
    lists = List.objects.filter(id__in=numbers, organization=envelope.organization).order_by("id")
    if not audience.waiting_among(lists, subscriber, day, now, envelope.at):
        return None
    # Whoever has the address already may have said no since, or get the letters anyway.
    subscriber = audience.promote(subscriber, now)
    waiting = audience.waiting_among(lists, subscriber, day, now, envelope.at)
    return _Confirmation(envelope, subscriber, waiting, token.edition)

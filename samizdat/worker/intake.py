"""Takes up what readers sent in: proves every token again, and does what they asked for.

The public process is not believed. It may drop in what it likes: a token that our own keys do not prove does nothing,
and whoever holds real tokens can at most make people leave. Much leaving raises an alarm, and is undone as one.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction

from samizdat import dialect
from samizdat.audience import actions as audience
from samizdat.audience import queries as audience_queries
from samizdat.audience.actions import appealing, forms
from samizdat.audience.facts import purpose_in
from samizdat.audience.models import SUBSCRIBED, List, ListTotal, Subscription
from samizdat.campaigns.contest import count_leaving
from samizdat.campaigns.models import Edition
from samizdat.core import consent, link
from samizdat.events.actions import detail_of, moment_of, record, whole_day
from samizdat.events.models import Event
from samizdat.gate import actions as gate
from samizdat.vault import house
from samizdat.worker import appeals
from samizdat.worker.boxes import CLOCK_SLACK, LEAVING, Said, each, in_batches, sort_in

# People of one transaction: about 100 ms on SQLite, where nobody else writes meanwhile.
SLICE = 25

# (edition, number of a reader) -> by how many the sum of its leavings moves.
type Moved = Counter[tuple[int, int]]

# An alarm: more than this share of a list within an hour, and not just somebody's two aunts.
ALARM_SHARE = 0.02
ALARM_LEAST = 3
ALARM_WINDOW = timedelta(hours=1)

KINDS = (*LEAVING, "confirm")
LEAVING_PURPOSES = ("leave", "preferences")
# So long the link by which she left takes her back. It lies in her mailbox and in those it was forwarded to for ever,
# and a public process that was taken can make one for everybody who ever left. The pages say a week.
TAKES_BACK = timedelta(days=8)


@dataclass(frozen=True, slots=True)
class Leaving:
    """Whose token it was, proven. appeal: of an edition that was one, for money."""

    said: Said
    subscriber: Any
    lists: tuple[Any, ...]
    edition: int
    appeal: bool = False

    @property
    def purpose(self) -> str:
        """What she leaves: of an appeal by its page the appeals alone, if that is what she pressed; else the list."""
        return consent.APPEALS if self.appeal and self.said.words.get("only") == "appeals" else consent.LETTERS


def take(now: datetime) -> int:
    """Takes up leaving, coming back and confirming alone; returns how many. The worker takes these up together with
    what subscribers choose (worker/choosing.take_everything). Signing up sends mail and has its own loop
    (worker/signups.py)."""
    sort_in(now)
    return in_batches(now, LEAVING, take_up) + in_batches(now, ("confirm",), take_up)


def take_up(said: list[Said], now: datetime) -> int:
    """Does what boxes of KINDS ask for; returns how many there were."""
    for organisation_id in dict.fromkeys(one.organisation.id for one in said):
        mine = [one for one in said if one.organisation.id == organisation_id]
        # In the order they came: who left and came back is back. Runs of one kind are taken together.
        for kind, run in _runs(mine):
            for slice_ in _slices(_once(run)):
                each({"leave": _leave, "back": _back, "confirm": _confirm}[kind], slice_, now)
    return len(said)


def _once(run: list[Said]) -> list[Said]:
    """The first of each that says the same: somebody who presses one link a thousand times keeps nobody waiting."""
    first: dict[tuple[Any, ...], Said] = {}
    for one in run:
        first.setdefault(tuple(str(one.words.get(word, "")) for word in ("token", "purpose", "way", "only")), one)
    kept = list(first.values())
    if len(kept) < len(run):
        rows = {one.row for one in kept}
        gate.done_with(one.row for one in run if one.row not in rows)
    return kept


def _runs(said: list[Said]) -> Iterator[tuple[str, list[Said]]]:
    run: list[Said] = []
    for one in said:
        if run and run[-1].kind != one.kind:
            yield run[0].kind, run
            run = []
        run.append(one)
    if run:
        yield run[0].kind, run


def _slices(said: list[Said]) -> Iterator[list[Said]]:
    for start in range(0, len(said), SLICE):
        yield said[start : start + SLICE]


# -- leaving and coming back ------------------------------------------------------------------------------------


def all_proven(said: list[Said], purposes: tuple[str, ...] = LEAVING_PURPOSES) -> list[Leaving]:
    """Before the transaction of what they ask for: proving only reads, and nobody should wait for it."""
    campaigns: dict[int, Any] = {}
    return [one for one in (_proven(sent, campaigns, purposes) for sent in said) if one is not None]


def _proven(said: Said, campaigns: dict[int, Any], purposes: tuple[str, ...]) -> Leaving | None:
    """The subscriber and lists of a token; None when our keys do not prove it or she is not here any more."""
    purpose = said.words.get("purpose", "leave")
    if purpose not in purposes:
        return None
    try:
        token = link.read(house.keys(said.organisation).links, purpose, str(said.words.get("token", "")))
    except link.BadToken:
        return None
    subscriber = audience_queries.subscriber_numbered(said.organisation, token.number)
    if subscriber is None:
        return None
    campaign = _campaign_of(said.organisation, token.edition, campaigns)
    if campaign is not None:
        return Leaving(said, subscriber, (campaign.list,), token.edition, campaign.is_appeal)
    # An edition that is not known, since it was moved without its campaigns: a way out must still lead out, of every
    # list of hers.
    hers = Subscription.objects.filter(subscriber=subscriber).values("list_id")
    return Leaving(said, subscriber, tuple(List.objects.filter(id__in=hers)), token.edition)


def _campaign_of(organisation: Any, edition: int, campaigns: dict[int, Any]) -> Any:
    """The letter of an edition, with its list; `campaigns` remembers."""
    if edition not in campaigns:
        rows = Edition.objects.select_related("campaign__list").filter(campaign__organisation=organisation)
        found = rows.filter(id=edition).first()
        campaigns[edition] = found.campaign if found else None
    return campaigns[edition]


def _leave(said: list[Said], now: datetime) -> None:
    left: dict[tuple[int, str], list[int]] = defaultdict(list)
    moved: Moved = Counter()
    organisation = said[0].organisation
    proven = all_proven(said)
    with transaction.atomic():
        _hold(proven)
        for one in proven:
            way = "one-click" if one.said.words.get("way") == "one-click" else "form"
            for list_ in one.lists:
                leave = partial(audience.unsubscribe, way=way, now=one.said.at, letter=_letter(one.edition))
                leave = partial(leave, purpose=one.purpose)
                if _counted(one.subscriber, list_, leave, moved, now):
                    left[list_.id, one.purpose].append(one.subscriber.number)
        _tell(organisation, left, now)
        count_leaving(organisation, moved)
    states = {consent.LETTERS: "left", consent.APPEALS: "left-appeals"}
    _settle(said, ((one.said, states[one.purpose]) for one in proven))


def leave_appeals(proven: Leaving, now: datetime) -> None:
    """She took her yes to appeals back in her settings. By no letter: it is none that she answers there."""
    left: dict[tuple[int, str], list[int]] = {}
    with transaction.atomic():
        _hold([proven])
        for list_ in proven.lists:
            leave = partial(audience.unsubscribe, way="form", now=proven.said.at, purpose=consent.APPEALS)
            if appealing.agreed(proven.subscriber, list_) and leave(proven.subscriber, list_):
                left[list_.id, consent.APPEALS] = [proven.subscriber.number]
        _tell(proven.said.organisation, left, now)


def _tell(organisation: Any, left: Mapping[tuple[int, str], list[int]], now: datetime) -> None:
    """(list, purpose) -> numbers of those who left it: who they were, so that it can be undone, and the alarm."""
    group = group_of(now)
    for (list_id, purpose), numbers in left.items():
        detail = {"group": group, "numbers": numbers, "count": len(numbers), "purpose": purpose}
        record("subscribers.left", organisation, now=now, about=list_id, detail=detail)
        _alarm(organisation, list_id, purpose, group, now)


def _hold(proven: list[Leaving]) -> None:
    """All of a slice before the first: else it holds a list's totals, and waits for her whom somebody at the desk
    holds, who waits for these totals."""
    dialect.lock_subscribers(sorted({one.subscriber.id for one in proven}))


def _letter(edition: int) -> str:
    return str(edition) if edition else ""


def _back(said: list[Said], now: datetime) -> None:
    proven = all_proven(said)
    moved: Moved = Counter()
    since = (now.astimezone(UTC) - TAKES_BACK).date()
    with transaction.atomic():
        _hold(proven)
        for one in proven:
            back = partial(audience.undo_unsubscribe, way="one-click", now=one.said.at, since=since)
            for list_ in one.lists:
                # By the way out of an appeal she may have left either.
                for purpose in consent.PURPOSES if one.appeal else (consent.LETTERS,):
                    _counted(one.subscriber, list_, partial(back, purpose=purpose), moved, now)
        count_leaving(said[0].organisation, moved)
    _settle(said, ((one.said, "back") for one in proven))


def _counted(subscriber: Any, list_: Any, change: Callable[[Any, Any], bool], moved: Moved, now: datetime) -> bool:
    """Does the change; what it makes of the letters she left by goes into `moved`: (edition, she) -> by how many.

    Her consent records alone tell it, so nobody's click is kept, and what is done twice is counted once.
    """
    before = audience_queries.letters_left_by(subscriber, list_, now)
    if not change(subscriber, list_):
        return False
    after = audience_queries.letters_left_by(subscriber, list_, now)
    moved.update((int(letter), subscriber.number) for letter in after - before)
    moved.subtract((int(letter), subscriber.number) for letter in before - after)
    return True


def _settle(said: list[Said], proven: Iterable[tuple[Said, str]]) -> None:
    """After the commit: the pages of the proven tokens say what they are now, and all the boxes go."""
    with transaction.atomic(using="gate"):  # One write to the disk for all.
        for one, state in proven:
            gate.set_token_state(str(one.words["token"]), state)
        gate.done_with(one.row for one in said)


# -- the alarm --------------------------------------------------------------------------------------------------


def group_of(now: datetime) -> str:
    """Those who leave in one clock hour are one group: what an alarm names and what is undone together."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H")


def _alarm(organisation: Any, list_id: int, purpose: str, group: str, now: datetime) -> None:
    """Says once an hour and list that unusually many leave it, or its appeals."""
    left = _left_since(organisation, list_id, purpose, now - ALARM_WINDOW)
    # People: one who left, came back and left again is no crowd.
    count = len({number for numbers in left.values() for number in numbers})
    still = _still(list_id, purpose)
    if count < ALARM_LEAST or count <= ALARM_SHARE * (still + count):
        return
    before = Event.objects.select_related("organisation").filter(
        organisation=organisation, kind="subscribers.left_alarm", about=list_id, at__gte=now - 2 * ALARM_WINDOW
    )
    if any(group in detail["groups"] and purpose_in(detail) == purpose for detail in map(detail_of, before)):
        return
    detail = {"groups": sorted({*left, group}), "left": count, "of": still + count, "purpose": purpose}
    record("subscribers.left_alarm", organisation, now=now, about=list_id, detail=detail)


def _still(list_id: int, purpose: str) -> int:
    """How many have not left."""
    if purpose == consent.APPEALS:
        return dialect.count_asking(list_id, None)
    return ListTotal.objects.filter(list_id=list_id, status=SUBSCRIBED).values_list("count", flat=True).first() or 0


def _left_since(organisation: Any, list_id: int, purpose: str, since: datetime) -> dict[str, list[int]]:
    """Numbers that left a list, or its appeals, since then, by group."""
    found: dict[str, list[int]] = defaultdict(list)
    # The column tells the day alone. The newest first, so that a busy day is not opened whole for each hour of it.
    events = Event.objects.select_related("organisation").filter(
        organisation=organisation, kind="subscribers.left", about=list_id, at__gte=whole_day(since)
    )
    for event in events.order_by("-id").iterator(chunk_size=100):
        moment = moment_of(event)
        if moment < since - CLOCK_SLACK:
            break
        if moment < since:
            continue
        detail = detail_of(event)
        if purpose_in(detail) == purpose:
            found[str(detail["group"])] += detail["numbers"]
    return found


def undo(event: Event, now: datetime) -> None:
    """Somebody at the desk asked for an alarm's leaving to be undone."""
    alarm = Event.objects.select_related("organisation").filter(
        id=event.about or 0, organisation=event.organisation, kind="subscribers.left_alarm"
    )
    for one in alarm:
        undo_leaving(one, by=event.by, now=now)


def undo_leaving(alarm: Event, *, by: Any, now: datetime) -> int:
    """Brings back everybody who left in the groups of an alarm; returns how many. May be repeated: it is said once, and
    again only where somebody more came back, as after a kill half way.
    """
    told = detail_of(alarm)
    groups, purpose = set(told["groups"]), purpose_in(told)
    list_ = List.objects.get(id=alarm.about or 0, organisation=alarm.organisation)
    begin = min(datetime.strptime(group, "%Y-%m-%dT%H").replace(tzinfo=UTC) for group in groups)
    left = _left_since(alarm.organisation, list_.id, purpose, begin)
    numbers = [*dict.fromkeys(number for group in sorted(groups) for number in left.get(group, []))]
    change = partial(audience.undo_unsubscribe, way="desk", now=now, by=by, purpose=purpose)
    back = 0
    for start in range(0, len(numbers), SLICE):
        moved: Moved = Counter()
        with transaction.atomic():
            for number in numbers[start : start + SLICE]:
                subscriber = audience_queries.subscriber_numbered(alarm.organisation, number)
                if subscriber is not None:
                    back += _counted(subscriber, list_, change, moved, now)
            count_leaving(alarm.organisation, moved)
    if back or not _was_undone(alarm, sorted(groups), purpose):
        detail = {"groups": sorted(groups), "back": back, "purpose": purpose}
        record("subscribers.left_undone", alarm.organisation, now=now, about=list_.id, by=by, detail=detail)
    return back


def _was_undone(alarm: Event, groups: list[str], purpose: str) -> bool:
    rows = Event.objects.select_related("organisation").filter(
        organisation=alarm.organisation, kind="subscribers.left_undone", about=alarm.about, id__gt=alarm.id
    )
    return any(told["groups"] == groups and purpose_in(told) == purpose for told in map(detail_of, rows))


# -- confirming -------------------------------------------------------------------------------------------------


def _confirm(said: list[Said], now: datetime) -> None:
    confirmed = []
    with transaction.atomic():
        for one in said:
            found = _pending(one)
            for subscriber, list_, number in found:
                audience.confirm(subscriber, list_, way="form", now=one.at, signed_up=forms.day_in(number))
                forms.take_told(subscriber, list_, number, now=one.at)
            if found:
                _agree(found[0], one.at)
                confirmed.append(one)
    _settle(said, ((one, "confirmed") for one in confirmed))


def _agree(confirmed: tuple[Any, Any, int], now: datetime) -> None:
    """Her sign-up may have asked for the appeals of lists that she had before, too: its mail said so."""
    subscriber, _list, number = confirmed
    if forms.without_day(number) >> 32:
        appeals.agree(subscriber.organisation, subscriber, number, now)


def _pending(said: Said) -> list[tuple[Any, Any, int]]:
    """(subscriber, list, number in the token) of a confirm token, for each list that was asked for with it and still
    waited when she pressed. An old link confirms nothing: somebody who has left since must not come back because a mail
    is pressed again.
    """
    try:
        token = link.read(house.keys(said.organisation).links, "confirm", str(said.words.get("token", "")))
    except link.BadToken:
        return []
    subscriber = audience_queries.subscriber_numbered(said.organisation, token.number)
    if subscriber is None:
        return []
    # By a form, also one that was removed since: she was asked, and answers.
    about, day = forms.without_day(token.edition), forms.day_in(token.edition)
    numbers = forms.lists_asked(subscriber, token.edition) if about >> 32 else [about]
    lists = List.objects.filter(id__in=numbers, organisation=said.organisation).order_by("id")
    return [(subscriber, list_, token.edition) for list_ in lists if audience.waits(list_, subscriber, day, said.at)]

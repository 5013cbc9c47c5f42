"""Addresses that mailbox providers called dead in a session are suppressed by the worker; senders have no key for that.

Nothing is noted of whom it looked at: the deliveries say who bounced, and the log who was suppressed, came back, or has
another address since. So a kill anywhere loses nobody, and nobody is taken twice. The thresholds are in
core/mail/suppression_rules.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from itertools import batched
from typing import NamedTuple

from django.db.models import Q, Sum
from django.utils.translation import gettext as _

from samizdat.accounts.models import Organization, Person
from samizdat.audience import sealed_subscribers
from samizdat.audience.actions import suppress_bounced
from samizdat.audience.models import NUMBER_MASK, Subscriber, row_id
from samizdat.campaigns.models import Campaign, Edition, large
from samizdat.core.crypto import seal
from samizdat.core.mail.address import PROVIDERS, mailbox_provider
from samizdat.core.mail.ledger import State
from samizdat.core.mail.outcome import ANSWERS, ENHANCED
from samizdat.core.mail.suppression_rules import CLASSES, NONE_ACCEPTED, AnswerDay, is_dead, is_plausible
from samizdat.delivery.errors import NothingHeld
from samizdat.delivery.models import Delivery, ProviderTotal, Route, RouteTotal, SmtpReply
from samizdat.delivery.queries import HELD_BOUNCES, RETURNED, SETTLED_BOUNCES, answer_column, held_bounces
from samizdat.events.actions import is_genuine, record
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.events.sql import numbers_about
from samizdat.vault import keyring
from samizdat.vault.locks import unlocked

# A campaign that is over is looked at for so long: a worker that was down meanwhile finds it.
LOOKED_BACK = timedelta(days=14)
# The newest campaigns of an organization in which softer answers are looked for.
EDITIONS = 60
# Rows of one statement, and of one transaction: SQLite takes no more values, and nobody else writes for 0.1 s.
SLICE = 250
# Subscribers at small domains that are opened in one go, to count how many one of them has.
OPENED = 2_000

# On the day of any of these, and before, answers count no more: their mailbox is another, or was read.
ANEW: tuple[EventKind, ...] = (
    "subscriber.suppressed",
    "subscriber.unsuppressed",
    "subscriber.confirmed",
    "subscriber.address_changed",
)

# What a campaign looked like when everything in it was settled. Only spares work: empty after a restart.
_settled: dict[int, tuple[object, ...]] = {}


class _Refusal(NamedTuple):
    """One subscriber's refusal in one campaign."""

    number: int
    answer: int
    code: int
    route: int | None
    day: date
    provider: str  # core/mail/address.mailbox_provider


def suppress_dead(
    now: datetime, seconds: float = 5.0, stop: Callable[[], bool] = lambda: False, organization: int | None = None
) -> int:
    """Suppresses whom the answers of campaigns call dead; how many. Goes on with the next call after `seconds`."""
    until, done = time.monotonic() + seconds, 0

    def is_over() -> bool:
        return stop() or time.monotonic() > until

    campaigns = _campaigns(now, organization)
    believed = Counter(
        Event.objects.filter(kind=SETTLED_BOUNCES, about__in=[row.pk for row in campaigns]).values_list(
            "about", flat=True
        )
    )
    for campaign in campaigns:
        looks = (campaign.state, campaign.accepted, campaign.refused, believed[campaign.pk])
        if _settled.get(campaign.pk) == looks:
            continue
        if is_over():
            break
        work = _CampaignBounces(campaign, now)
        done += work.settle(is_over)
        if not is_over():
            _settled[campaign.pk] = looks
    for pk in set(_settled) - {row.pk for row in campaigns} if organization is None else ():
        del _settled[pk]
    return done


def _campaigns(now: datetime, organization: int | None) -> list[Campaign]:
    """Those whose answers can be weighed: everybody was tried once, or nothing is sent now. While a campaign is under
    way nobody knows yet whether a provider says it of many."""
    recent = now - LOOKED_BACK
    over = Q(state="finished", finished__gt=recent) | Q(state="cancelled", changed__gt=recent)
    still = Q(state__in=("paused", "waiting")) | Q(state="sending", pending=0) | Q(state="sending", welcome__gt=0)
    rows = Campaign.objects.filter(
        unlocked("organization__"), over | still, refused__gt=0, edition__isnull=False
    ).select_related("organization")
    if organization is not None:
        rows = rows.filter(organization=organization)
    return list(rows.defer(*large()).order_by("pk"))


def believe(campaign: Campaign, *, now: datetime, by: Person | None = None, word: str | None = None) -> int:
    """A person says that the mailboxes of HeldBounces.word, or of all that were held, are dead. They are suppressed
    with the next round; how many they are. Errors: NothingHeld."""
    held = [row for row in held_bounces(campaign) if word in (None, row.word)]
    if not held:
        raise NothingHeld(_("Nothing waits for a decision here. The numbers may have changed; open the report again."))
    for row in held:
        detail = {"provider": row.word, "count": row.count}
        record(SETTLED_BOUNCES, campaign.organization, now=now, by=by, about=campaign.pk, detail=detail)
    return sum(row.count for row in held)


def last_anew(organization: Organization, numbers: Iterable[int]) -> dict[int, date]:
    """The last day of ANEW of these subscribers, by number: on it, and before, nothing counts that was said of them."""
    ids = [row_id(organization.pk, number) for number in numbers]
    days, events = dict[int, date](), [event for _row, event in numbers_about(ANEW, ids)]
    if not events:
        return days
    rows = Event.objects.select_related("organization").filter(pk__among=events)
    for event in rows.filter(organization=organization).order_by("id"):
        assert event.about is not None
        number, day = event.about & NUMBER_MASK, event.at.astimezone(UTC).date()
        if day > days.get(number, date.min) and is_genuine(event):
            days[number] = day
    return days


class _CampaignBounces:
    """What the answers to one campaign say of its recipients' mailboxes."""

    def __init__(self, campaign: Campaign, now: datetime) -> None:
        self._campaign, self._organization, self._now = campaign, campaign.organization, now
        self._edition: int = Edition.objects.values_list("pk", flat=True).get(campaign=campaign)
        self._keys = keyring.keys(self._organization)

    def settle(self, is_over: Callable[[], bool]) -> int:
        """Suppresses those who are dead, and tells admins of those whom nobody believes; how many were suppressed."""
        refusals = list(self._refusals())
        unheard = self._unheard(refusals)
        held, done = self._held(refusals, unheard), 0
        for some in batched((row for row in refusals if row.route not in unheard or "" in held.believed), SLICE):
            if is_over():
                return done
            dead = self._dead([row for row in some if row.provider not in held.words])
            answers = {row_id(self._organization.pk, row.number): self._answer(row, days) for row, days in dead}
            done += suppress_bounced(self._organization, answers, now=self._now) if answers else 0
        self._tell(held)
        return done

    # -- what was answered ----------------------------------------------------------------------------------------

    def _refusals(self) -> Iterator[_Refusal]:
        """Whoever was erased since is left out."""
        rows = Delivery.objects.filter(edition=self._edition, state=State.REFUSED, answer__in=list(CLASSES))
        opened = sealed_subscribers.opener(self._keys).open
        columns = rows.order_by("number").values_list("number", "answer", "code", "route", "day")
        for some in batched(columns, SLICE):
            known = self._subscribers([row[0] for row in some])
            for number, answer, code, route, day in some:
                if number in known:
                    address = seal.pick(opened(known[number], number), seal.ADDRESS)
                    yield _Refusal(number, answer, code, route, day, mailbox_provider(address))

    def _subscribers(self, numbers: Iterable[int], **where: object) -> dict[int, bytes]:
        ids = [row_id(self._organization.pk, number) for number in numbers]
        rows = Subscriber.objects.filter(id__in=ids, **where).values_list("id", "sealed")
        return {id & NUMBER_MASK: bytes(blob) for id, blob in rows}

    # -- who is believed --------------------------------------------------------------------------------------------

    def _unheard(self, refusals: Sequence[_Refusal]) -> set[int | None]:
        """Routes that are no witnesses: they accepted nothing of this campaign, or died and refused too many."""
        totals = {row.route_id: row for row in RouteTotal.objects.filter(edition=self._edition)}
        dead = set(Route.objects.filter(pk__in=totals, state="dead").values_list("pk", flat=True))
        counts = Counter(row.route for row in refusals)
        return {
            route
            for route, count in counts.items()
            if route not in totals
            or not totals[route].accepted
            or (route in dead and not is_plausible(count, totals[route].accepted + totals[route].refused))
        }

    def _held(self, refusals: Sequence[_Refusal], unheard: set[int | None]) -> "_HeldGroups":
        """By provider: how many it called dead, and of how many, where that is not to be believed. "": a route."""
        counts = Counter(row.provider for row in refusals if row.route not in unheard)
        answered = self._answered({provider: count for provider, count in counts.items() if not is_plausible(count, 0)})
        groups = {
            provider: (counts[provider], total)
            for provider, total in answered.items()
            if not is_plausible(counts[provider], total)
        }
        if (silent := sum(row.route in unheard for row in refusals)) >= NONE_ACCEPTED:
            groups[""] = silent, silent
        return _HeldGroups(groups, frozenset(row.word for row in held_bounces(self._campaign, settled=True)))

    def _answered(self, counts: Mapping[str, int]) -> dict[str, int]:
        """How many of each of these providers' people had a final answer. A small domain has no total of its own, so
        whoever is at one is opened, until it is known to have enough."""
        states = (State.ACCEPTED, State.REFUSED)
        rows = ProviderTotal.objects.filter(edition=self._edition, provider__gt=0, state__in=states)
        totals = {
            PROVIDERS[row["provider"]]: int(row["sum"]) for row in rows.values("provider").annotate(sum=Sum("count"))
        }
        small = {provider: count for provider, count in counts.items() if provider.startswith("@")}
        at_small = Counter(small)
        if small:
            for provider in self._accepted_at_small():
                if provider not in small:
                    continue
                at_small[provider] += 1
                if is_plausible(small[provider], at_small[provider]):
                    del small[provider]
                if not small:
                    break
        return {provider: at_small[provider] or totals.get(provider, 0) for provider in counts}

    def _accepted_at_small(self) -> Iterator[str]:
        opened = sealed_subscribers.opener(self._keys).open
        after = -1
        while True:
            rows = Delivery.objects.filter(edition=self._edition, number__gt=after).order_by("number")
            page = list(rows.values_list("number", "state")[:OPENED])
            numbers = [number for number, state in page if state == State.ACCEPTED]
            for some in batched(numbers, SLICE):
                for number, blob in self._subscribers(some, provider=0).items():
                    yield mailbox_provider(seal.pick(opened(blob, number), seal.ADDRESS))
            if len(page) < OPENED:
                return
            after = page[-1][0]

    def _tell(self, held: "_HeldGroups") -> None:
        """Once for each provider, and when what was held is to be believed after all."""
        known = {row.word for row in held_bounces(self._campaign)}
        for word, (count, answered) in sorted(held.groups.items()):
            if word not in held.believed and word not in known:
                detail = {"provider": word, "count": count, "answered": answered}
                record(HELD_BOUNCES, self._organization, now=self._now, about=self._campaign.pk, detail=detail)
        for word in sorted(known - {*held.groups, RETURNED}):
            detail = {"provider": word, "count": 0}
            record(SETTLED_BOUNCES, self._organization, now=self._now, about=self._campaign.pk, detail=detail)

    # -- who is dead ------------------------------------------------------------------------------------------------

    def _dead(self, refusals: Sequence[_Refusal]) -> Iterator[tuple[_Refusal, int]]:
        """With the number of days on which it was said."""
        numbers = [row.number for row in refusals]
        anew = last_anew(self._organization, numbers)
        softer = [row.number for row in refusals if CLASSES[row.answer] > 1]
        before = self._before(softer, {row.number: row.provider for row in refusals})
        for row in refusals:
            known = [AnswerDay(row.day, False, row.answer), *before.get(row.number, ())]
            if days := is_dead(known, anew.get(row.number)):
                yield row, days

    def _before(self, numbers: Sequence[int], providers: Mapping[int, str]) -> dict[int, list[AnswerDay]]:
        """What other campaigns were answered, but by a provider that said so of too many there."""
        if not numbers:
            return {}
        held = self._held_elsewhere
        rows = Delivery.objects.filter(edition__in=self._other_editions, number__in=list(numbers))
        states = (State.ACCEPTED, State.UNSURE, State.REFUSED)
        known: dict[int, list[AnswerDay]] = {}
        columns = rows.filter(state__in=states).values_list("edition", "number", "state", "answer", "day")
        for edition, number, state, answer, day in columns:
            if state != State.REFUSED or providers[number] not in held.get(edition, ()):
                known.setdefault(number, []).append(AnswerDay(day, state != State.REFUSED, answer))
        return known

    @cached_property
    def _other_editions(self) -> dict[int, int]:
        """Edition -> campaign."""
        rows = Edition.objects.filter(organization=self._organization).exclude(pk=self._edition)
        return dict(rows.order_by("-created", "-id").values_list("pk", "campaign")[:EDITIONS])

    @cached_property
    def _held_elsewhere(self) -> dict[int, frozenset[str]]:
        campaigns = {campaign: edition for edition, campaign in self._other_editions.items()}
        rows = Event.objects.filter(kind=HELD_BOUNCES, about__in=list(campaigns)).values_list("about", flat=True)
        return {
            campaigns[row.pk]: frozenset(held.word for held in held_bounces(row))
            for row in Campaign.objects.select_related("organization").filter(pk__in=set(rows)).defer(*large())
        }

    def _answer(self, row: _Refusal, days: int) -> dict[str, object]:
        """What is kept of it: queries.SuppressionCause."""
        answer: dict[str, object] = {"answer": ANSWERS[row.answer], "code": row.code, "days": days}
        if status := self._statuses.get((row.answer, row.code), ""):
            answer["status"] = status
        return answer

    @cached_property
    def _statuses(self) -> dict[tuple[int, int], str]:
        """(answer, code) -> the enhanced status code that servers gave with it, where all gave the same."""
        seen: dict[tuple[int, int], set[str]] = {}
        for row in SmtpReply.objects.filter(edition=self._edition, answer__in=list(CLASSES)):
            place = answer_column(row.route_id, row.digest)
            text = self._keys.open(row.text_sealed, "answer", place, row.edition_id).decode()
            match = ENHANCED.match(text)
            seen.setdefault((row.answer, row.code), set()).add(match[1] if match else "")
        return {key: next(iter(codes)) for key, codes in seen.items() if len(codes) == 1}


@dataclass(frozen=True, slots=True)
class _HeldGroups:
    """groups: provider -> (how many, of how many). believed: of whom a person said that they are dead."""

    groups: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    believed: frozenset[str] = frozenset()

    @property
    def words(self) -> set[str]:
        return set(self.groups) - self.believed

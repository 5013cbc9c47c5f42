"""The welcome email of a list: a campaign that is released to nobody, and owed to each who confirms from then on.

So its text is approved, compiled, sealed and sent as any campaign's. Who confirms for the first time is written into a
sealed chunk of its edition in the transaction that confirms: killed before, neither is there; killed after, both are.
Nobody has it twice, since the consent records say who confirmed before, as long as anything is known of them.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import inf

from django.db import transaction
from django.db.models import F, QuerySet, Sum
from django.utils.translation import gettext as _
from django.utils.translation import override

from samizdat.accounts.models import Person
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import sql as audience_sql
from samizdat.audience.list_details import insist_open
from samizdat.audience.models import List, Subscriber
from samizdat.campaigns import actions as campaigns
from samizdat.campaigns import edition_details, senders
from samizdat.campaigns.drafts.copy import copy
from samizdat.campaigns.drafts.draft import Draft
from samizdat.campaigns.models import WELCOME, Campaign, Edition, large
from samizdat.campaigns.release_log import is_unfinished, standing
from samizdat.core import consent, languages
from samizdat.core.consent import LETTERS
from samizdat.core.content.blocks import dumps, parse
from samizdat.core.crypto.seal import SealError
from samizdat.delivery.actions.chunks import places_now, write_chunks
from samizdat.delivery.actions.due import in_turns
from samizdat.delivery.actions.releasing import release
from samizdat.delivery.actions.running import GOING, cancel, late_portions
from samizdat.delivery.errors import WrongState
from samizdat.delivery.queries import next_position
from samizdat.delivery.sealed_chunks import masks_now
from samizdat.events.actions import detail_of, is_genuine, record
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.events.queries import last_about
from samizdat.vault import keyring
from samizdat.vault.errors import VaultError
from samizdat.vault.locks import unlocked

log = logging.getLogger("samizdat.delivery")

ON: EventKind = "list.welcome_on"
OFF: EventKind = "list.welcome_off"
DROPPED: EventKind = "list.welcome_dropped"

# Whoever waited longer is not welcomed any more.
LATEST = timedelta(days=7)

_CONFIRMED, _LETTERS = consent.KINDS.index("confirmed"), consent.PURPOSES.index(LETTERS)


# -- who confirms ---------------------------------------------------------------------------------------------------


class Newcomers:
    """Who confirms their subscription to a list with a welcome email in one transaction. Asked before it is written
    (is_first), noted after it (add), and owed last, since senders want the row of the campaign."""

    def __init__(self) -> None:
        self._on: dict[int, bool] = {}
        self._by_list: dict[int, list[int]] = defaultdict(list)

    def is_first(self, subscriber: Subscriber, list_: List) -> bool:
        """Never confirmed this list before, as far as is on record; False where no welcome email is on."""
        if list_.id not in self._on:
            self._on[list_.id] = _going(list_).exists()
        if not self._on[list_.id]:
            return False
        known = audience_sql.consent_of([subscriber.id])
        return not any(fact[1:4] == (list_.id, _CONFIRMED, _LETTERS) for _row, fact in known)

    def add(self, subscriber: Subscriber, list_: List) -> None:
        self._by_list[list_.id].append(subscriber.number)

    def owe(self, now: datetime) -> None:
        for number, people in sorted(self._by_list.items()):
            _owe(List.objects.select_related("organization").get(id=number), people, now)


def _owe(list_: List, numbers: list[int], now: datetime) -> None:
    campaign = _going(list_).filter(pk=_on_by_log(list_)).select_for_update(of=("self",)).first()
    if campaign is None and not _going(list_).exists():
        return  # Switched off in this moment.
    edition = Edition.objects.select_related("organization").filter(campaign=campaign).first() if campaign else None
    if campaign is None or edition is None or not _is_genuine(edition, list_):
        log.error("The welcome email of list %d is not what was switched on: the database was altered.", list_.id)
        return
    asked = dict(edition_details.opened(keyring.keys(edition.organization), edition).asked)
    masks = masks_now(edition.organization, numbers, asked)
    places = places_now(edition.organization_id, languages.load(edition.languages), numbers)
    write_chunks(edition, next_position(edition.pk), numbers, 0, masks, places, now.astimezone(UTC).date())
    more = {"frozen": F("frozen") + len(numbers), "pending": F("pending") + len(numbers)}
    Campaign.objects.filter(pk=campaign.pk).update(**more)


def _is_genuine(edition: Edition, list_: List) -> bool:
    """Whether its seal names this list and this use, and the log its release: columns stand in the open."""
    try:
        details, stands = edition_details.opened(keyring.keys(edition.organization), edition), standing(edition)
    except (SealError, VaultError):
        return False
    return details.welcome and details.list == list_.id and stands.goes and not stands.finished


def _on_by_log(list_: List) -> int:
    """The campaign that was switched on last and not off since, 0 for none: states stand in the open."""
    event = last_about(list_.organization, (ON, OFF), list_.id)
    try:
        return int(detail_of(event).get("campaign", 0)) if event is not None and event.kind == ON else 0
    except SealError:
        return 0


def _left_on(list_: List) -> list[int]:
    """Campaigns of which the log says that they were switched on, and not that they ended."""
    rows = Event.objects.select_related("organization").filter(organization=list_.organization_id, kind=ON)
    numbers = {int(detail_of(event).get("campaign", 0)) for event in rows.filter(about=list_.id) if is_genuine(event)}
    return sorted(number for number in numbers if is_unfinished(list_.organization, number))


def _rows(list_: List) -> QuerySet[Campaign]:
    """All that the list had, drafts too."""
    rows = Campaign.objects.filter(organization=list_.organization_id, list=list_, version_of=None, welcome__gt=0)
    return rows.defer(*large())


def _going(list_: List) -> QuerySet[Campaign]:
    """Those that go out, the newest first."""
    return _rows(list_).filter(welcome=WELCOME, state__in=GOING).order_by("-released", "-pk")


# -- the desk -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WelcomeStatus:
    """draft: the newest that is being written; on: the one that goes out. Counts are of all that the list had:
    dropped were waiting for seven days, or when it was switched off; skipped had left again, or are suppressed."""

    draft: Campaign | None
    on: Campaign | None
    sent: int = 0
    waiting: int = 0
    refused: int = 0
    unsure: int = 0
    skipped: int = 0
    dropped: int = 0

    @property
    def had_any(self) -> bool:
        """Whether anybody was owed it."""
        return any((self.sent, self.waiting, self.refused, self.unsure, self.skipped, self.dropped))

    @property
    def state(self) -> str:
        if self.on is None:
            return "off"
        return self.on.state if self.on.state in ("waiting", "paused") else "on"


def status(list_: List) -> WelcomeStatus:
    rows = _rows(list_)
    sums = rows.aggregate(
        sent=Sum("accepted", default=0),
        waiting=Sum(F("pending") + F("deferred"), default=0),
        refused=Sum("refused", default=0),
        unsure=Sum("unsure", default=0),
        skipped=Sum("suppressed", default=0),
        dropped=Sum("cancelled", default=0),
    )
    draft = rows.select_related("organization").filter(state="draft").order_by("-pk").first()
    on = _going(list_).select_related("organization").first()
    return WelcomeStatus(draft, on, **sums)


def begin(list_: List, *, now: datetime, by: Person | None = None) -> Campaign:
    """The draft to write in: the one there is, a copy of what is on, or a new one with a few words. Errors:
    CampaignError, ListArchived."""
    insist_open(list_)
    there = status(list_)
    if there.draft is not None:
        return there.draft
    if there.on is not None:
        return copy(there.on, by=by, now=now)
    organization, kept = list_.organization, leading(list_.organization)
    last = Campaign.objects.select_related("organization").filter(organization=organization).order_by("-pk").first()
    sender = senders.default_sender(list_, last)
    with override(kept.language):
        draft = Draft(
            subject=_("Thank you for subscribing"),
            from_name=sender.name or kept.name,
            from_email=sender.email,
            reply_to=sender.reply_to,
            body=dumps(parse('{"type":"doc"}')),
            format="blocks",
        )
    return campaigns.create(organization, list_, draft, by=by, now=now, language=kept.language, welcome=True)


def switch_on(campaign: Campaign, *, now: datetime, by: Person | None = None, seen: str = "") -> Campaign:
    """From now on whoever confirms gets it, at any hour: they are at their mailbox. Whose answer is lost gets no second
    one. seen: as of release. Errors: as of release, and ListArchived."""
    if not campaign.welcome:
        raise WrongState(_("This campaign is no welcome email."))
    insist_open(campaign.list)
    return release(campaign, now=now, by=by, quiet="none", unsure="hold", seen=seen)


def switch_off(list_: List, *, now: datetime, by: Person | None = None) -> int:
    """Nobody gets it any more, nor one that a row said had ended and the log did not; how many waited for it. Errors:
    WrongState where none is on."""
    organization = list_.organization
    rows = _rows(list_).select_related("organization").filter(state__in=GOING)
    going, before = [*rows.order_by("pk")], status(list_).dropped
    hidden = set(_left_on(list_)) - {campaign.pk for campaign in going}
    if not going and not hidden:
        raise WrongState(_("This list has no welcome email that is on."))
    for number in sorted(hidden):
        with transaction.atomic():
            Campaign.objects.filter(organization=organization, pk=number).update(state="cancelled", changed=now)
            record("campaign.cancelled", organization, now=now, by=by, about=number)
    for campaign in going:
        cancel(campaign, now=now, by=by)
    dropped = status(list_).dropped - before
    record(OFF, organization, now=now, by=by, about=list_.id, detail={"dropped": dropped})
    return dropped


# -- the clock ------------------------------------------------------------------------------------------------------


def drop_late(now: datetime, seconds: float = inf) -> int:
    """Who has waited for seven days, since no route takes anything, gets none, for so many seconds; how many."""
    rows = Campaign.objects.filter(unlocked("organization__"), welcome__gt=0, state__in=GOING).exclude(
        pending=0, deferred=0
    )
    going = [*rows.select_related("organization").defer(*large()).order_by("pk")]
    dropped = Counter[int]()

    def portions(campaign: Campaign) -> Iterator[int]:
        for people in late_portions(campaign.pk, now - LATEST, now):
            dropped[campaign.pk] += people
            yield people

    try:
        return in_turns([(campaign.organization_id, portions(campaign)) for campaign in going], seconds)[0]
    finally:
        for campaign in going:
            if count := dropped[campaign.pk]:
                detail = {"campaign": campaign.pk, "count": count}
                with transaction.atomic():
                    record(DROPPED, campaign.organization, now=now, about=campaign.list_id, detail=detail)

"""The clock makes digests: a letter of its own to those who want the letters of a list gathered.

The round is closed in one transaction, with the draft of its digest; what follows is an ordinary release. A kill in
between leaves a draft, which the next look releases. Where it cannot be released, it stays as a draft with a reason,
and a person does it.
"""

import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import QuerySet

from samizdat import limited_process
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import recipients_sql
from samizdat.audience.models import List
from samizdat.audience.queries import details_of
from samizdat.campaigns import actions as campaigns
from samizdat.campaigns import approval
from samizdat.campaigns.digest import STUCK, digest_draft
from samizdat.campaigns.drafts.draft import Draft
from samizdat.campaigns.edition_details import EditionDetails
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import Campaign, Edition, Template, large, large_of_edition
from samizdat.campaigns.opened import open_campaign
from samizdat.campaigns.queries import in_turn
from samizdat.campaigns.released import released_to
from samizdat.campaigns.senders import with_current_sender
from samizdat.core.content import digest
from samizdat.delivery.actions import digest_rounds
from samizdat.delivery.actions.due import LATE
from samizdat.delivery.actions.releasing import release
from samizdat.delivery.errors import BeingReleased, DeliveryError, NobodyToWrite
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.vault.locks import unlocked

# Minutes that a digest waits before it leaves: nobody has read it yet.
HOLD = 30
# Seconds until a digest whose letters take too long is tried again, and when that is, by its list.
REST = 600.0
_rests: dict[int, float] = {}

# Letters of a round that its digest quotes, the newest: all are looked at once more in the transaction that ends it.
MOST = 300

# What the log says of a digest once a person has to release it.
_LATER: tuple[EventKind, ...] = (
    "campaign.released",
    "campaign.unreleased",
    "digest.release_failed",
    "digest.start_missed",
)


def make_due(now: datetime) -> int:
    """Digests whose day has come, and those that a kill left as drafts; how many were released. One that fails keeps
    nobody else's waiting: it is raised when all were tried.
    """
    failures: list[Exception] = []
    rows = List.objects.select_related("organization").filter(id__in=recipients_sql.lists_with_digest())
    slow = set[int]()  # Organizations: no other's digest waits for a second one of theirs.
    for list_ in rows.filter(unlocked("organization__"), organization__sending_locked=False):
        if list_.organization_id in slow or _rests.get(list_.id, 0.0) > time.monotonic():
            continue
        before = len(failures)
        _try(partial(_look, list_, now), failures)
        if any(isinstance(failure, limited_process.TooMuch) for failure in failures[before:]):
            slow.add(list_.organization_id)
            _rests[list_.id] = time.monotonic() + REST
    released = 0
    for campaign in in_turn(
        _drafts().filter(unlocked("organization__"), reason="", organization__sending_locked=False)
    ):
        released += bool(_try(partial(_send, campaign, now), failures))
    if failures:
        raise failures[0]
    return released


def _try(deed: Callable[[], bool | None], failures: list[Exception]) -> bool | None:
    try:
        return deed()
    except Exception as failure:
        failures.append(failure)
        return None


def _look(list_: List, now: datetime) -> None:
    if details_of(list_).archived:
        return
    if not leading(list_.organization).public_url:
        return  # Without public pages there is nothing to lead to.
    if list_.digest_due is None:
        _put_off(list_, now)
    elif list_.digest_due <= now and waits_for(list_):
        _keep_due(list_, now)
    elif list_.digest_due <= now:
        _close(list_, now)


def _drafts() -> QuerySet[Campaign]:
    return Campaign.objects.select_related("organization", "list").filter(is_digest=True, state="draft")


def _put_off(list_: List, now: datetime) -> None:
    due = digest.next_due(list_.digest_when, now, ZoneInfo(list_.organization.timezone))
    List.objects.filter(id=list_.id).update(digest_due=due or now)


def _keep_due(list_: List, now: datetime) -> None:
    """While it waits for a letter its time goes along: late is what nobody looked at."""
    List.objects.filter(id=list_.id, digest_due__lt=now - LATE / 4).update(digest_due=now)


def waits_for(list_: List) -> str:
    """Why the digest of this round waits. "paused": a letter of it was stopped by somebody, or by too many refusals; it
    may be wrong, or go on. "going": one is on its way to those who get it by itself, and which of them that are is
    asked until it has left. "" where it does not wait.
    """
    letters = _gathered(list_, list_.digest_round)
    if letters.filter(campaign__state="paused").exists():
        return "paused"
    is_going = letters.filter(campaign__pending__gt=0).exists()
    # Whom they are owed by themselves is not asked of all who were set aside yet.
    is_going = is_going or digest_rounds.begun().filter(campaign__list=list_).exists()
    return "going" if is_going else ""


def how_many(list_: List) -> int:
    """Who gets the letters of a list gathered now, or will from the next digest on."""
    return sum(often in (digest.DIGEST, digest.SOON) for _row, often, _turn in recipients_sql.seldom_of(list_.id))


def _gathered(list_: List, round: int) -> QuerySet[Edition]:
    """The letters of a round, the oldest first; without their texts, of which each weighs up to a megabyte."""
    rows = Edition.objects.filter(campaign__list=list_, campaign__digest_round=round, campaign__is_digest=False)
    rows = rows.defer(*large_of_edition())
    return rows.exclude(campaign__state="cancelled").order_by("campaign__not_before", "pk")


def _close(list_: List, now: datetime) -> None:
    """The next round begins, and the one that ends has a digest, if there is a letter in it and somebody wants it.

    Letters and readers are read before the transaction; where another letter began meanwhile, the next look makes the
    digest. Whom it is for is written down with its end: nothing is asked about a round that is over.
    """
    round, quoted = list_.digest_round, list[_QuotedLetter]()
    rows = _gathered(list_, round).select_related("organization", "campaign__organization", "campaign__list")
    rows = rows.defer(*large_of_edition(), *large("campaign__")).reverse()[:MOST]
    wanted = recipients_sql.digest_page(list_.organization_id, list_.id, round, 0, 1, suppressions=True)
    editions = [*rows] if wanted else []
    letters = _one_by_one(list_, editions, quoted)
    newest = next(letters, None)
    draft = limited_process.as_request(digest_draft, list_, newest, letters, now) if newest else None
    pages = [*_readers(list_)] if draft else []
    with transaction.atomic():
        held = List.objects.select_for_update(no_key=True).get(id=list_.id)
        there = [*rows.all()]
        if held.digest_round != round or (wanted and there != editions) or waits_for(held):
            return
        if draft is not None:
            again = {edition.pk: edition.campaign for edition in there}
            agreed = all(letter.is_agreed_to and _is_agreed_to(again[letter.edition], letter) for letter in quoted)
            campaign = _write(list_, draft, quoted, pages, now, agreed)
            if list_.digest_due is not None and now - list_.digest_due > LATE:
                _leave_to_a_person(campaign, now, "digest.start_missed")
        List.objects.filter(id=list_.id).update(digest_round=round + 1)
        recipients_sql.round_ends(list_.id, everybody=not held.digest_when)
        _put_off(held, now)


@dataclass(slots=True)
class _QuotedLetter:
    """What is known of a letter once its texts are let go."""

    edition: int
    template: int
    language: str
    unlisted: bool
    is_agreed_to: bool = False


def _one_by_one(
    list_: List, editions: Iterable[Edition], quoted: list[_QuotedLetter]
) -> Iterator[tuple[Edition, EditionDetails]]:
    """Those of a round, each opened when its turn comes, and noted in `quoted`. List, round and state stand in the
    open: quoted is what was released to the whole list alone."""
    for edition, details in released_to(list_, editions):
        letter = _QuotedLetter(edition.pk, details.template, details.language, details.unlisted)
        # Asked before it is quoted and once more after it: what it says may be changed while it is read.
        letter.is_agreed_to = _is_agreed_to(edition.campaign, letter)
        quoted.append(letter)
        yield edition, details


def _is_agreed_to(campaign: Campaign, letter: _QuotedLetter) -> bool:
    """In the frame that the digest takes over: a letter is compared with what its column says, the digest takes what
    was released."""
    framed = (campaign.template_id or 0) == letter.template
    return framed and approval.are_agreed_to(campaign.organization, [campaign])


def _write(
    list_: List,
    draft: Draft,
    letters: Sequence[_QuotedLetter],
    pages: Sequence[Sequence[int]],
    now: datetime,
    agreed: bool,
) -> Campaign:
    newest = letters[0]
    campaign = campaigns.create(
        list_.organization,
        list_,
        with_current_sender(list_.organization, draft),
        by=None,
        now=now,
        template=Template.objects.filter(pk=newest.template, organization=list_.organization).first(),
        language=newest.language,
        # It quotes them, so its own web version stands where theirs do.
        archive_hidden=any(letter.unlisted for letter in letters),
    )
    Campaign.objects.filter(pk=campaign.pk).update(is_digest=True, digest_round=list_.digest_round)
    if agreed:
        approval.agree_to_digest(campaign, now=now)
    for rows in pages:
        digest_rounds.set_aside(campaign, rows)
    record("digest.created", list_.organization, about=campaign.pk, now=now, detail={"letters": len(letters)})
    return campaign


def _readers(list_: List) -> Iterator[array[int]]:
    """The rows of those whom the round that ends gathers for, by pages. Read before the transaction that ends it, while
    which nobody else writes: nobody comes into a digest whose round has begun, and who may get it is asked again."""
    after = 0
    where = list_.organization_id, list_.id, list_.digest_round
    while rows := recipients_sql.digest_page(*where, after, digest_rounds.PAGE, suppressions=True):
        yield array("q", rows)
        after = rows[-1]


def _is_new(campaign: Campaign) -> bool:
    """Whether we made it as it stands, and nobody had it in hand since. `is_digest`, `state` and `reason` stand in the
    open: whoever writes the database would have any draft released, or one that a person took back."""
    later = Event.objects.filter(organization=campaign.organization_id, about=campaign.pk, kind__in=_LATER)
    return approval.is_digest_as_made(open_campaign(campaign)) and not later.exists()


def _send(campaign: Campaign, now: datetime) -> bool:
    if not _is_new(campaign):
        _leave_to_a_person(campaign, now)
        return False
    try:
        release(campaign, now=now, hold_minutes=HOLD)
    except BeingReleased:
        return False
    except NobodyToWrite:
        campaigns.delete_draft(campaign, by=None, now=now)
        return False
    except (CampaignError, DeliveryError):
        _leave_to_a_person(campaign, now)
        return False
    return True


def _leave_to_a_person(campaign: Campaign, now: datetime, why: EventKind = "digest.release_failed") -> None:
    with transaction.atomic():
        Campaign.objects.filter(pk=campaign.pk, state="draft").update(reason=STUCK)
        record(why, campaign.organization, about=campaign.pk, now=now)

"""What time does: schedules begin, retries come due, campaigns end. Guarded, so it may be called at any time."""

import logging
import random
import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from math import inf

from django.db import transaction
from django.db.models import Min

from samizdat.campaigns.ab_test import marks_of
from samizdat.campaigns.models import WELCOME, Campaign, Edition, large
from samizdat.campaigns.queries import AT_ONCE
from samizdat.campaigns.translations import frozen_in
from samizdat.core.crypto.seal import SealError
from samizdat.core.mail.ledger import CHUNK, pack_numbers
from samizdat.delivery import clock_jumps, domain_ownership, sql
from samizdat.delivery.actions import digest_rounds
from samizdat.delivery.actions.language_choice import of_one_version
from samizdat.delivery.actions.running import cancelled_portions
from samizdat.delivery.actions.wait_reasons import WaitReason
from samizdat.delivery.models import Chunk, DigestRecipients, Retry, Route
from samizdat.delivery.queries import next_position
from samizdat.delivery.sending_row import SendingRow
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind
from samizdat.vault.errors import VaultError
from samizdat.vault.locks import unlocked

log = logging.getLogger("samizdat.worker")

# A schedule that comes due while the machine was off for longer than this asks a person first (design.md, 6.13).
LATE = timedelta(minutes=60)
# What is due and could not be begun is tried again after this.
AGAIN = timedelta(seconds=5)


def start_due(now: datetime) -> int:
    """Scheduled and held campaigns whose time has come begin to send; one that is too late is paused instead."""
    begun = 0
    rows = Campaign.objects.filter(
        unlocked("organization__"),
        state__in=("scheduled", "held"),
        not_before__lte=now,
        organization__sending_locked=False,
    )
    # Asked twice a second, and nearly always there is none: the columns of both tables are put together for one alone.
    for campaign in rows.select_related("organization").defer(*large()) if rows.exists() else ():
        if clock_jumps.unsettled(now):
            break  # Set forward by mistake and back at once it would have gone out too early, or been too late.
        late = campaign.not_before is not None and now - campaign.not_before > LATE
        new, reason = ("paused", "late") if late else ("sending", "")
        with transaction.atomic():
            changed = Campaign.objects.filter(
                pk=campaign.pk, state=campaign.state, not_before=campaign.not_before
            ).update(state=new, reason=reason, changed=now)
            if changed:
                kind: EventKind = "campaign.start_missed" if late else "campaign.started"
                record(kind, campaign.organization, now=now, about=campaign.pk)
                begun += not late
            if changed and not late:
                digest_rounds.enter_round(campaign.pk)
    return begun


def next_due(now: datetime) -> datetime | None:
    """When, after now, start_due or routes.wake_due have something to do, if nobody writes anything before; None: at no
    time. What they could not do now is tried again soon."""
    campaigns = Campaign.objects.filter(
        unlocked("organization__"), state__in=("scheduled", "held"), organization__sending_locked=False
    )
    routes = Route.objects.filter(state__in=("throttled", "dead"))
    times = campaigns.aggregate(at=Min("not_before"))["at"], routes.aggregate(at=Min("until"))["at"]
    earliest = min((at for at in times if at is not None), default=None)
    return now + AGAIN if earliest is not None and earliest <= now else earliest


def in_turns(portions: Iterable[tuple[int, Iterator[int]]], seconds: float) -> tuple[int, bool]:
    """What the portions of each organization have done, one after the other in turns, for so many seconds: the sum,
    and whether that is all. portions: (organization, its work); where time is up, chance decides who is first next."""
    until, count = time.monotonic() + seconds, 0
    turns: dict[int, list[Iterator[int]]] = {}
    for organization, work in portions:
        turns.setdefault(organization, []).append(work)
    waiting = random.sample(list(turns.values()), len(turns))
    while waiting:
        for works in [*waiting]:
            done = next(works[0], None)
            if done is None:
                works.pop(0)
            count += done or 0
            if not works:
                waiting.remove(works)
            if time.monotonic() > until:
                return count, not waiting
    return count, True


def owe_set_aside(seconds: float = inf) -> bool:
    """Whoever was set aside with a letter that has begun is owed it where no digest brings it, for so many seconds.
    Whether that is all."""
    if not DigestRecipients.objects.exists():
        return True  # Nearly always.
    rows = (
        digest_rounds.begun()
        .filter(unlocked("campaign__organization__"))
        .values_list("campaign__organization", "campaign")
        .distinct()
    )
    return in_turns([(organization, digest_rounds.portions(campaign)) for organization, campaign in rows], seconds)[1]


def finish_cancelled(now: datetime, seconds: float = inf) -> bool:
    """Books what is still owed of cancelled campaigns, for so many seconds. Whether that is all."""
    rows = (
        Campaign.objects.filter(unlocked("organization__"), state="cancelled")
        .exclude(pending=0, deferred=0)
        .values_list("organization", "pk")
    )
    return in_turns(((organization, cancelled_portions(campaign, now)) for organization, campaign in rows), seconds)[1]


def retry_due(now: datetime, seconds: float = inf) -> int:
    """Retries whose time has come go into chunks of their own, for so many seconds. How many messages."""
    if not Retry.objects.filter(due__lte=now, chunk=None).exists():
        return 0  # Nearly always, and asked in half the time.
    editions = (
        Retry.objects.filter(
            unlocked("edition__organization__"),
            due__lte=now,
            chunk=None,
            edition__campaign__state="sending",
            edition__organization__sending_locked=False,
        )
        .values_list("edition__organization", "edition")
        .distinct()
    )
    return in_turns([(organization, _retries(edition, now)) for organization, edition in editions], seconds)[0]


def _retries(edition: int, now: datetime) -> Iterator[int]:
    while moved := _chunk_retries(edition, now):
        yield moved
        if moved < CHUNK and not marks_of(edition) and not frozen_in(edition):
            return


def _chunk_retries(edition: int, now: datetime) -> int:
    with transaction.atomic():
        # Two senders look at the clock at once: the campaign's row is the lock between them.
        if not Campaign.objects.select_for_update().filter(edition=edition, state="sending").exists():
            return 0
        numbers = list(
            Retry.objects.filter(edition=edition, due__lte=now, chunk=None)
            .order_by("due")
            .values_list("number", flat=True)[:CHUNK]
        )
        if not numbers:
            return 0
        variant, numbers = of_one_version(edition, numbers)
        chunk = Chunk.objects.create(
            edition_id=edition,
            position=next_position(edition),
            size=len(numbers),
            remaining=0,
            numbers=pack_numbers(numbers),
            retry=True,
            variant=variant,
        )
        sql.retries_into_chunk(edition, chunk.pk, numbers)
    return len(numbers)


def finish_if_done(campaign_id: int, now: datetime) -> bool:
    """Finished, when nobody is owed anything: no number without a result, no try ahead, no chunk in anybody's hands.
    One that nobody is owed by itself, since all of its readers want the digest, is finished at once.
    """
    with transaction.atomic():
        changed = (
            Campaign.objects.filter(
                pk=campaign_id, state__in=("sending", "waiting"), pending=0, deferred=0, edition__isnull=False
            )
            .exclude(welcome=WELCOME)  # It waits for whoever confirms next.
            .exclude(pk__in=digest_rounds.begun().filter(campaign=campaign_id).values("campaign"))
            .exclude(edition__in=Retry.objects.filter(edition__campaign=campaign_id).values("edition"))
            .exclude(
                edition__in=Chunk.objects.filter(
                    edition__campaign=campaign_id, state__in=(Chunk.READY, Chunk.CLAIMED)
                ).values("edition")
            )
            .update(state="finished", reason="", finished=now, changed=now)
        )
        if changed:
            campaign = Campaign.objects.select_related("organization").get(pk=campaign_id)
            record("campaign.finished", campaign.organization, now=now, about=campaign_id)
    return bool(changed)


def wait_or_go_on(row: SendingRow, hold: WaitReason | None, now: datetime) -> bool:
    """A campaign waits while something holds it and goes on when nothing does. True: it may
    send."""
    state, reason, until = ("waiting", hold.reason, hold.until) if hold else ("sending", "", None)
    if (row["state"], row["reason"], row["waits_until"]) == (state, reason, until) or reason == "refusals":
        return hold is None
    with transaction.atomic():
        changed = Campaign.objects.filter(pk=row["id"], state=row["state"]).update(
            state=state, reason=reason, waits_until=until, changed=now
        )
        # Another reason to wait is no news; that it waits at all is.
        if changed and row["state"] != state:
            campaign = Campaign.objects.select_related("organization").get(pk=row["id"])
            kind: EventKind = "campaign.waits" if hold else "campaign.wait_over"
            detail = {"reason": reason} if hold else {}
            record(kind, campaign.organization, now=now, about=campaign.pk, detail=detail)
    return hold is None and bool(changed)


def pause_from_others(now: datetime) -> int:
    """What is sent from a domain that was another organization's when it was released is paused. How many campaigns.

    Asked by whoever has the keys of all: a sender has those of its own alone. At the release the settings of the other
    one may have been older ones for an instant."""
    paused = 0
    rows = Edition.objects.filter(
        unlocked("organization__"), campaign__state__in=("sending", "waiting")
    ).select_related("organization")
    for edition in rows.defer("compiled_sealed").iterator(chunk_size=AT_ONCE):
        try:
            name = domain_ownership.claimed_before_release(edition)
        except (VaultError, SealError):
            continue  # Its sender finds that, too.
        if name:
            log.error("Edition %d is from the domain of another organization. Its campaign is paused.", edition.pk)
            pause_unreadable(edition.pk, now)
            paused += 1
    return paused


def pause_unreadable(edition: int, now: datetime) -> None:
    """Its keys are missing, or another version wrote it: a person has to look before anything more is sent."""
    with transaction.atomic():
        campaign = Campaign.objects.select_related("organization").get(edition=edition)
        changed = Campaign.objects.filter(pk=campaign.pk, state__in=("sending", "waiting")).update(
            state="paused", reason="unreadable", changed=now
        )
        if changed:
            record("campaign.unreadable", campaign.organization, now=now, about=campaign.pk)

"""Verbs on a released campaign: pause, resume, cancel, settle what is in doubt."""

import contextlib
import time
from collections.abc import Collection, Iterator
from datetime import UTC, datetime

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _

from samizdat.accounts.memberships import has_role
from samizdat.accounts.models import WRITERS, Organization, Person
from samizdat.audience import sql as audience_sql
from samizdat.audience.models import row_id
from samizdat.campaigns import approval
from samizdat.campaigns.models import Campaign, Edition, large, large_of_edition
from samizdat.campaigns.opened import open_campaign
from samizdat.campaigns.queries import in_turn
from samizdat.core.crypto.seal import SealBroken
from samizdat.core.mail import ledger, outcome
from samizdat.core.mail.ledger import CHUNK, JournalNews, State, unpack_numbers
from samizdat.delivery import complaint_stop, sql
from samizdat.delivery.actions import copied_installation, digest_rounds
from samizdat.delivery.actions.language_choice import of_one_version
from samizdat.delivery.actions.route_refusals import lift
from samizdat.delivery.engine import locks, recovery
from samizdat.delivery.engine.results import SendResult, write
from samizdat.delivery.errors import WrongState
from samizdat.delivery.labels import what_it_is
from samizdat.delivery.models import Chunk, Delivery, DigestRecipients, Retry
from samizdat.delivery.queries import next_position
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.events.queries import last_about

_CANCELLED = outcome.NUMBERS["cancelled"]
# Seconds of whoever presses the button: some 60,000 people.
BOOKED_AT_ONCE = 1.0
GOING = ("sending", "waiting", "paused")
UNFINISHED = ("scheduled", "held", *GOING)


def pause(campaign: Campaign, *, now: datetime, by: Person | None = None) -> Campaign:
    """Nothing more leaves; what is in flight is finished. Errors: WrongState."""
    sentence = _("You can only pause a campaign that is being sent.")
    states = ("scheduled", "held", "sending", "waiting")
    return _move(campaign, states, "paused", "person", "campaign.paused", now, by, sentence)


def pause_for_complaints(campaign: Campaign, *, now: datetime) -> Campaign:
    """Whoever resumes its list resumes it (actions/complaints). Errors: WrongState."""
    states = ("scheduled", "held", "sending", "waiting")
    return _move(campaign, states, "paused", complaint_stop.REASON, "campaign.paused", now, None, "")


def pause_released_by(organization: Organization, person: int, *, now: datetime, by: Person | None = None) -> None:
    """All that this person released and that is on its way."""
    events = Event.objects.filter(organization=organization, kind="campaign.released", by=person)
    rows = Campaign.objects.select_related("organization").filter(organization=organization)
    rows = rows.filter(pk__in=events.values("about"), state__in=UNFINISHED)
    for campaign in rows.exclude(state="paused").defer(*large()).order_by("pk"):
        with contextlib.suppress(WrongState):  # It has ended meanwhile.
            pause(campaign, now=now, by=by)


def pause_left_by(organization: Organization, person: int, *, now: datetime) -> None:
    """What somebody scheduled, who may send nothing any more, and nobody got yet: who is there now looks at it and
    resumes it, at its time. What a second person approved goes as they approved it."""
    sender = Person.objects.filter(pk=person).first()
    if sender is None or has_role(sender, organization, WRITERS):
        return
    rows = Campaign.objects.select_related("organization", "edition", "segment", "template")
    rows = rows.filter(organization=organization, state__in=("scheduled", "held", "waiting")).order_by("pk")
    for campaign in in_turn(rows.defer("edition__compiled_sealed")):
        if not campaign.is_untouched or _let_go_by(campaign) != person or _is_approved(campaign, now):
            continue
        with contextlib.suppress(WrongState):  # It has begun or ended meanwhile.
            states = (campaign.state,)
            _move(campaign, states, "paused", "sender_left", "campaign.sender_left", now, None, "")


def _let_go_by(campaign: Campaign) -> int | None:
    """Who released or resumed it last; None for the command line."""
    kinds: tuple[EventKind, ...] = ("campaign.released", "campaign.resumed")
    event = last_about(campaign.organization, kinds, campaign.pk)
    return event.by_id if event else None


def _is_approved(campaign: Campaign, now: datetime) -> bool:
    try:
        opened = open_campaign(campaign)
        return approval.standing(opened, approval.bond_of(opened, campaign.edition), now=now).state == "given"
    except SealBroken:
        return False


def resume(campaign: Campaign, *, now: datetime, by: Person | None = None) -> Campaign:
    """Goes on where it was: to its schedule if that is still ahead, else sending. Mailbox providers that were put off
    are tried again, whether it is paused or not. Errors: Fenced, WrongState, NotReleasable where its list is stopped.
    """
    copied_installation.refuse_sending(campaign.organization, now)
    complaint_stop.refuse_stopped(campaign.organization, campaign.list_id)
    sentence = _("You can only resume a paused campaign.")
    campaign.refresh_from_db()
    if lift(campaign, now=now, by=by) and campaign.state != "paused":
        campaign.refresh_from_db()
        return campaign
    if (campaign.state, campaign.reason) in (("waiting", "wave"), ("paused", "refusals")):
        return _let_the_rest_go(campaign, sentence, now, by)
    ahead = campaign.not_before is not None and campaign.not_before > now
    with transaction.atomic():
        state = "scheduled" if ahead else "sending"
        _move(campaign, ("paused",), state, "", "campaign.resumed", now, by, sentence)
        if not ahead:
            digest_rounds.enter_round(campaign.pk)
    digest_rounds.owe(campaign.pk)
    return campaign


def _let_the_rest_go(campaign: Campaign, sentence: str, now: datetime, by: Person | None) -> Campaign:
    """A person has seen how the first wave went: the rest follows at once."""
    with transaction.atomic():
        Campaign.objects.filter(pk=campaign.pk, canary_state__in=("held", "stopped")).update(canary_state="passed")
        return _move(campaign, ("waiting", "paused"), "sending", "", "campaign.resumed", now, by, sentence)


def _move(
    campaign: Campaign,
    old: tuple[str, ...],
    new: str,
    reason: str,
    kind: EventKind,
    now: datetime,
    by: Person | None,
    sentence: str,
) -> Campaign:
    with transaction.atomic():
        changed = Campaign.objects.filter(pk=campaign.pk, state__in=old).update(
            state=new, reason=reason, waits_until=None, changed=now
        )
        if not changed:
            campaign.refresh_from_db()
            raise WrongState(f"{sentence} {what_it_is(campaign.state)}")
        record(kind, campaign.organization, now=now, by=by, about=campaign.pk)
    campaign.refresh_from_db()
    return campaign


def cancel(campaign: Campaign, *, now: datetime, by: Person | None = None, seconds: float = BOOKED_AT_ONCE) -> Campaign:
    """Nobody else gets this letter. Who was still owed it is booked as cancelled; what is in flight is finished.

    What is not booked after so many seconds, and chunks that a living sender holds, are booked by the clock. Errors:
    WrongState.
    """
    sentence = _("You can only cancel a campaign that is scheduled or being sent.")
    with transaction.atomic():
        _move(campaign, UNFINISHED, "cancelled", "person", "campaign.cancelled", now, by, sentence)
        DigestRecipients.objects.filter(campaign=campaign).delete()
    recover_if_idle(now)
    book_cancelled(campaign.pk, now, seconds)
    campaign.refresh_from_db()
    return campaign


def recover_if_idle(now: datetime) -> None:
    """Where no sender runs, what a dead one left is put in order first: then the numbers are exact at once."""
    if connection.vendor != "sqlite":
        recovery.recover_dead(now)
        return
    lock = locks.sender_lock()
    if lock.take():
        try:
            recovery.recover_dead(now)
        finally:
            lock.release()


def book_cancelled(campaign_id: int, now: datetime, seconds: float) -> None:
    """Books what is still owed of a cancelled campaign, for so many seconds: 15 us a person."""
    until = time.monotonic() + seconds
    for _people in cancelled_portions(campaign_id, now):
        if time.monotonic() > until:
            return


def cancelled_portions(campaign_id: int, now: datetime) -> Iterator[int]:
    """Books it chunk by chunk, each when it is asked for. How many people."""
    edition = Edition.objects.defer(*large_of_edition()).filter(campaign=campaign_id).first()
    if edition is None:
        return
    ready, last = Chunk.objects.filter(edition=edition, state=Chunk.READY).order_by("pk"), 0
    while chunk := ready.filter(pk__gt=last).first():
        yield _cancel_chunk(edition, chunk, now)
        last = chunk.pk
    while booked := _cancel_waiting(edition, now):
        yield booked


def late_portions(campaign_id: int, before: datetime, now: datetime) -> Iterator[int]:
    """Books who has been owed a welcome email since a day before then, whether it was tried or not, chunk by chunk,
    each in a transaction of its own when it is asked for. How many people."""
    edition = Edition.objects.defer(*large_of_edition()).get(campaign=campaign_id)
    ready, day = Chunk.objects.filter(edition=edition, state=Chunk.READY).order_by("pk"), before.astimezone(UTC).date()
    young = Retry.objects.filter(edition=edition, chunk=OuterRef("pk"), first__gte=before)
    late, last = ready.filter(Q(retry=False, owed__lt=day) | Q(retry=True) & ~Exists(young)), 0
    while chunk := late.filter(pk__gt=last).first():
        yield _cancel_chunk(edition, chunk, now)
        last = chunk.pk
    while booked := _cancel_waiting(edition, now, before):
        yield booked


def _cancel_chunk(edition: Edition, chunk: Chunk, now: datetime) -> int:
    with transaction.atomic():
        # WHERE is the lock: a chunk that a sender claimed in this instant comes back to us later.
        if not Chunk.objects.filter(pk=chunk.pk, state=Chunk.READY).update(state=Chunk.DONE):
            return 0
        numbers = sql.unanswered(edition.pk, chunk.pk, chunk.retry, unpack_numbers(bytes(chunk.numbers)))
        write(_cancelled(edition, numbers, chunk.pk, chunk.retry), now)
    return len(numbers)


def _cancel_waiting(edition: Edition, now: datetime, before: datetime | None = None) -> int:
    """Deferred ones that are in no chunk: they are put into one that is done already, to be moved by the same rule.
    before: those alone that were tried first before then."""
    with transaction.atomic():
        # Whoever cancels and every sender's clock book at once: the campaign's row is the lock between them.
        Campaign.objects.select_for_update().get(pk=edition.campaign_id)
        waiting = Retry.objects.filter(edition=edition, chunk=None).order_by("first")
        waiting = waiting if before is None else waiting.filter(first__lt=before)
        numbers = list(waiting.values_list("number", flat=True)[:CHUNK])
        if not numbers:
            return 0
        variant, numbers = of_one_version(edition.pk, numbers)
        chunk = Chunk.objects.create(
            edition=edition,
            position=next_position(edition.pk),
            size=len(numbers),
            remaining=0,
            numbers=ledger.pack_numbers(numbers),
            retry=True,
            variant=variant,
            state=Chunk.DONE,
        )
        sql.retries_into_chunk(edition.pk, chunk.pk, numbers)
        write(_cancelled(edition, numbers, chunk.pk, True), now)
    return len(numbers)


def _cancelled(edition: Edition, numbers: list[int], chunk: int, retry: bool) -> list[SendResult]:
    rows = audience_sql.providers([row_id(edition.organization_id, number) for number in numbers])
    return [
        SendResult(
            edition.pk,
            chunk,
            number,
            JournalNews.CANCELLED,
            _CANCELLED,
            provider=rows.get(row_id(edition.organization_id, number), 0),
            retry=retry,
        )
        for number in numbers
    ]


def settle(
    campaign: Campaign, how: str, *, now: datetime, by: Person | None = None, numbers: Collection[int] | None = None
) -> Campaign:
    """What becomes of the doubtful ones: `resend` (the same message once more) or `hold` (left as they are).

    Of all of them it is also the campaign's policy from now on. With `numbers` it is about these subscribers alone,
    all of them or none. Errors: Fenced for `resend`, WrongState.
    """
    if how == "resend":
        copied_installation.refuse_sending(campaign.organization, now)
    _check_settling(campaign, how)
    if numbers is not None:
        _settle_some(campaign, how, sorted(set(numbers)), now, by)
        campaign.refresh_from_db()
        return campaign
    doubtful = campaign.unsure
    Campaign.objects.filter(pk=campaign.pk).update(unsure_policy=how, changed=now)
    edition = Edition.objects.get(campaign=campaign)
    unsure = Delivery.objects.filter(edition=edition, state=State.UNSURE)
    count = _settle(campaign, edition, how, list(unsure.values_list("number", flat=True)), now)
    with transaction.atomic():
        detail = {"how": how, "count": count}
        kind: EventKind = "campaign.unsure_settled" if doubtful or count else "campaign.unsure_policy_chosen"
        record(kind, campaign.organization, now=now, by=by, about=campaign.pk, detail=detail)
    campaign.refresh_from_db()
    return campaign


def _check_settling(campaign: Campaign, how: str) -> None:
    if how not in ("resend", "hold"):
        raise WrongState(_("Emails with unknown outcome can be resent (resend) or left as they are (hold)."))
    campaign.refresh_from_db()
    if campaign.state in ("draft", "cancelled"):
        raise WrongState(_("This campaign has no emails with unknown outcome."))
    if how == "resend" and written_again(campaign):
        sentence = _(
            "Another campaign was already sent to those whom this one may have missed, so their outcome stays as it is."
        )
        raise WrongState(sentence)


def written_again(campaign: Campaign) -> bool:
    """Did another letter go to those whom this one did not reach? Then none of them gets this one once more."""
    return Campaign.objects.filter(resend_of=campaign).exclude(state="draft").exists()


def _settle_some(campaign: Campaign, how: str, numbers: list[int], now: datetime, by: Person | None) -> None:
    """Whether one was asked for that is not in doubt is looked at under the lock that every answer is booked under."""
    with transaction.atomic():
        edition = _locked(Edition.objects.get(campaign=campaign))
        other = sorted(set(numbers).difference(_unsure_among(edition, numbers)))
        if other or not numbers:
            # A few of them say enough.
            named = ", ".join(str(number) for number in other[:5]) or "–"
            sentence = _("Nothing was changed: the outcome is known, or nothing was sent. Subscriber No. %(numbers)s.")
            raise WrongState(sentence % {"numbers": named})
        count = _settle(campaign, edition, how, numbers, now)
        detail = {"how": how, "count": count, "of": len(numbers)}
        record("campaign.unsure_settled_some", campaign.organization, now=now, by=by, about=campaign.pk, detail=detail)


def _locked(edition: Edition) -> Edition:
    """The campaign's row, held: no answer of it is booked until the transaction is over."""
    Campaign.objects.select_for_update().get(pk=edition.campaign_id)
    return edition


def _unsure_among(edition: Edition, numbers: list[int]) -> list[int]:
    rows = Delivery.objects.filter(edition=edition, state=State.UNSURE)
    slices = (numbers[at : at + CHUNK] for at in range(0, len(numbers), CHUNK))
    return [number for part in slices for number in rows.filter(number__in=part).values_list("number", flat=True)]


def _settle(campaign: Campaign, edition: Edition, how: str, numbers: list[int], now: datetime) -> int:
    """In slices: after a lost machine there can be thousands, and no writer may keep the others waiting. How many
    are to be sent again, or are not any more. Errors: WrongState, when another letter went to them meanwhile."""
    count = 0
    for at in range(0, len(numbers), CHUNK):
        with transaction.atomic():
            unsure = _unsure_among(_locked(edition), numbers[at : at + CHUNK])
            _check_settling(campaign, how)
            count += _resend(edition, unsure, now) if how == "resend" else _hold(edition, unsure)
    return count


def _resend(edition: Edition, numbers: list[int], now: datetime) -> int:
    known = set(Retry.objects.filter(edition=edition, number__in=numbers).values_list("number", flat=True))
    wanted = [number for number in numbers if number not in known]
    sql.put_retries(edition.pk, [(number, 1, now, now) for number in wanted])
    # With them, or nobody would ever send what a killed process has put here.
    if numbers:
        Campaign.objects.filter(pk=edition.campaign_id, state="finished").update(state="sending", finished=None)
    return len(wanted)


def _hold(edition: Edition, numbers: list[int]) -> int:
    """Second tries that have not begun are called off."""
    gone, _rows = Retry.objects.filter(edition=edition, chunk=None, number__in=numbers).delete()
    return gone

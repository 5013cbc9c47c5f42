"""Verbs on a released campaign: pause, resume, cancel, settle what is in doubt."""

from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext as _

from samizdat import dialect
from samizdat.audience.models import row_id
from samizdat.campaigns.models import Campaign, Edition
from samizdat.core import ledger, outcome
from samizdat.core.ledger import CHUNK, News, State, unpack_numbers
from samizdat.delivery.actions.rounds import enter_round
from samizdat.delivery.engine import locks, recovery
from samizdat.delivery.engine.results import Result, write
from samizdat.delivery.errors import WrongState
from samizdat.delivery.models import Chunk, Delivery, Retry
from samizdat.delivery.words import what_it_is
from samizdat.events.actions import record

_CANCELLED = outcome.NUMBERS["cancelled"]
UNFINISHED = ("scheduled", "held", "sending", "waiting", "paused")


def pause(campaign: Campaign, *, now: datetime, by: Any = None) -> Campaign:
    """Nothing more leaves; what is in flight is finished. Errors: WrongState."""
    states = ("scheduled", "held", "sending", "waiting")
    return _move(
        campaign,
        states,
        "paused",
        "person",
        "campaign.paused",
        now,
        by,
        _("Only a campaign that is on its way can be paused."),
    )


def resume(campaign: Campaign, *, now: datetime, by: Any = None) -> Campaign:
    """Goes on where it was: to its schedule if that is still ahead, else sending. Errors: WrongState."""
    sentence = _("Only a paused campaign can be resumed.")
    campaign.refresh_from_db()
    if (campaign.state, campaign.reason) in (("waiting", "wave"), ("paused", "refusals")):
        return _let_the_rest_go(campaign, sentence, now, by)
    ahead = campaign.due is not None and campaign.due > now
    with transaction.atomic():
        state = "scheduled" if ahead else "sending"
        _move(campaign, ("paused",), state, "", "campaign.resumed", now, by, sentence)
        if not ahead:
            enter_round(campaign.pk)
    return campaign


def _let_the_rest_go(campaign: Campaign, sentence: str, now: datetime, by: Any) -> Campaign:
    """A person has seen how the first wave went: the rest follows at once."""
    with transaction.atomic():
        Campaign.objects.filter(pk=campaign.pk, wave_state__in=("held", "stopped")).update(wave_state="passed")
        return _move(campaign, ("waiting", "paused"), "sending", "", "campaign.resumed", now, by, sentence)


def _move(
    campaign: Campaign, old: tuple[str, ...], new: str, reason: str, kind: str, now: datetime, by: Any, sentence: str
) -> Campaign:
    with transaction.atomic():
        changed = Campaign.objects.filter(pk=campaign.pk, state__in=old).update(
            state=new, reason=reason, waits_until=None, changed=now
        )
        if not changed:
            campaign.refresh_from_db()
            raise WrongState(f"{sentence} {what_it_is(campaign.state)}")
        record(kind, campaign.organisation, now=now, by=by, about=campaign.pk)
    campaign.refresh_from_db()
    return campaign


def cancel(campaign: Campaign, *, now: datetime, by: Any = None) -> Campaign:
    """Nobody else gets this letter. Who was still owed it is booked as cancelled; what is in flight is finished.

    Chunks that a living sender holds come back within a second and are booked by the clock. Errors: WrongState.
    """
    _move(
        campaign,
        UNFINISHED,
        "cancelled",
        "person",
        "campaign.cancelled",
        now,
        by,
        _("Only a released campaign can be cancelled."),
    )
    recover_if_idle(now)
    book_cancelled(campaign.pk, now)
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


def book_cancelled(campaign_id: int, now: datetime) -> int:
    """Books what is still owed of a cancelled campaign, chunk by chunk. How many people."""
    edition = Edition.objects.filter(campaign=campaign_id).first()
    if edition is None:
        return 0
    count = 0
    for chunk in Chunk.objects.filter(edition=edition, state=Chunk.READY).order_by("pk"):
        count += _cancel_chunk(edition, chunk, now)
    while booked := _cancel_waiting(edition, now):
        count += booked
    return count


def _cancel_chunk(edition: Edition, chunk: Chunk, now: datetime) -> int:
    with transaction.atomic():
        # WHERE is the lock: a chunk that a sender claimed in this instant comes back to us later.
        if not Chunk.objects.filter(pk=chunk.pk, state=Chunk.READY).update(state=Chunk.DONE):
            return 0
        numbers = dialect.unanswered(edition.pk, chunk.pk, chunk.retry, unpack_numbers(bytes(chunk.numbers)))
        write(_cancelled(edition, numbers, chunk.pk, chunk.retry), now)
    return len(numbers)


def _cancel_waiting(edition: Edition, now: datetime) -> int:
    """Deferred ones that are in no chunk: they are put into one that is done already, to be moved by the same rule."""
    from samizdat.delivery.actions.clock import next_position

    with transaction.atomic():
        # Whoever cancels and every sender's clock book at once: the campaign's row is the lock between them.
        Campaign.objects.select_for_update().get(pk=edition.campaign_id)
        waiting = Retry.objects.filter(edition=edition, chunk=None).values_list("number", flat=True)
        numbers = list(waiting[:CHUNK])
        if not numbers:
            return 0
        chunk = Chunk.objects.create(
            edition=edition,
            position=next_position(edition.pk),
            size=len(numbers),
            left=0,
            numbers=ledger.pack_numbers(numbers),
            retry=True,
            state=Chunk.DONE,
        )
        dialect.retries_into_chunk(edition.pk, chunk.pk, numbers)
        write(_cancelled(edition, numbers, chunk.pk, True), now)
    return len(numbers)


def _cancelled(edition: Edition, numbers: list[int], chunk: int, retry: bool) -> list[Result]:
    rows = dialect.providers([row_id(edition.organisation_id, number) for number in numbers])
    return [
        Result(
            edition.pk,
            chunk,
            number,
            News.CANCELLED,
            _CANCELLED,
            provider=rows.get(row_id(edition.organisation_id, number), 0),
            retry=retry,
        )
        for number in numbers
    ]


def settle(campaign: Campaign, how: str, *, now: datetime, by: Any = None) -> Campaign:
    """What becomes of the doubtful ones: `resend` (the same message once more) or `hold` (left as they are).

    It is also the campaign's policy from now on. Errors: WrongState.
    """
    if how not in ("resend", "hold"):
        raise WrongState(_("Doubtful messages can be sent again (resend) or left as they are (hold)."))
    campaign.refresh_from_db()
    if campaign.state in ("draft", "cancelled"):
        raise WrongState(_("This campaign has no doubtful messages to settle."))
    if how == "resend" and Campaign.objects.filter(again=campaign).exclude(state="draft").exists():
        sentence = _("Another letter was sent to those whom this one may not have reached. They stay as they are.")
        raise WrongState(sentence)
    doubtful = campaign.unsure
    Campaign.objects.filter(pk=campaign.pk).update(unsure_policy=how, changed=now)
    edition = Edition.objects.get(campaign=campaign)
    count = _resend_all(edition.pk, now) if how == "resend" else _hold_all(edition.pk)
    with transaction.atomic():
        if how == "resend" and Retry.objects.filter(edition=edition).exists():
            # A finished campaign owes something again.
            Campaign.objects.filter(pk=campaign.pk, state="finished").update(state="sending", finished=None)
        detail = {"how": how, "count": count}
        kind = "campaign.settled" if doubtful or count else "campaign.unsure_chosen"
        record(kind, campaign.organisation, now=now, by=by, about=campaign.pk, detail=detail)
    campaign.refresh_from_db()
    return campaign


def _resend_all(edition: int, now: datetime) -> int:
    # In slices: after a lost machine there can be thousands, and no writer may keep the others waiting.
    known = Retry.objects.filter(edition=edition).values("number")
    unsure = Delivery.objects.filter(edition=edition, state=State.UNSURE).exclude(number__in=known)
    numbers = list(unsure.values_list("number", flat=True))
    for at in range(0, len(numbers), CHUNK):
        dialect.put_retries(edition, [(number, 1, now, now) for number in numbers[at : at + CHUNK]])
    return len(numbers)


def _hold_all(edition: int) -> int:
    """Second tries that have not begun are called off."""
    unsure = Delivery.objects.filter(edition=edition, state=State.UNSURE).values("number")
    gone, _rows = Retry.objects.filter(edition=edition, chunk=None, number__in=unsure).delete()
    return gone

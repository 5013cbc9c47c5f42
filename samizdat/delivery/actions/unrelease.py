"""Taking back: a release of which nobody got anything is undone, and the letter is the draft that it was."""

from datetime import datetime
from itertools import batched

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat.accounts.models import Person
from samizdat.audience.models import row_id
from samizdat.campaigns import translations
from samizdat.campaigns.digest import STUCK
from samizdat.campaigns.models import COUNTERS, Campaign, Edition
from samizdat.core.mail.ledger import CHUNK
from samizdat.delivery import sealed_chunks
from samizdat.delivery.actions import digest_rounds
from samizdat.delivery.actions.chunks import clear_half_made
from samizdat.delivery.engine.locks import only_release
from samizdat.delivery.errors import BeingReleased, WrongState
from samizdat.delivery.queries import can_be_taken_back
from samizdat.events.actions import record


def take_back(campaign: Campaign, *, now: datetime, by: Person | None = None) -> Campaign:
    """A draft again, with all that belongs to it: history, comments, links, answers, its test and its planned day.

    Killed half way it is a draft already, and the next release clears away what is left. Errors: WrongState once it
    has begun to go out, BeingReleased.
    """
    with only_release(campaign.pk) as ours:
        if not ours:
            raise BeingReleased(_("This campaign is being prepared for sending. Reload the page in a minute."))
        with transaction.atomic():
            held = Campaign.objects.select_for_update(of=("self",)).select_related("organization").get(pk=campaign.pk)
            if not can_be_taken_back(held):
                raise WrongState(_("Sending has already started. Pause the campaign, or cancel it."))
            edition = Edition.objects.select_related("organization").get(campaign=held)
            if held.is_digest:
                _set_readers_aside(held, edition)
            _undo(held, now)
            translations.reopen(held, now)
            detail: dict[str, object] = {"edition": edition.pk}
            if held.state == "scheduled" and held.not_before:
                detail["at"] = held.not_before.isoformat()  # For the form of its next schedule.
            record("campaign.unreleased", held.organization, now=now, by=by, about=held.pk, detail=detail)
        clear_half_made(campaign)
    campaign.refresh_from_db()
    return campaign


def _undo(campaign: Campaign, now: datetime) -> None:
    """All that a release wrote into the row. A digest gets a reason: without one the clock would release it again."""
    Campaign.objects.filter(pk=campaign.pk).update(
        state="draft",
        reason=STUCK if campaign.is_digest else "",
        changed=now,
        not_before=None,
        released=None,
        waits_until=None,
        quiet_hours="",
        canary_percent=0,
        canary_hold=0,
        canary_stop=100,
        canary_state="",
        canary_until=None,
        test_state="",
        test_winner=None,
        digest_round=campaign.digest_round if campaign.is_digest else 0,
        frozen=0,
        **dict.fromkeys(COUNTERS, 0),
    )


def _set_readers_aside(campaign: Campaign, edition: Edition) -> None:
    """Whom a digest gathers for stood in its chunks since the release, and its round is over: nothing else says it."""
    pages = sealed_chunks.known(sealed_chunks.pages(edition))
    for some in batched(pages, digest_rounds.PAGE // CHUNK):
        numbers = [number for page in some for number in page]
        digest_rounds.set_aside(campaign, [row_id(campaign.organization_id, number) for number in numbers])

"""Release: a draft becomes an edition, its recipients become chunks, and only then may anything be sent."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat import dialect
from samizdat.audience.models import NUMBER_MASK, Suppression
from samizdat.campaigns import actions as campaigns
from samizdat.campaigns.models import Campaign, Edition
from samizdat.core.ledger import CHUNK, pack_numbers
from samizdat.delivery.engine.locks import only_release
from samizdat.delivery.errors import BeingReleased, Fenced, NobodyToWrite, NotReleasable
from samizdat.delivery.models import Chunk
from samizdat.events.actions import record

# Ten chunks a transaction: about 20 ms, far below the 200 ms that a writer on SQLite may keep the others waiting.
PAGE = 10 * CHUNK


def release(
    campaign: Campaign,
    *,
    now: datetime,
    by: Any = None,
    at: datetime | None = None,
    hold_minutes: int = 0,
    unsure: str | None = None,
) -> Campaign:
    """Freezes the letter and whom it goes to. `at`: not before then; `hold_minutes`: time to think it over;
    `unsure`: "resend" or "hold" those whose answer is lost, else as the campaign has it.

    Killed half way nothing is sendable, and the next release begins afresh. Errors: DeliveryError, and what
    campaigns.actions.freeze raises.
    """
    if campaign.organisation.fenced:
        raise Fenced(
            _(
                "This instance was restored from a copy and sends nothing yet. "
                "Look at what would be sent, then run: samizdat release"
            )
        )
    with only_release(campaign.pk) as ours:
        if not ours:
            raise BeingReleased(_("This campaign is being released at this moment. Reload in a minute."))
        campaign.refresh_from_db()
        if campaign.state != "draft":
            raise NotReleasable(_("This campaign has been released already. Copy it to send it once more."))
        clear_half_made(campaign)
        edition = campaigns.freeze(campaign, now)
        frozen = owe(campaign, edition)
        if not frozen:
            raise NobodyToWrite(
                _("Nobody on this list may be written to. Add subscribers who agreed, or choose another list or tag.")
            )
        _make_sendable(campaign, frozen, now, by, at, hold_minutes, unsure or campaign.unsure_policy)
    campaign.refresh_from_db()
    return campaign


def clear_half_made(campaign: Campaign) -> None:
    """Takes away what a release left that was killed: its chunks in slices, then the edition."""
    for edition in Edition.objects.filter(campaign=campaign).values_list("pk", flat=True):
        while page := list(Chunk.objects.filter(edition=edition).values_list("pk", flat=True)[:100]):
            Chunk.objects.filter(pk__in=page).delete()
        Edition.objects.filter(pk=edition).delete()


def owe(campaign: Campaign, edition: Edition) -> int:
    """Writes the chunks of everybody who may get this letter now. How many people."""
    frozen = position = 0
    for numbers in _pages(campaign):
        chunks = [numbers[at : at + CHUNK] for at in range(0, len(numbers), CHUNK)]
        Chunk.objects.bulk_create(
            Chunk(edition=edition, position=position + i, size=len(part), left=len(part), numbers=pack_numbers(part))
            for i, part in enumerate(chunks)
        )
        position += len(chunks)
        frozen += len(numbers)
    return frozen


def _pages(campaign: Campaign) -> Iterator[list[int]]:
    """Subscriber numbers by key pages, so that no reading transaction stays open."""
    organisation = campaign.organisation_id
    suppressions = Suppression.objects.filter(organisation=organisation).exists()
    after = 0
    while True:
        rows = dialect.release_page(organisation, campaign.list_id, campaign.tag_id, after, PAGE, suppressions)
        if not rows:
            return
        yield [row & NUMBER_MASK for row in rows]
        after = rows[-1]


def _make_sendable(
    campaign: Campaign, frozen: int, now: datetime, by: Any, at: datetime | None, hold_minutes: int, unsure: str
) -> None:
    """The one transaction that counts. The version is the lock: a draft saved meanwhile is not what was frozen."""
    if at is not None and at > now:
        state, due = "scheduled", at
    elif hold_minutes > 0:
        state, due = "held", now + timedelta(minutes=hold_minutes)
    else:
        state, due = "sending", now
    with transaction.atomic():
        changed = Campaign.objects.filter(pk=campaign.pk, state="draft", version=campaign.version).update(
            state=state,
            reason="",
            due=due,
            frozen=frozen,
            pending=frozen,
            unsure_policy=unsure,
            released=now,
            changed=now,
        )
        if not changed:
            raise NotReleasable(
                _(
                    "The letter was changed while it was being released, so nothing was sent. "
                    "Look at it and release again."
                )
            )
        record(
            "campaign.released",
            campaign.organisation,
            now=now,
            by=by,
            about=campaign.pk,
            detail={"frozen": frozen, "state": state, "due": due.isoformat()},
        )

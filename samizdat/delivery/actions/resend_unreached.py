"""Once more to those whom a letter did not reach: exactly those deliveries, and consent looked at again."""

from datetime import datetime

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from samizdat.accounts.models import Person
from samizdat.campaigns import ab_test, translations
from samizdat.campaigns.actions import create
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.senders import with_current_sender
from samizdat.campaigns.templates.layout_store import copy_arrangement
from samizdat.core import consent
from samizdat.core.mail.ledger import STATES
from samizdat.delivery import sql
from samizdat.delivery.errors import NobodyToWrite, WrongState
from samizdat.events.actions import record


def unreached(campaign: Campaign) -> dict[str, int]:
    """State -> how many it did not reach for no reason of theirs: refused on the way, unsure, stopped.

    {} where it is still on its way, reached nobody at all, or its deliveries were folded into totals.
    """
    nobody = campaign.frozen == campaign.cancelled
    if campaign.state not in ("finished", "cancelled") or campaign.pending or campaign.deferred or nobody:
        return {}
    if not (campaign.refused or campaign.unsure or campaign.cancelled):
        return {}
    return {STATES[state]: count for state, count in sql.unreached(campaign.edition.pk)}


def resend(campaign: Campaign, *, now: datetime, by: Person | None = None) -> Campaign:
    """A draft to exactly those, with the text as it was written; the one that is there already, if there is one.

    Errors: WrongState, NobodyToWrite.
    """
    campaign.refresh_from_db()
    check(campaign)
    draft = Campaign.objects.filter(resend_of=campaign, state="draft").first()
    if draft is not None:
        return draft
    if not unreached(campaign):
        raise NobodyToWrite(
            _("Nobody is left to send to: everyone who could be reached was, or it’s no longer known who was missed.")
        )
    won = ab_test.versions(campaign)[campaign.test_winner] if campaign.test_winner else None
    text = ab_test.draft_of_version(campaign, campaign.test_winner or 0)
    frame = won.change.letter if won and won.change.letter else campaign  # Where the text that won was another draft's.
    with transaction.atomic():
        new_campaign = create(
            campaign.organization,
            campaign.list,
            with_current_sender(campaign.organization, text),
            by=by,
            now=now,
            resend_of=campaign,
            purpose=consent.PURPOSES[campaign.purpose],
            template=frame.template,
            language=campaign.language,
        )
        copy_arrangement(frame, new_campaign)
        Campaign.objects.filter(pk=new_campaign.pk).update(folder=campaign.folder_id)
        translations.copy_to(campaign, new_campaign, by=by, now=now)
        record(
            "campaign.resent", campaign.organization, now=now, by=by, about=campaign.pk, detail={"as": new_campaign.pk}
        )
    return new_campaign


def check(campaign: Campaign, but: Campaign | None = None) -> None:
    """May those whom it did not reach be written to again, by another letter than `but`? Nobody gets it twice.

    Errors: WrongState while it is on its way, or where another letter went to them: that one is gone on from.
    """
    if campaign.state not in ("finished", "cancelled") or campaign.pending or campaign.deferred:
        raise WrongState(
            _("This campaign is still being sent. Wait until it’s finished, then send to those who were missed.")
        )
    sent = Campaign.objects.filter(resend_of=campaign).exclude(state="draft").exclude(pk=but.pk if but else 0)
    other = sent.exclude(state="cancelled", cancelled=F("frozen")).first()
    if other is not None:
        sentence = _("Campaign No. %(number)s was already sent to them. To reach those it missed, use its report.")
        raise WrongState(sentence % {"number": other.pk})

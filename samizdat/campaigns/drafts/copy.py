"""A letter once more, as a draft."""

from datetime import datetime

from django.db import transaction

from samizdat.accounts.models import Person
from samizdat.campaigns import translations
from samizdat.campaigns.actions import create
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.senders import with_current_sender
from samizdat.campaigns.templates.layout_store import copy_arrangement
from samizdat.core import consent


@transaction.atomic
def copy(campaign: Campaign, *, by: Person | None, now: datetime) -> Campaign:
    """A new draft with the same words, in all its languages, beside it in its folder. Errors: StorageFull."""
    duplicate = create(
        campaign.organization,
        campaign.list,
        with_current_sender(campaign.organization, draft_of(campaign)),
        by=by,
        now=now,
        tag=campaign.tag,
        segment=campaign.segment,
        template=campaign.template,
        language=campaign.language,
        resend_of=campaign.resend_of,
        archive_hidden=campaign.archive_hidden,
        purpose=consent.PURPOSES[campaign.purpose],
        welcome=bool(campaign.welcome),
    )
    copy_arrangement(campaign, duplicate)
    if campaign.folder_id is not None:
        Campaign.objects.filter(pk=duplicate.pk).update(folder=campaign.folder_id)
        duplicate.folder_id = campaign.folder_id
    translations.copy_to(campaign, duplicate, by=by, now=now)
    return duplicate

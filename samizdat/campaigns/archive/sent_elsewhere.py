"""Campaigns that another service sent before: kept as sent, with the day of then, and with no books of ours.

Its totals are what the other service says. Accepted and bounced stay 0: nothing was delivered from here.
"""

import secrets
from datetime import datetime

from django.db import transaction

from samizdat.accounts.models import Organization, Person
from samizdat.audience.models import List
from samizdat.campaigns import actions, edition_details
from samizdat.campaigns.content import content_of, with_urls
from samizdat.campaigns.drafts.draft import Draft, sealed
from samizdat.campaigns.edition_details import EditionDetails, SentElsewhere
from samizdat.campaigns.media import storage
from samizdat.campaigns.models import Campaign, Edition, new_edition_number
from samizdat.campaigns.released import released
from samizdat.core.content.message import CompiledContent, dumps
from samizdat.core.mail.address import domain
from samizdat.vault import keyring


def keep(
    organization: Organization,
    list_: List,
    draft: Draft,
    sent: SentElsewhere,
    *,
    at: datetime,
    listed: bool,
    by: Person | None,
    language: str,
) -> Campaign:
    """at: when it was sent. listed: whether everybody finds it in the public archive; else by its link alone. Its web
    copy appears once something records "campaigns.restored". Errors: CampaignError."""
    draft = actions.checked(draft)
    with transaction.atomic():
        campaign = Campaign(
            organization=organization,
            list=list_,
            draft_sealed=b"",
            language=language,
            state="finished",
            archive_hidden=not listed,
            created_by=by,
            created=at,
            changed=at,
            released=at,
            finished=at,
        )
        campaign.save(force_insert=True)
        campaign.draft_sealed = sealed(campaign, draft)
        storage.insist_on_room_for_draft(organization, len(campaign.draft_sealed))
        campaign.save(update_fields=["draft_sealed"])
        _keep_edition(campaign, draft, sent, at)
    return campaign


def of(campaign: Campaign) -> SentElsewhere | None:
    """Who else sent it, and what came of it there; None for a campaign of ours."""
    edition = Edition.objects.select_related("organization").filter(campaign=campaign).first()
    if edition is None or campaign.state != "finished" or campaign.frozen:
        return None
    details = released(edition)
    return details.elsewhere if details else None


def _keep_edition(campaign: Campaign, draft: Draft, sent: SentElsewhere, at: datetime) -> None:
    keys, number, slug = keyring.keys(campaign.organization), new_edition_number(), secrets.token_hex(10)
    assert keys.link is not None
    details = EditionDetails(
        subject=draft.subject,
        preheader=draft.preheader,
        from_name=draft.from_name,
        from_email=draft.from_email,
        reply_to=draft.reply_to,
        body="",
        format=draft.format,
        pictures=draft.pictures,
        links=(),
        campaign=campaign.pk,
        list=campaign.list_id,
        to_all=True,
        unlisted=campaign.archive_hidden,
        language=campaign.language,
        content=with_urls(content_of(campaign, draft), slug),
        imported=True,
        elsewhere=sent,
    )
    Edition.objects.create(
        pk=number,
        campaign=campaign,
        organization=campaign.organization,
        compiled_sealed=keys.seal(dumps(CompiledContent((b"",), ())), "edition", "compiled", number),
        details_sealed=edition_details.sealed(keys, number, details),
        link_key=keys.link.number,
        message_id_domain=domain(draft.from_email) if "@" in draft.from_email else "",
        archive_slug=slug,
        created=at,
    )

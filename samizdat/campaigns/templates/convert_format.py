"""From one way of writing to another, where nothing that readers get is lost. What stood before is in the history."""

from datetime import datetime

from django.utils.translation import gettext as _

from samizdat import limited_process, phrases_override
from samizdat.accounts.models import Person
from samizdat.campaigns import actions
from samizdat.campaigns.content import content_of
from samizdat.campaigns.drafts.draft import Draft, draft_of
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.templates.layout_store import sample_of
from samizdat.core.content.blocks import dumps, parse
from samizdat.core.content.templates.convert_format import as_blocks, as_html, as_markdown
from samizdat.core.languages import direction

EMPTY = dumps(parse('{"type":"doc"}'))


def switch(campaign: Campaign, to: str, *, by: Person | None, now: datetime) -> int:
    """Writes the letter in another format; returns the new version. Errors: CampaignError, and nothing was changed."""
    draft = draft_of(campaign)
    if draft.format == to:
        return campaign.version
    actions.checked(draft)  # Blocks that can't be read are told by what is wrong with them.
    try:
        body = _empty(to) if draft.body.strip() in ("", EMPTY) else _body(campaign, draft, to)
    except limited_process.TooMuch:
        raise CampaignError(
            _("Switching takes too long, so the campaign stays as it is. Shorten the text and try again.")
        ) from None
    except limited_process.HelperBroke:
        body = None
    if body is None:
        raise CampaignError(_("That would lose part of the email, so it was left unchanged."))
    return actions.save(campaign, draft.with_(format=to, body=body), version=campaign.version, by=by, now=now)


def _empty(to: str) -> str:
    return EMPTY if to == "blocks" else ""


def _body(campaign: Campaign, draft: Draft, to: str) -> str | None:
    """The letter in the other format; None: not without loss. Errors: limited_process.TooMuch."""
    document = limited_process.work(
        campaign.organization.pk, as_blocks, draft.body, draft.format, sample_of(campaign.template)
    )
    if document is None or to == "blocks":
        return document
    if to == "markdown":
        return limited_process.work(campaign.organization.pk, as_markdown, document)
    content = content_of(campaign, draft.with_(format="blocks", body=document))
    how = {
        "language": campaign.language,
        "direction": direction(campaign.language),
        "look": content.look.in_design(content.design),
        "pictures": content.pictures,
        "words": phrases_override.words(campaign.language),
        "dress": content.dress,
    }
    return limited_process.work(campaign.organization.pk, as_html, document, how)

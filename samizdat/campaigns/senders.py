"""From whom the house writes mails to subscribers that are no campaign: those that ask for a confirmation or bring a
link. A draft doesn't change it once a campaign was sent, for anybody who may write can put any sender into one."""

from samizdat.accounts.grants import leading
from samizdat.accounts.models import Organization
from samizdat.audience import queries as audience
from samizdat.audience.actions import forms
from samizdat.audience.models import List
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.models import Campaign

# Campaigns that are looked at for a sender, and states of those that began to go out: everybody here saw them.
LOOKED_AT = 20
SENT = ("sending", "paused", "waiting", "finished")


def sender_of(list_: List, *, drafts: bool = True) -> tuple[str, str] | None:
    """(name, address) that the list writes from: its own, else that of its organization's newest sent campaign.
    drafts: where nothing was sent yet, that of the newest draft."""
    details = audience.details_of(list_)
    if details.from_email:
        return details.from_name or leading(list_.organization).name, details.from_email
    rows = Campaign.objects.select_related("organization").filter(organization=list_.organization, version_of=None)
    sent, kept = [*rows.filter(state__in=SENT).order_by("-pk")[:LOOKED_AT]], leading(list_.organization)
    newest = sent or (list(rows.order_by("-pk")[:LOOKED_AT]) if drafts else [])
    # Of a draft nobody has agreed to the name yet, where that is asked for.
    is_said = bool(sent) or not kept.requires_approval
    for draft in map(draft_of, newest):
        if draft.from_email:
            return (draft.from_name if is_said else "") or kept.name, draft.from_email
    return None


def sign_ups_wait(organization: Organization) -> bool:
    """Whether a form is open, and there is nobody yet from whom its mails could come."""
    asked = {next(iter(form.lists), 0) for form in forms.forms_of(organization)}
    lists = List.objects.select_related("organization").filter(organization=organization)
    return any(sender_of(list_) is None for list_ in lists if list_.id in asked or audience.details_of(list_).form_slug)

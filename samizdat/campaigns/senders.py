"""The sender of a list. A draft doesn't change it, for anybody who may write can put any sender into one."""

from samizdat.accounts.sealed_settings import leading
from samizdat.audience import queries as audience
from samizdat.audience.models import List
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.models import Campaign
from samizdat.core.mail.names import has_link

# Campaigns that are looked at for a sender, and states of those that began to go out: everybody here saw them.
LOOKED_AT = 20
SENT = ("sending", "paused", "waiting", "finished")


def sender_of(list_: List) -> tuple[str, str] | None:
    """(name, address) that the list writes from: its own, else that of its organization's newest sent campaign."""
    details, kept = audience.details_of(list_), leading(list_.organization)
    if details.from_email:
        return details.from_name or kept.name, details.from_email
    rows = Campaign.objects.select_related("organization").filter(
        organization=list_.organization, version_of=None, state__in=SENT
    )
    for draft in map(draft_of, rows.order_by("-pk")[:LOOKED_AT]):
        if draft.from_email:
            # One from before names with links were refused is said to no stranger.
            return ("" if has_link(draft.from_name) else draft.from_name) or kept.name, draft.from_email
    return None

"""The sender of a list, and what its new campaigns begin with. A draft doesn't change the sender of a list, for anybody
who may write can put any sender into one."""

from samizdat.accounts.default_sender import DefaultSender
from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import queries as audience
from samizdat.audience.models import List
from samizdat.campaigns.drafts.draft import Draft, draft_of
from samizdat.campaigns.models import Campaign, Edition
from samizdat.campaigns.queries import AT_ONCE
from samizdat.campaigns.released import released
from samizdat.core.mail.names import has_link
from samizdat.core.mail.other_domain import current

# Editions that are looked at for a sender, and states of their campaigns that began to go out: everybody here saw them.
LOOKED_AT = 20
SENT = ("sending", "paused", "waiting", "finished")


def sender_of(list_: List) -> tuple[str, str] | None:
    """(name, address) that the list writes from: its own, else that of what its organization released last. Of a draft
    whoever writes the database says that it was sent."""
    details, kept = audience.details_of(list_), leading(list_.organization)
    if details.from_email:
        return details.from_name or kept.name, details.from_email
    rows = Edition.objects.select_related("organization").filter(
        organization=list_.organization, campaign__state__in=SENT
    )
    rows = rows.defer("compiled_sealed").order_by("-pk")[:LOOKED_AT]
    for sent in map(released, rows.iterator(chunk_size=AT_ONCE)):
        if sent is not None and sent.from_email:
            # One from before names with links were refused is said to no stranger.
            name = "" if has_link(sent.from_name) else sent.from_name
            return name or kept.name, current(sent.from_email, kept.switched)
    return None


def default_sender(list_: List, last: Campaign | None) -> DefaultSender:
    """Of a new campaign to this list: the list's default, else its organization's, else the sender of the `last`
    campaign, so that nobody types it again."""
    details, kept = audience.details_of(list_), leading(list_.organization)
    if details.default_sender.email:
        return details.default_sender
    if details.from_email:
        return DefaultSender(details.from_name, details.from_email)
    if kept.default_sender.email or last is None:
        return kept.default_sender
    draft = with_current_sender(list_.organization, draft_of(last))
    return DefaultSender(draft.from_name, draft.from_email, draft.reply_to)


def with_current_sender(organization: Organization, draft: Draft) -> Draft:
    """A letter of before as a new draft, where its domain was given up for a spare one
    (delivery/actions/domain_switch.py)."""
    switched = leading(organization).switched
    return draft.with_(from_email=current(draft.from_email, switched), reply_to=current(draft.reply_to, switched))

"""The sender of a list. A draft doesn't change it, for anybody who may write can put any sender into one."""

from samizdat.accounts.sealed_settings import leading
from samizdat.audience import queries as audience
from samizdat.audience.models import List
from samizdat.campaigns.models import Edition
from samizdat.campaigns.released import released
from samizdat.core.mail.names import has_link

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
    for sent in map(released, rows.order_by("-pk")[:LOOKED_AT]):
        if sent is not None and sent.from_email:
            # One from before names with links were refused is said to no stranger.
            return ("" if has_link(sent.from_name) else sent.from_name) or kept.name, sent.from_email
    return None

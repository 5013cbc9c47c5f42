"""In which round of its list's digest a letter begins to go out (core/digest)."""

from samizdat.audience.models import List
from samizdat.campaigns.models import Campaign, is_gathered


def enter_round(number: int) -> None:
    """A campaign begins to send: whether she gets it by itself or gathered stands from here on. In the transaction that
    makes it sendable; the list is held, so that no round ends meanwhile."""
    campaign = Campaign.objects.get(pk=number)
    if is_gathered(campaign) and not campaign.digest_round:
        list_ = List.objects.select_for_update().get(id=campaign.list_id)
        Campaign.objects.filter(pk=number, digest_round=0).update(digest_round=list_.digest_round)

"""What a report says once nobody knows any more who got the letter."""

from django import template

from samizdat.campaigns.models import Campaign
from samizdat.delivery import queries

register = template.Library()


@register.inclusion_tag("web/privacy/folded.html")
def folded_note(campaign: Campaign) -> dict[str, object]:
    return {"day": queries.folded(campaign) if campaign.state in ("finished", "cancelled") else None}

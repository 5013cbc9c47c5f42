"""What somebody outside said of a letter, wherever the letter is worked on."""

from collections.abc import Mapping

from django import template

from samizdat.campaigns.archive import share_links
from samizdat.campaigns.models import Campaign

register = template.Library()

# Beside the text; the others are on the page of the letter.
NEWEST = 3


@register.inclusion_tag("web/campaigns/parts/outside.html", takes_context=True)
def said_outside(context: Mapping[str, object], campaign: Campaign, most: int = NEWEST) -> dict[str, object]:
    """The newest answers; 0 for all of them."""
    answers = share_links.answers(campaign)
    shown = answers[:most] if most else answers
    return {"answers": shown, "more": len(answers) - len(shown), "campaign": campaign, "request": context["request"]}

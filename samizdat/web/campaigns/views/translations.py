"""A letter in several languages."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat import formatting
from samizdat.campaigns import translations
from samizdat.campaigns.errors import CampaignError
from samizdat.web.campaigns.views.campaigns import campaign_at
from samizdat.web.permissions import WRITERS, door, go
from samizdat.web.request import DeskRequest


@door(see=WRITERS, do=WRITERS)
def remove_language(request: DeskRequest, campaign_id: int) -> HttpResponse:
    """Asks once more: what was written in it goes."""
    campaign = campaign_at(request, campaign_id)
    whole, name = translations.whole(campaign), formatting.language(campaign.language)
    if campaign.pk == whole.pk:
        return go(request, "campaign", campaign_id)
    if request.method != "POST":
        facts = {"campaign": campaign, "name": name, "fallback": formatting.language(whole.language)}
        return render(request, "web/campaigns/remove_language.html", facts)
    try:
        translations.remove(campaign, by=request.person, now=timezone.now())
    except CampaignError as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("%(name)s removed.") % {"name": name})
    return go(request, "campaign", whole.pk)

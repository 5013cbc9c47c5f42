"""A letter in several languages."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat import wording
from samizdat.campaigns import languages
from samizdat.campaigns.errors import CampaignError
from samizdat.web.doors import WRITERS, door, go
from samizdat.web.views.campaigns import campaign_at


@door(see=WRITERS, do=WRITERS)
def remove_language(request: Any, campaign_id: int) -> HttpResponse:
    """Asks once more: what was written in it goes."""
    found = campaign_at(request, campaign_id)
    whole, name = languages.whole(found), wording.language(found.language)
    if found.pk == whole.pk:
        return go(request, "campaign", campaign_id)
    if request.method != "POST":
        facts = {"campaign": found, "name": name, "fallback": wording.language(whole.language)}
        return render(request, "web/campaigns/remove_language.html", facts)
    try:
        languages.remove(found, by=request.person, now=timezone.now())
    except CampaignError as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("%(name)s is removed.") % {"name": name})
    return go(request, "campaign", whole.pk)

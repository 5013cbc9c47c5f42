"""The page of an installation that was copied or moved: what would be sent, and an admin's word that this one lives."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from samizdat import hours
from samizdat.campaigns.draft import draft_of
from samizdat.campaigns.models import Campaign
from samizdat.delivery import actions, progress
from samizdat.delivery.actions import fencing
from samizdat.web.doors import ADMINS, EVERYONE, door, go


@door(see=EVERYONE, do=ADMINS)
def fence(request: Any) -> HttpResponse:
    """What would be sent; POST lets it go."""
    organisation = request.organisation
    if not organisation.fenced:
        return go(request, "home")
    if request.method == "POST":
        actions.lift_fence([organisation], now=hours.asked(), by=request.person)
        messages.success(request, _("Released. This installation sends again."))
        return go(request, "home")
    rows = fencing.would_send(organisation)
    found = {row.pk: row for row in Campaign.objects.filter(pk__in=[row["id"] for row in rows])}
    facts = {
        "rows": [{**row, "campaign": found[row["id"]], "subject": draft_of(found[row["id"]]).subject} for row in rows],
        "waiting": sum(row["waiting"] for row in rows if row["state"] != "paused"),
        "missing": progress.missing(),
        "may_release": request.role in ADMINS,
    }
    return render(request, "web/fence.html", facts)

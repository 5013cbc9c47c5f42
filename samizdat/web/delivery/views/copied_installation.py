"""The page of an installation that was copied or moved: what would be sent, and an admin's word that this one lives."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from samizdat import dbclock
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.queries import with_subjects
from samizdat.delivery import actions, database_progress, epochs
from samizdat.delivery.actions import copied_installation
from samizdat.delivery.errors import SendingLocked, TornCopy
from samizdat.web.permissions import ADMINS, EVERYONE, door, go
from samizdat.web.request import DeskRequest


@door(see=EVERYONE, do=ADMINS)
def show_on_hold(request: DeskRequest) -> HttpResponse:
    """What would be sent; POST lets it go."""
    organization = request.organization
    if not organization.sending_locked:
        return go(request, "home")
    if request.method == "POST":
        try:
            actions.lift_fence([organization], now=dbclock.asked(), by=request.person)
        except (SendingLocked, TornCopy) as error:
            messages.error(request, str(error))
            return go(request, "on-hold")
        messages.success(request, _("Sending is enabled on this installation again."))
        if published := copied_installation.what_to_publish(dbclock.asked()):
            messages.info(request, published)
        return go(request, "home")
    rows = copied_installation.would_send(organization)
    campaigns = with_subjects(Campaign.objects.filter(pk__in=[row["id"] for row in rows]))
    campaigns_by_id = {row.campaign.pk: row for row in campaigns}
    facts = {
        "rows": [
            {**row, "campaign": campaigns_by_id[row["id"]].campaign, "subject": campaigns_by_id[row["id"]].subject}
            for row in rows
        ],
        "waiting": sum(row["waiting"] for row in rows if row["state"] != "paused"),
        "missing": database_progress.missing(),
        "copies": copied_installation.what_places_say(epochs.standing(dbclock.asked())),
        "may_release": request.role in ADMINS,
    }
    return render(request, "web/on_hold.html", facts)

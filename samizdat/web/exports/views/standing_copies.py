"""Standing copies of accounts elsewhere: what would be lost if one were closed now."""

from django.http import HttpResponse
from django.shortcuts import render

from samizdat import dbclock
from samizdat.web.exports import standing_copies as shown
from samizdat.web.permissions import ADMINS, door
from samizdat.web.request import DeskRequest


@door(see=ADMINS)
def standing_copies(request: DeskRequest) -> HttpResponse:
    views = shown.views(request.organization, dbclock.asked())
    return render(request, "web/exports/standing_copies.html", {"copies": views})

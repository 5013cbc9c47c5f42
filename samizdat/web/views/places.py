"""The parts of its template that a letter fills, repeats or leaves out."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat.campaigns import arranging, placing
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.offering import offered
from samizdat.core.templating import Written
from samizdat.web import beside, editing
from samizdat.web.doors import EVERYONE, WRITERS, door, go
from samizdat.web.forms.campaigns import FORMATS, LONGEST_BODY
from samizdat.web.views.campaigns import campaign_at

# A place is written in blocks or in HTML.
WAYS = tuple(way for way in FORMATS if way[0] != "markdown")


@door(see=EVERYONE, do=WRITERS)
def places(request: Any, campaign_id: int) -> HttpResponse:
    """All parts of the template; a button for each thing that can be done with one."""
    found = campaign_at(request, campaign_id)
    if request.method == "POST":
        try:
            _do(found, request.POST)
        except CampaignError as refused:
            messages.error(request, str(refused))
        return go(request, "places", campaign_id, anchor=request.POST.get("at", "")[:20])
    may = request.role in WRITERS and found.state == "draft"
    facts = {"campaign": found, "parts": arranging.parts(found), "may": may}
    return render(request, "web/campaigns/places.html", facts)


def _do(found: Any, asked: Any) -> None:
    """Errors: CampaignError."""
    do, key, now = asked.get("do", ""), asked.get("key", ""), timezone.now()
    match do:
        case "usual":
            arranging.write(found, key, None, now=now)
        case "hide" | "show":
            arranging.hide(found, key, do == "hide", now=now)
        case "up" | "down" | "copy" | "remove":
            arranging.arrange(found, key, asked.get("copy", ""), do, now=now)
        case "add":
            model = asked.get("model", "")
            arranging.add(found, key, int(model) if model.isascii() and model.isdigit() else 0, now=now)


@door(see=WRITERS, do=WRITERS)
def place(request: Any, campaign_id: int) -> HttpResponse:
    """One place, in the block editor or as HTML."""
    found = campaign_at(request, campaign_id)
    key = request.POST.get("key", request.GET.get("key", ""))
    there = arranging.place(found, key)
    if there is None or found.state != "draft":
        messages.error(request, _("The template of this letter has no such part. Load the page again."))
        return go(request, "places", campaign_id)
    begun, way = placing.blocks_of(there), request.POST.get("format", request.GET.get("in", ""))
    if way not in dict(WAYS):
        way = "blocks" if begun.fits else "html"
    body, wrong = None, ""
    if request.method == "POST":
        body = request.POST.get("body", "")[:LONGEST_BODY]
        try:
            _write(request, found, key, way, body)
        except CampaignError as refused:
            wrong = str(refused)
        else:
            messages.success(request, _("Saved."))
            return go(request, "places", campaign_id)
    if body is None:
        body = begun.body if way == "blocks" else there.html
    facts = {
        "campaign": found,
        "place": there,
        "way": way,
        "ways": [(name, label, name == way) for name, label in WAYS],
        "body": body,
        "wrong": wrong,
        "why": _why(begun, way),
        "still": beside.still("html", there.html),
        "editor": editing.facts(offered(request.organisation, found.language)),
    }
    return render(request, "web/campaigns/place.html", facts, status=422 if wrong else 200)


def _write(request: Any, found: Any, key: str, way: str, body: str) -> None:
    """Errors: CampaignError."""
    if way != "blocks":
        arranging.write(found, key, Written(body), now=timezone.now())
        return
    placing.write_blocks(found, key, body, now=timezone.now())
    if placing.lacks_description(body):
        messages.warning(request, _("A picture has no description. Say what it shows, for readers who do not see it."))


def _why(begun: Any, way: str) -> str:
    """Why it, or a part of it, is HTML."""
    if not begun.fits and way == "html":
        return _("This part has tables or a look of its own that blocks would lose, so it is written as HTML.")
    if begun.kept and way == "blocks":
        return _("What has tables or a look of its own stays HTML, in a block of its own, so that nothing is lost.")
    return ""

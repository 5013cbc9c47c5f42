"""The parts of its template that a letter fills, repeats or leaves out."""

import re
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat.campaigns import arranging, placing
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.offering import offered
from samizdat.web import beside, editing, reading
from samizdat.web.doors import EVERYONE, WRITERS, address, deed, door, go
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
            _do(found, request.POST, request.person)
        except CampaignError as refused:
            messages.error(request, str(refused))
        return go(request, "places", campaign_id, anchor=request.POST.get("at", "")[:20])
    may = request.role in WRITERS and found.state == "draft"
    facts = {"campaign": found, "parts": arranging.parts(found), "may": may}
    return render(request, "web/campaigns/places.html", facts)


def _do(found: Any, asked: Any, by: Any) -> None:
    """Errors: CampaignError."""
    do, key, now = asked.get("do", ""), asked.get("key", ""), timezone.now()
    match do:
        case "usual":
            arranging.write(found, key, None, now=now, by=by)
        case "hide" | "show":
            arranging.hide(found, key, do == "hide", now=now, by=by)
        case "up" | "down" | "copy" | "remove":
            arranging.arrange(found, key, asked.get("copy", ""), do, now=now, by=by)
        case "add":
            model = asked.get("model", "")
            number = int(model) if model.isascii() and model.isdigit() else 0
            arranging.add(found, key, number, now=now, by=by)


@door(see=WRITERS, do=WRITERS)
def place(request: Any, campaign_id: int) -> HttpResponse:
    """One place, in the block editor or as HTML."""
    found = campaign_at(request, campaign_id)
    key = request.POST.get("key", request.GET.get("key", ""))
    there = arranging.place(found, key)
    if there is None or found.state != "draft":
        return _no_place(request, found)
    begun, way = placing.blocks_of(there), request.POST.get("format", request.GET.get("in", ""))
    if way not in dict(WAYS):
        way = "blocks" if begun.fits else "html"
    body, wrong, theirs, is_own = None, "", "", False
    if request.method == "POST":
        body = request.POST.get("body", "")[:LONGEST_BODY]
        try:
            placed = _write(request, found, key, way, body)
        except placing.PlaceOvertaken as overtaken:
            wrong, theirs = _("A colleague changed this part meanwhile. Nothing is lost: both stand here."), there.html
            if is_own := overtaken.is_own:
                wrong = _("You changed this part in another tab too. Nothing is lost: both stand here.")
        except CampaignError as refused:
            wrong = str(refused)
        else:
            return _written(request, found, key, placed)
    version = found.version
    if body is not None and not theirs:  # What was there when the page was opened still counts.
        version = reading.number(request.POST.get("version", "")) or version
    if body is None:
        body = begun.body if way == "blocks" else there.html
    facts = {
        "campaign": found,
        "place": there,
        "way": way,
        "ways": [(name, label, name == way) for name, label in WAYS],
        "body": body,
        "wrong": wrong,
        "theirs": theirs,
        "is_own": is_own,
        "version": version,
        "why": _why(begun, way),
        "still": beside.still("html", there.html),
        "editor": editing.facts(offered(request.organisation, found.language)),
    }
    return render(request, "web/campaigns/place.html", facts, status=422 if wrong else 200)


def _no_place(request: Any, found: Any) -> HttpResponse:
    """The template, or this part of it, was removed; or the letter was released."""
    if request.method != "POST":
        messages.error(request, _("The template of this letter has no such part. Load the page again."))
        return go(request, "places", found.pk)
    places = address(request.organisation, "places", found.pk)
    gone = _("The template of this letter no longer has this part. Copy what you typed before you go on.")
    return beside.unsaved(request, places, gone if found.state == "draft" else "")


def _write(request: Any, found: Any, key: str, way: str, body: str) -> placing.Placed:
    """Over what was there when the page was opened; what somebody else wrote since is merged in. Errors:
    CampaignError.
    """
    page = request.POST.get("page", "")
    return placing.write(
        found,
        key,
        way,
        body,
        now=timezone.now(),
        by=request.person,
        version=reading.number(request.POST.get("version", "")),
        page=page if re.fullmatch(r"[0-9a-f]{32}", page) else "",
    )


def _written(request: Any, found: Any, key: str, placed: placing.Placed) -> HttpResponse:
    """On to all parts; back to this one where two wrote in the same block."""
    if placing.lacks_description(placed.body):
        messages.warning(request, _("A picture has no description. Say what it shows, for readers who do not see it."))
    if placed.doubled:
        messages.warning(request, _("A block was changed twice at once. Both versions are in the letter: keep one."))
        return redirect(f"{reverse('place', args=[request.organisation.slug, found.pk])}?{urlencode({'key': key})}")
    if placed.merged and not placed.is_own:
        messages.success(request, _("A colleague wrote in this letter too. What both of you did is in it."))
    else:
        messages.success(request, _("Saved."))
    return go(request, "places", found.pk)


@deed(WRITERS)
def autosave_place(request: Any, campaign_id: int) -> HttpResponse:
    """Saves a place while somebody writes in it."""
    found = campaign_at(request, campaign_id)
    key, way, problem, placed = request.POST.get("key", ""), request.POST.get("format", ""), "", None
    version: Any = request.POST.get("version", "")
    if found.state != "draft":
        problem = _("Not saved: this campaign is no longer a draft. Copy your text and paste it into a duplicate.")
    else:
        try:
            placed = _write(request, found, key, way, request.POST.get("body", "")[:LONGEST_BODY])
            version = found.version
        except CampaignError as refused:
            problem = _("Not saved: %(why)s") % {"why": refused}
    facts = {"campaign": found, "problem": problem, "version": reading.number(str(version)) or 0, "placed": placed}
    return render(request, "web/campaigns/parts/placed.html", facts)


def _why(begun: Any, way: str) -> str:
    """Why it, or a part of it, is HTML."""
    if not begun.fits and way == "html":
        return _("This part has tables or a look of its own that blocks would lose, so it is written as HTML.")
    if begun.kept and way == "blocks":
        return _("What has tables or a look of its own stays HTML, in a block of its own, so that nothing is lost.")
    return ""

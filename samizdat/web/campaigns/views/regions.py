"""The parts of its template that a letter fills, repeats or leaves out."""

import re
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat.accounts.models import Person
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.merge_tag_menu import offered
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.templates import layout, region_editor
from samizdat.campaigns.templates.region_editor import RegionDraft
from samizdat.web import params
from samizdat.web.campaigns import comments_panel, editor_strings
from samizdat.web.campaigns.forms.campaigns import FORMATS, LONGEST_BODY
from samizdat.web.campaigns.views.campaigns import campaign_at
from samizdat.web.permissions import EVERYONE, WRITERS, address, deed, door, go
from samizdat.web.request import DeskRequest

# A place is written in blocks or in HTML.
WAYS = tuple(way for way in FORMATS if way[0] != "markdown")


@door(see=EVERYONE, do=WRITERS)
def show_regions(request: DeskRequest, campaign_id: int) -> HttpResponse:
    """All parts of the template; a button for each thing that can be done with one."""
    campaign = campaign_at(request, campaign_id)
    if request.method == "POST":
        try:
            _do(campaign, request.POST, request.person)
        except CampaignError as refused:
            messages.error(request, str(refused))
        return go(request, "regions", campaign_id, anchor=request.POST.get("at", "")[:20])
    may = request.role in WRITERS and campaign.state == "draft"
    facts = {"campaign": campaign, "parts": layout.parts(campaign), "may": may}
    return render(request, "web/campaigns/regions.html", facts)


def _do(campaign: Campaign, asked: QueryDict, by: Person | None) -> None:
    """Errors: CampaignError."""
    do, key, now = asked.get("do", ""), asked.get("key", ""), timezone.now()
    match do:
        case "usual":
            layout.write(campaign, key, None, now=now, by=by)
        case "hide" | "show":
            layout.hide(campaign, key, do == "hide", now=now, by=by)
        case "up" | "down" | "copy" | "remove":
            layout.arrange(campaign, key, asked.get("copy", ""), do, now=now, by=by)
        case "add":
            model = asked.get("model", "")
            number = int(model) if model.isascii() and model.isdigit() else 0
            layout.add(campaign, key, number, now=now, by=by)


@door(see=WRITERS, do=WRITERS)
def edit_region(request: DeskRequest, campaign_id: int) -> HttpResponse:
    """One place, in the block editor or as HTML."""
    campaign = campaign_at(request, campaign_id)
    key = request.POST.get("key", request.GET.get("key", ""))
    there = layout.place(campaign, key)
    if there is None or campaign.state != "draft":
        return _no_place(request, campaign)
    begun, way = region_editor.blocks_of(there), request.POST.get("format", request.GET.get("in", ""))
    if way not in dict(WAYS):
        way = "blocks" if begun.fits else "html"
    body, wrong, theirs, is_own = None, "", "", False
    if request.method == "POST":
        body = request.POST.get("body", "")[:LONGEST_BODY]
        try:
            placed = _write(request, campaign, key, way, body)
        except region_editor.PlaceOvertaken as overtaken:
            wrong, theirs = (
                _("A colleague changed this block while you were editing. Choose which version to keep."),
                there.html,
            )
            if is_own := overtaken.is_own:
                wrong = _("You changed this block in another tab too. Choose which version to keep.")
        except CampaignError as refused:
            wrong = str(refused)
        else:
            return _written(request, campaign, key, placed)
    version = campaign.version
    if body is not None and not theirs:  # What was there when the page was opened still counts.
        version = params.number(request.POST.get("version", "")) or version
    if body is None:
        body = begun.body if way == "blocks" else there.html
    facts = {
        "campaign": campaign,
        "place": there,
        "way": way,
        "ways": [(name, label, name == way) for name, label in WAYS],
        "body": body,
        "wrong": wrong,
        "theirs": theirs,
        "is_own": is_own,
        "version": version,
        "why": _why(begun, way),
        "still": comments_panel.still("html", there.html),
        "editor": editor_strings.facts(offered(request.organization, campaign.language), campaign.language),
    }
    return render(request, "web/campaigns/region.html", facts, status=422 if wrong else 200)


def _no_place(request: DeskRequest, campaign: Campaign) -> HttpResponse:
    """The template, or this part of it, was removed; or the letter was released."""
    if request.method != "POST":
        messages.error(request, _("The template of this campaign has no such block. Reload the page."))
        return go(request, "regions", campaign.pk)
    places = address(request.organization, "regions", campaign.pk)
    gone = _("The template of this campaign no longer has this block. Copy what you typed before you continue.")
    return comments_panel.unsaved(request, places, gone if campaign.state == "draft" else "")


def _write(request: DeskRequest, campaign: Campaign, key: str, way: str, body: str) -> region_editor.EditedRegion:
    """Over what was there when the page was opened; what somebody else wrote since is merged in. Errors:
    CampaignError.
    """
    page = request.POST.get("page", "")
    return region_editor.write(
        campaign,
        key,
        way,
        body,
        now=timezone.now(),
        by=request.person,
        version=params.number(request.POST.get("version", "")),
        page=page if re.fullmatch(r"[0-9a-f]{32}", page) else "",
    )


def _written(request: DeskRequest, campaign: Campaign, key: str, placed: region_editor.EditedRegion) -> HttpResponse:
    """On to all parts; back to this one where two wrote in the same block."""
    if region_editor.lacks_description(placed.body):
        messages.warning(request, _("An image has no alt text. Describe what it shows, for people who can’t see it."))
    if placed.doubled:
        messages.warning(
            request, _("A block was edited twice at the same time. Both versions are in the email: keep one.")
        )
        return redirect(f"{reverse('region', args=[request.organization.slug, campaign.pk])}?{urlencode({'key': key})}")
    if placed.merged and not placed.is_own:
        messages.success(request, _("A colleague edited this campaign too. It contains both your changes."))
    else:
        messages.success(request, _("Saved."))
    return go(request, "regions", campaign.pk)


@deed(WRITERS)
def autosave_region(request: DeskRequest, campaign_id: int) -> HttpResponse:
    """Saves a place while somebody writes in it."""
    campaign = campaign_at(request, campaign_id)
    key, way, problem, placed = request.POST.get("key", ""), request.POST.get("format", ""), "", None
    version: Any = request.POST.get("version", "")
    if campaign.state != "draft":
        problem = _("Not saved: this campaign is no longer a draft. Copy your text and paste it into a duplicate.")
    else:
        try:
            placed = _write(request, campaign, key, way, request.POST.get("body", "")[:LONGEST_BODY])
            version = campaign.version
        except CampaignError as refused:
            problem = _("Not saved: %(why)s") % {"why": refused}
    facts = {"campaign": campaign, "problem": problem, "version": params.number(str(version)) or 0, "placed": placed}
    return render(request, "web/campaigns/parts/placed.html", facts)


def _why(begun: RegionDraft, way: str) -> str:
    """Why it, or a part of it, is HTML."""
    if not begun.fits and way == "html":
        return _("This block has tables or its own styling that the block editor would lose, so it’s edited as HTML.")
    if begun.kept and way == "blocks":
        return _("Parts with tables or their own styling stay HTML, in a separate block, so nothing is lost.")
    return ""

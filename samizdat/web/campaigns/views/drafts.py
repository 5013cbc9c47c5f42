"""Around a draft: who else is here, its history, what colleagues say of it, and the preview of what is being typed."""

from django.contrib import messages
from django.http import Http404, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat.accounts.queries import name_in
from samizdat.campaigns.drafts import autosave, comments, presence, revisions
from samizdat.campaigns.drafts.comments import CommentText
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.templates import region_diff
from samizdat.web.campaigns.comments_panel import QUOTED, comment_facts, named_blocks, names_of
from samizdat.web.campaigns.views.campaigns import campaign_at
from samizdat.web.permissions import EVERYONE, WRITERS, deed, door, go
from samizdat.web.request import DeskRequest

# Versions that stand beside a letter while it is written.
BESIDE = 12

# -- who is here --


@door(see=WRITERS, do=WRITERS)
def report_presence(request: DeskRequest, campaign_id: int) -> HttpResponse:
    """Who else has the draft open, and its version. A GET only looks, and gives a page that was signed out a token."""
    campaign, now = campaign_at(request, campaign_id), timezone.now()
    if request.method == "POST":
        presence.here(campaign, request.person, now)
    others = presence.others(campaign, request.person, now)
    names = [name for person in others if (name := name_in(request.organization, person))]
    return JsonResponse({"others": _others(names), "version": campaign.version, "token": get_token(request)})


def _others(names: list[str]) -> str:
    if not names:
        return ""
    if len(names) == 1:
        return _("%(name)s is editing this too. You both see what the other saves.") % {"name": names[0]}
    return _("%(names)s are editing this too. You all see what the others save.") % {"names": ", ".join(names)}


# -- history --


@door(see=EVERYONE)
def show_history(request: DeskRequest, campaign_id: int) -> HttpResponse:
    """Every sitting of a draft: day, who, and how many words came and went. Beside the letter the newest of them."""
    campaign = campaign_at(request, campaign_id)
    names = names_of(request.organization)
    rows = [(entry, names.get(entry.by_id or 0, "")) for entry in revisions.entries(campaign)]
    facts = {"campaign": campaign, "subject": draft_of(campaign).subject, "rows": rows}
    if request.headers.get("HX-Request"):
        return render(request, "web/campaigns/parts/past.html", facts | {"rows": rows[:BESIDE]})
    return render(request, "web/campaigns/history.html", facts)


@door(see=EVERYONE)
def version(request: DeskRequest, campaign_id: int, version_number: int) -> HttpResponse:
    """One version: what is different in the letter of today."""
    campaign = campaign_at(request, campaign_id)
    kept = revisions.version_of(campaign, version_number)
    if kept is None:
        raise Http404
    facts = {
        "campaign": campaign,
        "subject": draft_of(campaign).subject,
        "kept": kept,
        "by": names_of(request.organization).get(kept.by_id or 0, ""),
        "parts": revisions.changes(kept, campaign),
        "same": revisions.is_same(kept, campaign),
        "places": region_diff.places(kept, campaign),
        "places_unknown": kept.places is None and campaign.template_id is not None,
    }
    return render(request, "web/campaigns/version.html", facts)


@deed(WRITERS)
def restore(request: DeskRequest, campaign_id: int, version_number: int) -> HttpResponse:
    campaign = campaign_at(request, campaign_id)
    try:
        done = autosave.restore(campaign, version_number, by=request.person, now=timezone.now())
    except CampaignError as refused:
        messages.error(request, str(refused))
        return go(request, "history", campaign_id)
    if not done:
        raise Http404
    messages.success(request, _("Earlier version restored. What was here before is in the history."))
    return go(request, "campaign", campaign_id)


# -- comments --


@deed(WRITERS)
def comment(request: DeskRequest, campaign_id: int) -> HttpResponse:
    campaign = campaign_at(request, campaign_id)
    block = request.POST.get("block", "")
    words = CommentText(
        request.POST.get("text", "").replace("\r\n", "\n").strip(),
        block=block if block.isalnum() and len(block) <= 20 else "",
        quote=dict(named_blocks(campaign)).get(block, "")[:QUOTED],
    )
    try:
        comments.say(campaign, words, by=request.person, now=timezone.now())
    except CampaignError as refused:
        messages.error(request, str(refused))
    return _comments(request, campaign)


@deed(WRITERS)
def resolve_comment(request: DeskRequest, campaign_id: int, comment_id: int) -> HttpResponse:
    campaign = campaign_at(request, campaign_id)
    done = request.POST.get("open") != "1"
    comments.resolve(campaign, comment_id, by=request.person, now=timezone.now(), done=done)
    return _comments(request, campaign)


def _comments(request: DeskRequest, campaign: Campaign) -> HttpResponse:
    """To a script the section alone, so that nobody loses what is being typed above it."""
    if request.headers.get("HX-Request"):
        return render(
            request,
            "web/campaigns/parts/comments.html",
            {"campaign": campaign, "alone": True} | comment_facts(request.organization, campaign),
        )
    return go(request, "campaign", campaign.pk, query="panel=comments")

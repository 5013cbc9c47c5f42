"""Around a draft: who else is here, its history, what colleagues say of it, and the preview of what is being typed."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat.accounts import people
from samizdat.campaigns import commenting, comparing, history, presence, writing
from samizdat.campaigns.commenting import Words
from samizdat.campaigns.draft import draft_of
from samizdat.campaigns.errors import CampaignError
from samizdat.web.beside import QUOTED, comment_facts, named_blocks, names_of
from samizdat.web.doors import EVERYONE, WRITERS, deed, door, go
from samizdat.web.views.campaigns import campaign_at

# -- who is here --


@door(see=WRITERS, do=WRITERS)
def here(request: Any, campaign_id: int) -> HttpResponse:
    """Who else has the draft open, and its version. A GET only looks, and gives a page that was signed out a token."""
    found, now = campaign_at(request, campaign_id), timezone.now()
    if request.method == "POST":
        presence.here(found, request.person, now)
    names = [people.name_of(person) for person in presence.others(found, request.person, now)]
    return JsonResponse({"others": _others(names), "version": found.version, "token": get_token(request)})


def _others(names: list[str]) -> str:
    if not names:
        return ""
    if len(names) == 1:
        return _("%(name)s is writing here too. You both see what the other saves.") % {"name": names[0]}
    return _("%(names)s are writing here too. You all see what the others save.") % {"names": ", ".join(names)}


# -- history --


@door(see=EVERYONE)
def past(request: Any, campaign_id: int) -> HttpResponse:
    """Every sitting of a draft: day, who, and how many words came and went."""
    found = campaign_at(request, campaign_id)
    names = names_of(request.organisation)
    rows = [(entry, names.get(entry.by_id or 0, "")) for entry in history.entries(found)]
    facts = {"campaign": found, "subject": draft_of(found).subject, "rows": rows}
    return render(request, "web/campaigns/history.html", facts)


@door(see=EVERYONE)
def version(request: Any, campaign_id: int, version_number: int) -> HttpResponse:
    """One version: what is different in the letter of today."""
    found = campaign_at(request, campaign_id)
    kept = history.version_of(found, version_number)
    if kept is None:
        raise Http404
    facts = {
        "campaign": found,
        "subject": draft_of(found).subject,
        "kept": kept,
        "by": names_of(request.organisation).get(kept.by_id or 0, ""),
        "parts": history.changes(kept, found),
        "same": history.is_same(kept, found),
        "places": comparing.places(kept, found),
        "places_unknown": kept.places is None and found.template_id is not None,
    }
    return render(request, "web/campaigns/version.html", facts)


@deed(WRITERS)
def restore(request: Any, campaign_id: int, version_number: int) -> HttpResponse:
    found = campaign_at(request, campaign_id)
    try:
        done = writing.restore(found, version_number, by=request.person, now=timezone.now())
    except CampaignError as refused:
        messages.error(request, str(refused))
        return go(request, "history", campaign_id)
    if not done:
        raise Http404
    messages.success(request, _("This is the letter as it was. What stood here before is in the history."))
    return go(request, "campaign", campaign_id)


# -- comments --


@deed(WRITERS)
def comment(request: Any, campaign_id: int) -> HttpResponse:
    found = campaign_at(request, campaign_id)
    block = request.POST.get("block", "")
    words = Words(
        request.POST.get("text", "").replace("\r\n", "\n").strip(),
        block=block if block.isalnum() and len(block) <= 20 else "",
        quote=dict(named_blocks(found)).get(block, "")[:QUOTED],
    )
    try:
        commenting.say(found, words, by=request.person, now=timezone.now())
    except CampaignError as refused:
        messages.error(request, str(refused))
    return _comments(request, found)


@deed(WRITERS)
def settle_comment(request: Any, campaign_id: int, comment_id: int) -> HttpResponse:
    found = campaign_at(request, campaign_id)
    done = request.POST.get("open") != "1"
    commenting.resolve(found, comment_id, by=request.person, now=timezone.now(), done=done)
    return _comments(request, found)


def _comments(request: Any, found: Any) -> HttpResponse:
    """To a script the section alone, so that nobody loses what is being typed above it."""
    if request.headers.get("HX-Request"):
        return render(
            request,
            "web/campaigns/parts/comments.html",
            {"campaign": found, "alone": True} | comment_facts(request.organisation, found),
        )
    return go(request, "campaign", found.pk, anchor="comments")

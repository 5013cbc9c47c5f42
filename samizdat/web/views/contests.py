"""A test of versions at the desk: planned before the letter goes, watched and decided while it does."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat import hours
from samizdat.accounts.grants import leading
from samizdat.campaigns import contest
from samizdat.campaigns import queries as campaigns
from samizdat.campaigns.draft import draft_of
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.letter import proof_of
from samizdat.core.contest import NAMES
from samizdat.core.letter.counting import countable
from samizdat.delivery import actions
from samizdat.delivery.errors import DeliveryError
from samizdat.web.doors import EVERYONE, WRITERS, deed, door, go
from samizdat.web.forms.base import refuse, sentences
from samizdat.web.forms.contests import ChangeForm, PlanForm, RepliesForm
from samizdat.web.views.campaigns import letter_at, subject_of

# Versions besides the letter that the page has room for.
PLACES = "bc"
# Hours after which the winner goes, where nobody has said anything yet: a day, for people read in the evening.
USUAL = 24


@door(see=EVERYONE, do=WRITERS)
def versions(request: Any, campaign_id: int) -> HttpResponse:
    found = letter_at(request, campaign_id)
    if found.state != "draft":
        return go(request, "report", campaign_id)
    changes, plan = _forms(request, found)
    valid = [form.is_valid() for form in [*changes, plan]]  # Each is asked, so that each shows what is wrong with it.
    if request.method == "POST" and all(valid):
        asked = [form.change() for form in changes]
        try:
            contest.plan(
                found,
                [change for change in asked if change != contest.Change()],
                share=plan.cleaned_data["share"],
                way=plan.cleaned_data["way"],
                at=plan.at,
                by=request.person,
                now=hours.asked(),
                link=plan.cleaned_data.get("link", ""),
            )
        except contest.BadTest as bad:
            refuse(plan if bad.field in plan.fields else changes[0], bad.field, bad)
        except CampaignError as refused:
            refuse(plan, None, refused)
        else:
            messages.success(request, _("The test is planned. It begins with the release."))
            return go(request, "send", campaign_id)
    wrong = next((form for form in [*changes, plan] if form.errors), plan)
    facts = {
        "campaign": found,
        "draft": draft_of(found),
        "subject": subject_of(draft_of(found)),
        "changes": [*zip("BC", changes, strict=True)],
        "form": plan,
        "wrong": wrong,
    }
    return render(request, "web/campaigns/versions.html", facts, status=422 if wrong.errors else 200)


def _forms(request: Any, found: Any) -> tuple[list[ChangeForm], PlanForm]:
    others = [row for row in campaigns.newest(request.organisation, ("draft",)) if row.campaign.pk != found.pk]
    known = contest.versions(found)[1:]
    forms = []
    for place, letter in enumerate(PLACES):
        change = known[place].change if place < len(known) else contest.Change()
        told = {**contest.words_of(change), "letter": change.letter.pk if change.letter else ""}
        forms.append(ChangeForm(request.POST or None, prefix=letter, drafts=others, initial=told))
    at = timezone.localtime(found.test_at or hours.asked() + timedelta(hours=USUAL))
    told = {"day": at.date(), "time": at.time().replace(second=0, microsecond=0)}
    if found.test_share:
        told |= {"share": found.test_share, "way": found.test_by, "link": contest.link_of(found)}
    ways = contest.ways(found)
    links = (
        countable(proof_of(found, hours.asked()).letter, leading(found.organisation).public_url)
        if "clicks" in ways
        else ()
    )
    return forms, PlanForm(request.POST or None, ways=ways, links=links, initial=told)


@deed(WRITERS)
def no_versions(request: Any, campaign_id: int) -> HttpResponse:
    """The letter goes as it is, to everybody."""
    found = letter_at(request, campaign_id)
    try:
        contest.give_up(found, by=request.person, now=hours.asked())
    except CampaignError as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("Everybody gets the letter as it is."))
    return go(request, "send", campaign_id)


@deed(WRITERS)
def choose_version(request: Any, campaign_id: int) -> HttpResponse:
    found, name = letter_at(request, campaign_id), request.POST.get("version", "")
    if len(name) != 1 or name not in NAMES:
        raise Http404
    try:
        actions.choose(found, NAMES.index(name), now=hours.asked(), by=request.person)
    except DeliveryError as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("The rest gets version %(name)s.") % {"name": name})
    return go(request, "report", campaign_id)


@deed(WRITERS)
def count_replies(request: Any, campaign_id: int) -> HttpResponse:
    """To one version of a test, or without a version to the letter."""
    found, name = letter_at(request, campaign_id), request.POST.get("version", "")
    if len(name) > 1 or name not in NAMES:
        raise Http404
    form = RepliesForm(request.POST)
    if not form.is_valid():
        messages.error(request, sentences(form))
        return go(request, "report", campaign_id)
    try:
        told = form.cleaned_data["replies"]
        place = NAMES.index(name) if name else None
        contest.count_replies(found, place, told, by=request.person, now=hours.asked())
    except CampaignError as refused:
        messages.error(request, str(refused))
    return go(request, "report", campaign_id, anchor="versions" if name else "replies")

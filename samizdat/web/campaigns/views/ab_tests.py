"""A test of versions at the desk: planned before the letter goes, watched and decided while it does."""

from datetime import timedelta

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat import dbclock
from samizdat.accounts.sealed_settings import leading
from samizdat.campaigns import ab_test
from samizdat.campaigns import queries as campaigns
from samizdat.campaigns.content import proof_of
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import Campaign
from samizdat.core.ab_test import NAMES
from samizdat.core.content.render.counted_links import countable
from samizdat.delivery import actions
from samizdat.delivery.errors import DeliveryError
from samizdat.web.base_form import refuse, sentences
from samizdat.web.campaigns.forms.ab_tests import ChangeForm, RepliesForm, TestPlanForm
from samizdat.web.campaigns.views.campaigns import letter_at, subject_of
from samizdat.web.permissions import EVERYONE, WRITERS, deed, door, go
from samizdat.web.request import DeskRequest

# Versions besides the letter that the page has room for.
PLACES = "bc"
# Hours after which the winner goes, where nobody has said anything yet: a day, for people read in the evening.
USUAL = 24


@door(see=EVERYONE, do=WRITERS)
def versions(request: DeskRequest, campaign_id: int) -> HttpResponse:
    campaign = letter_at(request, campaign_id)
    if campaign.state != "draft":
        return go(request, "report", campaign_id)
    changes, plan = _forms(request, campaign)
    valid = [form.is_valid() for form in [*changes, plan]]  # Each is asked, so that each shows what is wrong with it.
    if request.method == "POST" and all(valid):
        asked = [form.change() for form in changes]
        try:
            ab_test.plan(
                campaign,
                [change for change in asked if change != ab_test.VersionChange()],
                share=plan.cleaned_data["share"],
                way=plan.cleaned_data["way"],
                at=plan.at,
                by=request.person,
                now=dbclock.asked(),
                link=plan.cleaned_data.get("link", ""),
            )
        except ab_test.BadTest as bad:
            refuse(plan if bad.field in plan.fields else changes[0], bad.field, bad)
        except CampaignError as refused:
            refuse(plan, None, refused)
        else:
            messages.success(request, _("A/B test planned. It starts when the campaign is sent."))
            return go(request, "send", campaign_id)
    wrong = next((form for form in [*changes, plan] if form.errors), plan)
    facts = {
        "campaign": campaign,
        "draft": draft_of(campaign),
        "subject": subject_of(draft_of(campaign)),
        "changes": [*zip("BC", changes, strict=True)],
        "form": plan,
        "wrong": wrong,
    }
    return render(request, "web/campaigns/versions.html", facts, status=422 if wrong.errors else 200)


def _forms(request: DeskRequest, campaign: Campaign) -> tuple[list[ChangeForm], TestPlanForm]:
    others = [row for row in campaigns.newest(request.organization, ("draft",)) if row.campaign.pk != campaign.pk]
    known = ab_test.versions(campaign)[1:]
    forms = []
    for place, letter in enumerate(PLACES):
        change = known[place].change if place < len(known) else ab_test.VersionChange()
        initial = {**ab_test.words_of(change), "letter": change.letter.pk if change.letter else ""}
        forms.append(ChangeForm(request.POST or None, prefix=letter, drafts=others, initial=initial))
    at = timezone.localtime(campaign.test_at or dbclock.asked() + timedelta(hours=USUAL))
    initial = {"day": at.date(), "time": at.time().replace(second=0, microsecond=0)}
    if campaign.test_share:
        initial |= {"share": campaign.test_share, "way": campaign.ab_metric, "link": ab_test.link_of(campaign)}
    ways = ab_test.ways(draft_of(campaign))
    links = (
        countable(proof_of(campaign, dbclock.asked()).letter, leading(campaign.organization).public_url)
        if "clicks" in ways
        else ()
    )
    return forms, TestPlanForm(request.POST or None, ways=ways, links=links, initial=initial)


@deed(WRITERS)
def remove_versions(request: DeskRequest, campaign_id: int) -> HttpResponse:
    """The letter goes as it is, to everybody."""
    campaign = letter_at(request, campaign_id)
    try:
        ab_test.give_up(campaign, by=request.person, now=dbclock.asked())
    except CampaignError as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("Everyone gets the email as it is."))
    return go(request, "send", campaign_id)


@deed(WRITERS)
def choose_version(request: DeskRequest, campaign_id: int) -> HttpResponse:
    campaign, name = letter_at(request, campaign_id), request.POST.get("version", "")
    if len(name) != 1 or name not in NAMES:
        raise Http404
    try:
        actions.choose(campaign, NAMES.index(name), now=dbclock.asked(), by=request.person)
    except DeliveryError as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("The rest get version %(name)s.") % {"name": name})
    return go(request, "report", campaign_id)


@deed(WRITERS)
def count_replies(request: DeskRequest, campaign_id: int) -> HttpResponse:
    """To one version of a test, or without a version to the letter."""
    campaign, name = letter_at(request, campaign_id), request.POST.get("version", "")
    if len(name) > 1 or name not in NAMES:
        raise Http404
    form = RepliesForm(request.POST)
    if not form.is_valid():
        messages.error(request, sentences(form))
        return go(request, "report", campaign_id)
    try:
        replies = form.cleaned_data["replies"]
        place = NAMES.index(name) if name else None
        ab_test.count_replies(campaign, place, replies, by=request.person, now=dbclock.asked())
    except CampaignError as refused:
        messages.error(request, str(refused))
    return go(request, "report", campaign_id, anchor="versions" if name else "replies")

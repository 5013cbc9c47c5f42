"""What stands beside a letter while it is written: the tags it can say, and what its checks found."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat import dbclock
from samizdat.accounts.sealed_settings import leading
from samizdat.campaigns.checks import missing_values, organization_rules, results, spelling
from samizdat.campaigns.content import proof_of
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.merge_tag_menu import offered
from samizdat.campaigns.models import Campaign
from samizdat.delivery.actions import remote_checks
from samizdat.delivery.campaign_checks import look
from samizdat.delivery.errors import DeliveryError
from samizdat.web import read_limits
from samizdat.web.base_form import refuse
from samizdat.web.campaigns import previews
from samizdat.web.campaigns.forms.checks import RulesForm
from samizdat.web.campaigns.views.campaigns import campaign_at
from samizdat.web.permissions import WRITERS, deed, door, go
from samizdat.web.request import DeskRequest


@door(see=WRITERS)
def tags(request: DeskRequest, campaign_id: int) -> HttpResponse:
    """All that a letter can say, for the editor's menu."""
    campaign = campaign_at(request, campaign_id)
    return JsonResponse({"tags": offered(request.organization, campaign.language)})


@deed(WRITERS)
def checks(request: DeskRequest, campaign_id: int) -> HttpResponse:
    """A button beside the checks; answers with all of them anew."""
    campaign = campaign_at(request, campaign_id)
    asked, problem = request.POST.get("do", ""), ""
    try:
        if campaign.state == "draft" and (deed := DEEDS.get(asked)):
            deed(request, campaign)
    except (CampaignError, DeliveryError) as refused:
        problem = str(refused)
    asking, failed = remote_checks.about_links(campaign, timezone.now())
    problem = problem or failed
    if not request.htmx:
        if problem:
            messages.error(request, problem)
        return go(request, "campaign", campaign_id, query="panel=checks")
    now = timezone.now()
    draft, proof = draft_of(campaign), proof_of(campaign, now)
    counted = read_limits.may_count(request, campaign)
    letter_checks = previews.checks(proof, draft, look(campaign, now, draft, proof, counted=counted))
    # The pressed button is gone with its finding: the keyboard goes on from the heading.
    pressed = asked in ("accept", "back", "learn")
    facts = {"campaign": campaign, "checks": letter_checks, "refused": problem, "pressed": pressed, "asking": asking}
    return render(request, "web/campaigns/parts/checks.html", facts)


def _slow(request: DeskRequest, campaign: Campaign) -> None:
    """Spelling, and a piece of the count of empty values; the page asks again while there is more."""
    now = timezone.now()
    proof = proof_of(campaign, now)
    looked = look(campaign, now, proof=proof)
    spelling.check(request.organization.pk, spelling.texts(looked.reading))
    missing_values.count_on(campaign, proof.letter, looked.kept, now)


def _links(request: DeskRequest, campaign: Campaign) -> None:
    if not remote_checks.about_links(campaign, timezone.now())[0]:
        remote_checks.ask(request.organization, "links", campaign.pk, now=dbclock.asked(), by=request.person)


def _accept(request: DeskRequest, campaign: Campaign) -> None:
    key, back = request.POST.get("key", ""), request.POST.get("do") == "back"
    results.accept(campaign, key, by=request.person, now=timezone.now(), back=back)


def _learn(request: DeskRequest, campaign: Campaign) -> None:
    organization_rules.learn(
        request.organization, [request.POST.get("word", "")], by=request.person, now=timezone.now()
    )


DEEDS: dict[str, Callable[[Any, Any], None]] = {
    "slow": _slow,
    "links": _links,
    "accept": _accept,
    "back": _accept,
    "learn": _learn,
}


@door(see=WRITERS, do=WRITERS)
def writing_rules(request: DeskRequest) -> HttpResponse:
    """The organization's own words, and the hosts that its readers cannot reach."""
    organization = request.organization
    known = organization_rules.rules_of(organization)
    shown = "\n".join(sorted(known.blocked(leading(organization).hostile_state)))
    form = RulesForm(request.POST or None, initial={"words": "\n".join(sorted(known.words)), "hosts": shown})
    if form.is_valid():
        answers = form.cleaned_data
        hosts = answers["hosts"]
        # The list that came along, saved as it was shown, goes on being the one that comes along.
        ours = request.POST.get("hosts_of") == "ours" or (known.hosts is None and hosts.split() == shown.split())
        try:
            organization_rules.save(
                organization, answers["words"].split(), None if ours else hosts, by=request.person, now=timezone.now()
            )
        except CampaignError as refused:
            refuse(form, None, refused)
        else:
            messages.success(request, _("Saved. The checks of all campaigns use it from now on."))
            return go(request, "writing-rules")
    facts = {"form": form, "own_hosts": known.hosts is not None, "no_spelling": spelling.missing()}
    return render(request, "web/campaigns/rules.html", facts, status=422 if form.errors else 200)

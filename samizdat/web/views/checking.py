"""What stands beside a letter while it is written: the tags it can say, and what its checks found."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat import hours
from samizdat.campaigns.checks import empties, keeping, rules, spelling
from samizdat.campaigns.draft import draft_of
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.letter import proof_of
from samizdat.campaigns.offering import offered
from samizdat.delivery.actions import questions
from samizdat.delivery.checking import look
from samizdat.delivery.errors import DeliveryError
from samizdat.web import previews
from samizdat.web.doors import WRITERS, deed, door, go
from samizdat.web.forms.base import refuse
from samizdat.web.forms.checking import RulesForm
from samizdat.web.views.campaigns import campaign_at


@door(see=WRITERS)
def tags(request: Any, campaign_id: int) -> HttpResponse:
    """All that a letter can say, for the editor's menu."""
    found = campaign_at(request, campaign_id)
    return JsonResponse({"tags": offered(request.organisation, found.language)})


@deed(WRITERS)
def checks(request: Any, campaign_id: int) -> HttpResponse:
    """A button beside the checks; answers with all of them anew."""
    found = campaign_at(request, campaign_id)
    asked, problem = request.POST.get("do", ""), ""
    try:
        if found.state == "draft" and (deed := DEEDS.get(asked)):
            deed(request, found)
    except (CampaignError, DeliveryError) as refused:
        problem = str(refused)
    asking, failed = questions.about_links(found, timezone.now())
    problem = problem or failed
    if not request.htmx:
        if problem:
            messages.error(request, problem)
        return go(request, "campaign", campaign_id, anchor="checks")
    now = timezone.now()
    draft, proof = draft_of(found), proof_of(found, now)
    told = previews.checks(proof, draft, look(found, now, draft, proof))
    # The pressed button is gone with its finding: the keyboard goes on from the heading.
    pressed = asked in ("accept", "back", "learn")
    facts = {"campaign": found, "checks": told, "refused": problem, "pressed": pressed, "asking": asking}
    return render(request, "web/campaigns/parts/checks.html", facts)


def _slow(request: Any, found: Any) -> None:
    """Spelling, and a piece of the count of empty values; the page asks again while there is more."""
    now = timezone.now()
    proof = proof_of(found, now)
    looked = look(found, now, proof=proof)
    spelling.check(spelling.texts(looked.reading))
    empties.count_on(found, proof.letter, looked.kept, now)


def _links(request: Any, found: Any) -> None:
    if not questions.about_links(found, timezone.now())[0]:
        questions.ask(request.organisation, "links", found.pk, now=hours.asked(), by=request.person)


def _accept(request: Any, found: Any) -> None:
    key, back = request.POST.get("key", ""), request.POST.get("do") == "back"
    keeping.accept(found, key, by=request.person, now=timezone.now(), back=back)


def _learn(request: Any, found: Any) -> None:
    rules.learn(request.organisation, [request.POST.get("word", "")], by=request.person, now=timezone.now())


DEEDS: dict[str, Callable[[Any, Any], None]] = {
    "slow": _slow,
    "links": _links,
    "accept": _accept,
    "back": _accept,
    "learn": _learn,
}


@door(see=WRITERS, do=WRITERS)
def writing_rules(request: Any) -> HttpResponse:
    """The organisation's own words, and the hosts that its readers cannot reach."""
    organisation = request.organisation
    known = rules.rules_of(organisation)
    shown = "\n".join(sorted(known.blocked(organisation.feared)))
    form = RulesForm(request.POST or None, initial={"words": "\n".join(sorted(known.words)), "hosts": shown})
    if form.is_valid():
        answers = form.cleaned_data
        hosts = answers["hosts"]
        # The list that came along, saved as it was shown, goes on being the one that comes along.
        ours = request.POST.get("hosts_of") == "ours" or (known.hosts is None and hosts.split() == shown.split())
        try:
            rules.save(
                organisation, answers["words"].split(), None if ours else hosts, by=request.person, now=timezone.now()
            )
        except CampaignError as refused:
            refuse(form, None, refused)
        else:
            messages.success(request, _("Saved. The checks of every letter know it from now on."))
            return go(request, "writing-rules")
    facts = {"form": form, "own_hosts": known.hosts is not None, "no_spelling": spelling.missing()}
    return render(request, "web/campaigns/rules.html", facts, status=422 if form.errors else 200)

"""From the letter to its release: checklist, test, when, and the one red button."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from samizdat import hours
from samizdat.accounts import people
from samizdat.audience import queries as audience
from samizdat.audience.segments import saved
from samizdat.campaigns import approving, domain, languages
from samizdat.campaigns.audience import counts_long, names
from samizdat.campaigns.draft import draft_of
from samizdat.campaigns.errors import CampaignError
from samizdat.delivery import actions, queries, signing
from samizdat.delivery.errors import DeliveryError
from samizdat.delivery.whom import Whom, whom
from samizdat.vault import house
from samizdat.web import contests
from samizdat.web import languages as spoken
from samizdat.web import whom as saying
from samizdat.web.checklist import checklist, domain_in
from samizdat.web.doors import EVERYONE, WRITERS, address, deed, door, go
from samizdat.web.forms.base import refuse, sentences
from samizdat.web.forms.campaigns import ReleaseForm, TestForm
from samizdat.web.segmenting import segment_word
from samizdat.web.templatetags.desk import count, moment
from samizdat.web.views.campaigns import letter_at, subject_of
from samizdat.web.views.composing import send_test

# Minutes that a letter waits after Release at the desk: time enough to see a slip and take it back.
HOLD = 5


@door(see=EVERYONE, do=WRITERS)
def send(request: Any, campaign_id: int) -> HttpResponse:
    found = letter_at(request, campaign_id)
    if found.state != "draft":
        return go(request, "report", campaign_id)
    now = hours.asked()
    if request.method == "GET" and "counted" not in request.GET and counts_long(found, now):
        # Seconds at a million: the page is there at once and asks for itself again, with the numbers.
        return render(
            request, "web/campaigns/counting.html", {"campaign": found, "subject": subject_of(draft_of(found))}
        )
    reach = whom(found, now)
    form = _form(request, found, reach, now)
    at = form.cleaned_data.get("at") if form.is_bound and not form.errors else None
    facts = _send_facts(request, found, reach, now) | {"form": form, **_times(request, at, now)}
    if form.is_valid() and facts["blocked"]:
        refuse(form, None, _("Something in the checklist stops it. Mend that first."))
    elif form.is_valid() and _released(request, found, form, now):
        return go(request, "report", campaign_id)
    return render(request, "web/campaigns/send.html", facts, status=422 if form.errors else 200)


def _form(request: Any, found: Any, reach: Whom, now: datetime) -> ReleaseForm:
    organisation = request.organisation
    form = ReleaseForm(
        request.POST or None,
        people=reach.may,
        zone=ZoneInfo(organisation.timezone),
        now=now,
        initial={"quiet": organisation.quiet_hours},
        people_at=lambda at: whom(found, now, at).may,
    )
    lately = queries.sent_lately(found, now)
    if lately is not None:
        facts = {"when": moment(lately.released), "n": count(lately.frozen)}
        form.ask_whether_meant(_("The same letter went to this list: %(when)s, to %(n)s people.") % facts)
    return form


def _released(request: Any, found: Any, form: ReleaseForm, now: datetime) -> bool:
    """Whether the engine has taken it; else its refusal stands in the form."""
    answers = form.cleaned_data
    try:
        actions.release(
            found,
            now=now,
            by=request.person,
            at=answers["at"],
            hold_minutes=0 if answers["at"] else HOLD,
            unsure=answers["unsure"],
            quiet=answers["quiet"],
            wave=form.first_wave(),
        )
    except (DeliveryError, CampaignError) as refused:
        refuse(form, None, refused)
        return False
    return True


def _times(request: Any, at: datetime | None, now: datetime) -> dict[str, Any]:
    """When it would go: at a time that was chosen, or after the hold."""
    leaves = at or now + timedelta(minutes=HOLD)
    return {"leaves": saying.times(request.person, leaves), "twice": bool(at and saying.twice(at))}


@door(see=EVERYONE)
def when(request: Any, campaign_id: int) -> HttpResponse:
    """The time that is being chosen, as the readers and the writer have it."""
    letter_at(request, campaign_id)
    now = hours.asked()
    form = ReleaseForm(request.GET, people=0, zone=ZoneInfo(request.organisation.timezone), now=now)
    at = form.cleaned_data["at"] if form.is_valid() else None
    wrong = [str(text) for name in ("when", "time", "day") for text in form.errors.get(name, [])]
    facts = {**_times(request, at, now), "wrong": " ".join(wrong)}
    return render(request, "web/campaigns/parts/when.html", facts)


def _send_facts(request: Any, found: Any, reach: Whom, now: datetime) -> dict[str, Any]:
    draft = draft_of(found)
    items = checklist(request, found, draft, reach, now)
    return {
        "campaign": found,
        "subject": subject_of(draft),
        "draft": draft,
        "items": items,
        "blocked": any(item["kind"] == "stop" for item in items),
        "reach": reach,
        "approval": (standing := approving.standing(found)),
        "agreed_by_her": standing.by == request.person,
        "contest_planned": contests.planned(found),
        "mark": languages.mark(found),
        "languages": spoken.who_gets_which(found, now),
        "rows": saying.rows(reach),
        "list_name": audience.name_of(found.list),
        "segment": _segment(found),
        "test": TestForm(initial={"to": people.email_of(request.person)}, prefix="test"),
        "domain": domain_in(draft.from_email),
        **(_look(organisation=request.organisation, email=draft.from_email) if request.GET.get("look") else {}),
        "hold": HOLD,
        "now": now,
    }


def _segment(found: Any) -> dict[str, str] | None:
    """Name and sentence of the segment it goes to; None where it has none."""
    if found.segment is None:
        return None
    opened = saved.opened(house.keys(found.organisation), found.segment)
    if found.segment.removed:
        return {"name": "", "sentence": ""}
    sentence = names(found.organisation, segment_word).sentence(opened.tree)
    return {"name": opened.name, "sentence": sentence}


def _look(organisation: Any, email: str) -> dict[str, Any]:
    """What name servers say of the sender, and who signs for it."""
    name = domain_in(email)
    signature = signing.signature_of(organisation, name)
    waiting = signature.domain if signature.by == "waiting" else ""
    records = domain.check_domain(name, ours=signature.keys, waiting=waiting) if name else []
    return {"records": records, "signature": signature}


@door(see=EVERYONE)
def domain_cards(request: Any, campaign_id: int) -> HttpResponse:
    """What the sender's domain says; asked for by itself, so that the page does not wait for name servers."""
    draft = draft_of(letter_at(request, campaign_id))
    facts = {"domain": domain_in(draft.from_email), **_look(request.organisation, draft.from_email)}
    return render(request, "web/campaigns/parts/domain.html", facts)


@deed(WRITERS)
def ask(request: Any, campaign_id: int) -> HttpResponse:
    """Asks for a second person's yes."""
    found = letter_at(request, campaign_id)
    try:
        approving.ask(found, by=request.person, now=hours.asked())
    except CampaignError as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("Asked. Your colleagues see it on their first page."))
    return go(request, "send", campaign_id)


@deed(WRITERS)
def agree(request: Any, campaign_id: int) -> HttpResponse:
    """The second person's yes, to the version that her page showed."""
    found, version = letter_at(request, campaign_id), request.POST.get("version", "")
    try:
        number, mark = int(version) if version.isdecimal() else 0, request.POST.get("mark", "")
        approving.agree(found, number, by=request.person, now=hours.asked(), mark=mark)
    except CampaignError as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("You agreed to this text for this audience."))
    return go(request, "send", campaign_id)


@deed(WRITERS)
def test(request: Any, campaign_id: int) -> HttpResponse:
    """One letter to the address in the form."""
    found = letter_at(request, campaign_id)
    form = TestForm(request.POST, prefix="test")
    if form.is_valid():
        then = address(request.organisation, "send", campaign_id)
        return send_test(request, found, form.cleaned_data["to"], then, languages.versions(found))
    messages.error(request, sentences(form))
    return go(request, "send", campaign_id)

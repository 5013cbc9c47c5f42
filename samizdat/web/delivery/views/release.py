"""From the letter to its release: checklist, test, when, and the one red button."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from samizdat import dbclock
from samizdat.accounts import sealed_people
from samizdat.accounts.sealed_settings import Leading, leading
from samizdat.audience import queries as audience
from samizdat.audience.errors import AudienceError
from samizdat.audience.segments.describe import Names
from samizdat.campaigns import approval, translations
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.opened import OpenedCampaign, open_campaign
from samizdat.delivery import actions, dkim_keys, queries, sending_gate
from samizdat.delivery.actions import second_person, sender_checks, welcome
from samizdat.delivery.audience_size import counts_long
from samizdat.delivery.errors import DeliveryError
from samizdat.delivery.recipients_breakdown import RecipientsBreakdown, whom
from samizdat.delivery.suggested_time import suggested_time
from samizdat.web import params, read_limits
from samizdat.web.audience.segment_labels import segment_word
from samizdat.web.base_form import DeskForm, refuse, sentences
from samizdat.web.campaigns import ab_tests
from samizdat.web.campaigns import translations as spoken
from samizdat.web.campaigns.forms.campaigns import AgreeForm, ReleaseForm, TestForm
from samizdat.web.campaigns.views.campaigns import letter_at, subject_of
from samizdat.web.campaigns.views.compose import send_test
from samizdat.web.delivery import recipients_panel as saying
from samizdat.web.delivery.checklist import checklist
from samizdat.web.delivery.recipients_panel import domain_in
from samizdat.web.permissions import EVERYONE, WRITERS, address, deed, door, go
from samizdat.web.remote_checks import ask_dns
from samizdat.web.request import DeskRequest
from samizdat.web.templatetags.desk import count, moment


@door(see=EVERYONE, do=WRITERS)
def send(request: DeskRequest, campaign_id: int) -> HttpResponse:
    campaign = letter_at(request, campaign_id)
    if campaign.state != "draft":
        return go(request, "report", campaign_id)
    now = dbclock.asked()
    if campaign.welcome:
        return _welcome(request, campaign, now)
    if request.method == "GET" and "counted" not in request.GET and counts_long(campaign, now):
        # Seconds at a million: the page is there at once and asks for itself again, with the numbers.
        return render(
            request, "web/campaigns/counting.html", {"campaign": campaign, "subject": subject_of(draft_of(campaign))}
        )
    read_limits.ask_audience(request, campaign)
    reach = whom(campaign, now)
    form = _form(request, campaign, reach, now)
    facts = (
        _send_facts(request, campaign, reach, now) | {"form": form} | _times(request, campaign, form, reach.may, now)
    )
    if form.is_valid() and facts["blocked"]:
        refuse(form, None, _("This campaign can’t be sent yet. Fix the problems in Checks first."))
    elif form.is_valid() and facts["waits_for_dns"]:
        facts |= _ask_dns_first(request, campaign, facts)
    elif form.is_valid() and _released(request, campaign, form, now):
        return go(request, "report", campaign_id)
    return render(request, "web/campaigns/send.html", facts, status=422 if form.errors else 200)


def _ask_dns_first(request: DeskRequest, campaign: Campaign, facts: dict[str, Any]) -> dict[str, object]:
    """The page waits for name servers, and has its button again afterwards; this answer waits for nobody."""
    then, kind = address(request.organization, "send", campaign.pk), sender_checks.CAMPAIGN
    now, by = dbclock.asked(), request.person
    try:
        sender_checks.ask(request.organization, kind, campaign.pk, facts["senders"], now=now, by=by, then=then)
    except DeliveryError as refused:
        refuse(facts["form"], None, refused)
        return {}
    return {"pressed": True, "asking": True, "ask_dns": False}


def _welcome(request: DeskRequest, campaign: Campaign, now: datetime) -> HttpResponse:
    """Of the welcome email of a list: the same checks, and it is switched on; nobody gets it yet."""
    facts = _send_facts(request, campaign, whom(campaign, now), now)
    form = DeskForm(request.POST if request.method == "POST" else None)
    if form.is_valid() and facts["blocked"]:
        refuse(form, None, _("The welcome email can’t be switched on yet. Fix the problems in Checks first."))
    elif form.is_valid() and facts["waits_for_dns"]:
        facts |= _ask_dns_first(request, campaign, facts | {"form": form})
    elif form.is_valid():
        try:
            welcome.switch_on(campaign, now=now, by=request.person, seen=request.POST.get("seen", ""))
        except (DeliveryError, CampaignError, AudienceError) as refused:
            refuse(form, None, refused)
        else:
            messages.success(request, _("The welcome email is on. Everyone who confirms from now on gets it."))
            return go(request, "list", campaign.list_id, anchor="welcome")
    facts |= {"form": form, "on": welcome.status(campaign.list).on}
    return render(request, "web/campaigns/send_welcome.html", facts, status=422 if form.errors else 200)


def _form(request: DeskRequest, campaign: Campaign, reach: RecipientsBreakdown, now: datetime) -> ReleaseForm:
    organization = request.organization
    proposed, was_scheduled = suggested_time(campaign, now)
    initial = {"day": proposed.date(), "time": proposed.time(), "suggested": f"{proposed:%Y-%m-%d %H:%M}"}
    form = ReleaseForm(
        request.POST or None,
        people=reach.may,
        zone=ZoneInfo(organization.timezone),
        now=now,
        initial=initial | {"quiet": organization.quiet_hours, "when": "later" if was_scheduled else "now"},
        people_at=lambda at: whom(campaign, now, at).may,
    )
    lately = queries.sent_lately(campaign, now)
    if lately is not None:
        facts = {"when": moment(lately.released), "n": count(lately.frozen)}
        form.ask_whether_meant(_("The same campaign was sent to this list: %(when)s, to %(n)s recipients.") % facts)
    return form


def _released(request: DeskRequest, campaign: Campaign, form: ReleaseForm, now: datetime) -> bool:
    """Whether the engine has taken it; else its refusal stands in the form."""
    answers = form.cleaned_data
    try:
        actions.release(
            campaign,
            now=now,
            by=request.person,
            at=answers["at"],
            hold_minutes=0 if answers["at"] else form.undo_window,
            unsure=answers["unsure"],
            quiet=answers["quiet"],
            wave=form.first_wave(),
            seen=request.POST.get("seen", ""),
            # A sum that is none, as whoever writes the database makes it, is nobody.
            shown=(params.number(request.POST["people"]) or 0) if "people" in request.POST else None,
            waiting=params.number(request.POST.get("waiting", "")) or 0,
        )
    except (DeliveryError, CampaignError) as refused:
        refuse(form, None, refused)
        return False
    return True


def _times(
    request: DeskRequest, campaign: Campaign, form: ReleaseForm, people: int, now: datetime
) -> dict[str, object]:
    """When it would go: at a time that was chosen, or after the hold; and when the last of so many emails leaves."""
    answers = form.cleaned_data if form.is_bound and not form.errors else {}
    at = answers.get("at")
    if not form.is_bound and form.initial.get("when") == "later":
        at = dbclock.in_zone(form.initial["day"], form.initial["time"], ZoneInfo(request.organization.timezone))
    leaves = at or now + timedelta(minutes=form.undo_window)
    return {
        "at": at,
        "leaves": saying.times(request.person, leaves),
        "last": saying.last_email(campaign, people, leaves, now, answers),
        "twice": bool(at and saying.twice(at)),
        "hold": form.undo_window,
    }


@door(see=EVERYONE)
def show_schedule(request: DeskRequest, campaign_id: int) -> HttpResponse:
    """The time that is being chosen, as the readers and the writer have it, and what follows from it in the summary."""
    campaign, now = letter_at(request, campaign_id), dbclock.asked()
    form = ReleaseForm(request.GET, people=0, zone=ZoneInfo(request.organization.timezone), now=now)
    people = params.number(request.GET.get("people", "")) or 0
    # Whoever has just chosen to schedule it has not chosen a time yet: that is nothing wrong.
    begun = request.GET.get("when") == "later" and not (request.GET.get("day") and request.GET.get("time"))
    wrong = [] if begun else [str(text) for name in ("when", "time", "day") for text in form.errors.get(name, [])]
    facts = {**_times(request, campaign, form, people, now), "wrong": " ".join(wrong), "form": form, "fresh": True}
    return render(request, "web/campaigns/parts/when.html", facts)


def _send_facts(
    request: DeskRequest, campaign: Campaign, reach: RecipientsBreakdown, now: datetime
) -> dict[str, object]:
    opened, kept = open_campaign(campaign), sender_checks.kept(campaign.organization, now)
    refusal, waits_for_dns = (sending_gate.refusal_of_all(opened, kept) if kept else ""), False
    if sender_checks.state(campaign.organization, sender_checks.CAMPAIGN, campaign.pk, now) != "lost":
        waits_for_dns = sending_gate.waits_for_dns(opened, kept, now)
    draft, standing = opened.draft, approval.standing(opened, now=now)
    items = checklist(request, opened, standing, reach, now)
    return {
        "campaign": campaign,
        "subject": subject_of(draft),
        "draft": draft,
        "items": [item for item in items if not item.is_folded],
        "passed": [item for item in items if item.is_folded],
        "blocked": bool(refusal) or any(item.kind == "stop" for item in items),
        "waits_for_dns": waits_for_dns,
        "senders": sending_gate.senders(opened),
        "reach": reach,
        "approval": standing,
        "agreed_by_viewer": standing.by == request.person,
        "contest_planned": ab_tests.planned(campaign),
        "seen": approval.bond_of(opened),
        "languages": spoken.who_gets_which(campaign, now),
        "rows": saying.rows(reach),
        "list_name": opened.sources.list_name,
        "audience": _audience(opened),
        "test": TestForm(initial={"to": sealed_people.email_of(request.person)}, prefix="test"),
        **_look(request, campaign, opened.settings, draft.from_email, now),
        "now": now,
    }


def _audience(opened: OpenedCampaign) -> list[str]:
    """To whom of the list it goes, in a few words each."""
    campaign, row, segment = opened.campaign, opened.campaign.segment, opened.segment
    if campaign.resend_of_id is not None:
        return [_("only those the first campaign didn’t reach")]
    parts = []
    if campaign.tag_id is not None:
        tag = dict(audience.tags(campaign.organization)).get(campaign.tag_id)
        parts.append(_("tag “%(name)s”") % {"name": tag} if tag else _("a deleted tag"))
    if row is not None and segment is not None and not row.removed:
        sentence = Names(row.organization, segment_word).sentence(segment.tree)
        parts.append(_("segment “%(name)s”: %(sentence)s") % {"name": segment.name, "sentence": sentence})
    elif row is not None:
        parts.append(_("a deleted segment"))
    return parts or [_("everyone on the list")]


def _look(request: DeskRequest, campaign: Campaign, settings: Leading, email: str, now: datetime) -> dict[str, object]:
    """What name servers lately said of the sender, whether that stops it, and who signs for it; else whether they are
    being asked."""
    organization, name = request.organization, domain_in(email)
    kept = sender_checks.kept(organization, now)
    records = sending_gate.look(organization, settings, email, kept) if kept else []
    if kept is None or not kept.is_complete:
        state = sender_checks.state(organization, sender_checks.CAMPAIGN, campaign.pk, now)
        may_ask = request.role in WRITERS and not state
        return {"domain": name, "asking": state == "asking", "lost": state == "lost", "ask_dns": may_ask}
    refusal = sending_gate.refusal(organization, settings, email, kept)
    missing = [record for record in records if record.state == "stop"] if refusal else []
    signature = dkim_keys.signature_of(organization, name)
    is_unsigned = signature.by in ("nobody", "waiting")
    if is_unsigned:  # Said once, in a line of the checks.
        records = [record for record in records if record.name != "DKIM" or record.state == "good"]
    records += sending_gate.visibility(kept, name)
    bad = sum(record.state != "good" for record in records)
    words = ngettext("%(n)s warning", "%(n)s warnings", bad) % {"n": count(bad)}
    if not bad:
        words = ngettext("%(n)s check passed", "%(n)s checks passed", len(records)) % {"n": count(len(records))}
    return {
        "domain": name,
        "records": records,
        "records_at": kept.at,
        "records_summary": words,
        "records_mark": "stop" if refusal else "care" if bad else "good",
        "missing": missing,
        "signature": None if is_unsigned else signature,
    }


@door(see=EVERYONE, do=WRITERS)
def domain_cards(request: DeskRequest, campaign_id: int) -> HttpResponse:
    """What the sender's domain says; POST has name servers asked, for which the page waits by itself."""
    campaign = letter_at(request, campaign_id)
    draft, settings = draft_of(campaign), leading(request.organization)
    problem: HttpResponse | str = ""
    if request.method == "POST":
        senders, then = (
            sending_gate.senders(open_campaign(campaign)),
            address(request.organization, "send", campaign_id),
        )
        problem = ask_dns(request, sender_checks.CAMPAIGN, campaign_id, senders, then)
        if isinstance(problem, HttpResponse):
            return problem
    facts = _look(request, campaign, settings, draft.from_email, dbclock.asked())
    facts |= {"campaign": campaign, "problem": problem, "ask_dns": facts.get("ask_dns") and not problem}
    name = "press_waits" if "pressed" in request.GET else "domain"
    return render(request, f"web/campaigns/parts/{name}.html", facts)


@deed(WRITERS)
def request_approval(request: DeskRequest, campaign_id: int) -> HttpResponse:
    """Asks for a second person's yes."""
    campaign = letter_at(request, campaign_id)
    try:
        approval.ask(campaign, by=request.person, now=dbclock.asked())
    except CampaignError as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("Approval requested. Your teammates see it on Home."))
    return go(request, "send", campaign_id)


@deed(WRITERS)
def approve(request: DeskRequest, campaign_id: int) -> HttpResponse:
    """The second person's yes, to what their page showed."""
    form = AgreeForm(request.POST)
    answers = form.cleaned_data if form.is_valid() else {}
    try:
        shown = answers.get("seen", ""), answers.get("people") or 0, answers.get("waiting") or 0
        second_person.agree(letter_at(request, campaign_id), *shown, by=request.person, now=dbclock.asked())
    except CampaignError as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("You approved this text for this audience."))
    return go(request, "send", campaign_id)


@deed(WRITERS)
def test(request: DeskRequest, campaign_id: int) -> HttpResponse:
    """One letter to the address in the form."""
    campaign = letter_at(request, campaign_id)
    form = TestForm(request.POST, prefix="test")
    if form.is_valid():
        then = address(request.organization, "send", campaign_id)
        return send_test(request, campaign, form.cleaned_data["to"], then, translations.versions(campaign))
    messages.error(request, sentences(form))
    return go(request, "send", campaign_id)

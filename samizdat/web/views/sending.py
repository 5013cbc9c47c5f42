"""From the letter to its release: checklist, test, when, and the one red button."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from samizdat import hours, wording
from samizdat.accounts import people
from samizdat.audience import queries as audience
from samizdat.audience.segments import saved
from samizdat.campaigns import approving, domain, languages
from samizdat.campaigns.audience import counts_long, names
from samizdat.campaigns.draft import draft_of
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.letter import proof_of
from samizdat.core.address import BadAddress, normalise
from samizdat.core.address import domain as domain_of
from samizdat.delivery import actions, checking, queries, signing
from samizdat.delivery.errors import DeliveryError
from samizdat.delivery.whom import Whom, whom
from samizdat.events import queries as events
from samizdat.vault import house
from samizdat.web import contests, previews, words
from samizdat.web import languages as spoken
from samizdat.web import whom as saying
from samizdat.web.doors import EVERYONE, WRITERS, address, deed, door, go
from samizdat.web.forms.base import refuse, sentences
from samizdat.web.forms.campaigns import ReleaseForm, TestForm
from samizdat.web.segmenting import segment_word
from samizdat.web.templatetags.desk import count, moment
from samizdat.web.views.campaigns import letter_at, send_test

# Minutes that a letter waits after Release at the desk: time enough to see a slip and take it back.
HOLD = 5


@door(see=EVERYONE, do=WRITERS)
def send(request: Any, campaign_id: int) -> HttpResponse:
    found = letter_at(request, campaign_id)
    if found.state != "draft":
        return go(request, "report", campaign_id)
    now, organisation = hours.asked(), request.organisation
    if request.method == "GET" and "counted" not in request.GET and counts_long(found, now):
        # Seconds at a million: the page is there at once and asks for itself again, with the numbers.
        return render(request, "web/campaigns/counting.html", {"campaign": found, "subject": draft_of(found).subject})
    reach = whom(found, now)
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
    at = form.cleaned_data.get("at") if form.is_bound and not form.errors else None
    facts = _send_facts(request, found, reach, now) | {"form": form, **_times(request, at, now)}
    if form.is_valid() and facts["blocked"]:
        refuse(form, None, _("Something in the checklist stops it. Mend that first."))
    elif form.is_valid():
        at, unsure = form.cleaned_data["at"], form.cleaned_data["unsure"]
        try:
            actions.release(
                found,
                now=now,
                by=request.person,
                at=at,
                hold_minutes=0 if at else HOLD,
                unsure=unsure,
                quiet=form.cleaned_data["quiet"],
                wave=form.first_wave(),
            )
        except (DeliveryError, CampaignError) as refused:
            refuse(form, None, refused)
        else:
            return go(request, "report", campaign_id)
    return render(request, "web/campaigns/send.html", facts, status=422 if form.errors else 200)


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
    items = _checklist(request, found, draft, reach, now)
    return {
        "campaign": found,
        "subject": draft.subject,
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
        "domain": _domain(draft.from_email),
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


def _item(kind: str, title: str, text: str, href: str = "", link: str = "") -> dict[str, str]:
    return {"kind": kind, "title": title, "text": text, "href": href, "link": link}


def _checklist(request: Any, found: Any, draft: Any, reach: Whom, now: datetime) -> list[dict[str, str]]:
    """What must be right before it goes, what is worth a look, what is fine; the worst first."""
    organisation = request.organisation
    items = [
        *_every_flaw(request, found, now),
        *_house(request, organisation),
        _routes(request, organisation, _domain(draft.from_email)),
        _people(request, found, reach),
        *_second_person(request, found),
        _test(organisation, found),
        _bounces(request, organisation, draft),
        _signed(request, organisation, draft),
    ]
    order = {"stop": 0, "care": 1, "good": 2}
    return sorted(items, key=lambda item: order[item["kind"]])


def _every_flaw(request: Any, found: Any, now: datetime) -> list[dict[str, str]]:
    """What the checks say of each version, with the name of its language where there are several."""
    others = languages.in_order(languages.versions(found))
    if not others:
        return [_flaws(request, found, now)]
    told = [(wording.language(one.language), _flaws(request, one, now)) for one in (found, *others)]
    return [item | {"title": f"{name}: {item['title']}"} for name, item in told]


def _flaws(request: Any, found: Any, now: datetime) -> dict[str, str]:
    proof = proof_of(found, now)
    checks = previews.checks(proof, draft_of(found), checking.look(found, now, proof=proof))
    href = address(request.organisation, "campaign", found.pk)
    if checks.stops:
        title = ngettext("%(n)s flaw stops it", "%(n)s flaws stop it", len(checks.stops)) % {"n": len(checks.stops)}
        return _item("stop", title, checks.stops[0].finding.sentence, href, _("Fix it"))
    if checks.cares:
        title = ngettext("%(n)s thing is worth a look", "%(n)s things are worth a look", len(checks.cares))
        return _item("care", title % {"n": len(checks.cares)}, checks.cares[0].finding.sentence, href, _("Look"))
    return _item("good", _("No flaw stops it"), _("Way out, text part, headers and merge tags are in order."))


def _house(request: Any, organisation: Any) -> list[dict[str, str]]:
    items, href = [], address(organisation, "settings") if request.role == "admin" else ""
    if organisation.fenced:
        text = words.campaign_reason("fenced")
        items.append(_item("stop", _("Sending is fenced off"), text))
    if not organisation.public_url:
        text = _("Without an address of the public pages nobody can leave. An admin sets it under Settings.")
        items.append(_item("stop", _("The way out leads nowhere"), text, href, _("Settings")))
    if not organisation.postal_address:
        text = _("Many countries want it at the foot of a letter. An admin sets it under Settings.")
        items.append(_item("care", _("No postal address"), text, href, _("Settings")))
    return items


def _routes(request: Any, organisation: Any, domain: str) -> dict[str, str]:
    routes = queries.routes(organisation)
    living = [route for route in routes if route.state in ("live", "throttled")]
    usable = [route for route in living if domain not in (bar.domain for bar in route.barred)]
    # Live again after it was condemned, and nothing taken since: nobody knows yet whether it lives.
    live = [route for route in usable if route.state == "live" and not route.reason]
    href = address(organisation, "routes") if request.role == "admin" else ""
    if living and not usable:
        text = _("%(names)s: the provider does not accept this domain. An admin sees under Routes what it said.")
        title = _("No route takes letters from %(domain)s") % {"domain": domain}
        names = ", ".join(route.name for route in living)
        return _item("stop", title, text % {"names": names}, href, _("Routes"))
    if not usable:
        text = _("Without one nothing can leave. An admin adds or mends one under Routes.")
        return _item("stop", _("No route lives"), text, href, _("Routes"))
    if not live:
        text = _("Tried again: %(names)s. As long as none of them takes it, the letter waits.")
        names = ", ".join(route.name for route in usable)
        return _item("care", _("No route is known to live"), text % {"names": names}, href, _("Routes"))
    names = ", ".join(route.name for route in live)
    if len(live) < len(routes):
        text = _("Living: %(names)s. The others rest or are tried again; mail goes by those that live.")
        return _item("care", _("Not every route lives"), text % {"names": names}, href, _("Routes"))
    return _item("good", _("The routes live"), _("In this order: %(names)s.") % {"names": names})


def _people(request: Any, found: Any, reach: Whom) -> dict[str, str]:
    if reach.broken:
        href = address(request.organisation, "campaign", found.pk)
        return _item("stop", _("Whom it goes to is gone"), reach.broken, href, _("Choose"))
    if reach.may:
        return _item(
            "good", _("Everybody on it agreed"), _("We look again, for each of them, just before her letter goes.")
        )
    href = address(request.organisation, "imports")
    return _item(
        "stop",
        _("It reaches nobody"),
        _("Nobody on this list may be written to. Choose another list or tag."),
        href,
        _("Import"),
    )


def _second_person(request: Any, found: Any) -> list[dict[str, str]]:
    """What a second person has said. It stops the release where the organisation wants her yes."""
    standing, stops = approving.standing(found), request.organisation.second_person
    kind = "stop" if stops else "care"
    if standing.state == "given":
        facts = {"name": standing.name or _("Somebody"), "when": moment(standing.given)}
        text = _("%(name)s agreed to this text for this audience: %(when)s. If you change either, it is asked again.")
        if stops and standing.by == request.person:
            return [_item("stop", _("Somebody else has to release it"), _("You agreed to it; two people are needed."))]
        return [_item("good", _("A second person agrees"), text % facts)]
    if standing.state == "changed":
        text = _("%(name)s agreed: %(when)s. Since then the letter or its audience was changed.")
        facts = {"name": standing.name or _("Somebody"), "when": moment(standing.given)}
        return [_item(kind, _("The yes was for another version"), text % facts, "#second", _("Ask again"))]
    if standing.state == "asked":
        name = people.name_of(standing.asked_by) if standing.asked_by else _("Somebody")
        text = _("%(name)s asked for it: %(when)s. Colleagues see it on their first page.")
        facts = {"name": name, "when": moment(standing.asked)}
        return [_item(kind, _("It waits for the yes of a second person"), text % facts, "#second", _("Agree"))]
    if not stops:
        return []
    text = _("Here no letter leaves before somebody else than whoever releases it agrees to it.")
    return [_item("stop", _("A second person has not agreed yet"), text, "#second", _("Ask"))]


def _test(organisation: Any, found: Any) -> dict[str, str]:
    tested = events.about(organisation, "campaign.tested", found.pk, limit=1)
    if tested:
        text = _("%(when)s. Look at it on a phone; we do not know who opened it.") % {"when": moment(tested[0].at)}
        return _item("good", _("A test was sent"), text)
    return _item("care", _("No test was sent"), _("Send one to yourself and read it on a phone."), "#test", _("Test"))


def _bounces(request: Any, organisation: Any, draft: Any) -> dict[str, str]:
    if organisation.return_address:
        text = _("Mail that cannot be handed over comes back to %(address)s.") % {
            "address": organisation.return_address
        }
        return _item("good", _("Bounces have a place"), text)
    href = address(organisation, "settings") if request.role == "admin" else ""
    text = _("Bounces come back to the sender, %(address)s. A mailbox of their own keeps answers findable.")
    return _item("care", _("Bounces go to the sender"), text % {"address": draft.from_email}, href, _("Settings"))


def _signed(request: Any, organisation: Any, draft: Any) -> dict[str, str]:
    """Whether we sign, or the provider of a route has to, or nobody does."""
    signature = signing.signature_of(organisation, _domain(draft.from_email))
    if signature.by == "waiting":
        row = signing.domain_named(organisation, signature.domain)
        href = address(organisation, "sending-domain", row.pk) if row and request.role == "admin" else ""
        return _item("care", _("Nobody signs it yet"), signature.sentence, href, signature.domain)
    if signature.by == "nobody":
        href = address(organisation, "domains") if request.role == "admin" else ""
        return _item("care", _("Nobody signs it"), signature.sentence, href, _("Sending domains"))
    title = _("The provider signs it") if signature.by == "relay" else _("It is signed")
    return _item("good", title, signature.sentence)


def _domain(email: str) -> str:
    try:
        return domain_of(normalise(email))
    except BadAddress:
        return ""


def _look(organisation: Any, email: str) -> dict[str, Any]:
    """What name servers say of the sender, and who signs for it."""
    name = _domain(email)
    signature = signing.signature_of(organisation, name)
    waiting = signature.domain if signature.by == "waiting" else ""
    records = domain.check_domain(name, ours=signature.keys, waiting=waiting) if name else []
    return {"records": records, "signature": signature}


@door(see=EVERYONE)
def domain_cards(request: Any, campaign_id: int) -> HttpResponse:
    """What the sender's domain says; asked for by itself, so that the page does not wait for name servers."""
    draft = draft_of(letter_at(request, campaign_id))
    facts = {"domain": _domain(draft.from_email), **_look(request.organisation, draft.from_email)}
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
        send_test(request, found, form.cleaned_data["to"], languages.versions(found))
    else:
        messages.error(request, sentences(form))
    return go(request, "send", campaign_id)

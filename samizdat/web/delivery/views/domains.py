"""Sending domains: their keys, the records to publish, and which key signs."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat import dbclock
from samizdat.accounts.sealed_settings import leading
from samizdat.delivery import dkim_keys, sending_gate
from samizdat.delivery.actions import domains as actions
from samizdat.delivery.actions import rate_budgets, sender_checks
from samizdat.delivery.errors import DomainRefused
from samizdat.delivery.models import DkimKey, RemoteCheck, SendingDomain
from samizdat.incoming import domain_reports
from samizdat.web import labels
from samizdat.web.base_form import refuse
from samizdat.web.charts import bars
from samizdat.web.delivery.forms.domains import AllowForm, DomainForm, KeyForm, WarmUpForm
from samizdat.web.permissions import ADMINS, KEEPERS, address, deed, door, go
from samizdat.web.remote_checks import ask, ask_dns
from samizdat.web.request import DeskRequest
from samizdat.web.settings.views.pending_changes import tell_waiting, waits


@door(see=KEEPERS, do=ADMINS)
def domains(request: DeskRequest) -> HttpResponse:
    """All sending domains; POST adds one with its keys."""
    form = DomainForm(request.POST or None)
    if form.is_valid():
        try:
            domain = actions.add_domain(
                request.organization,
                form.cleaned_data["name"],
                now=timezone.now(),
                by=request.person,
                algorithms=form.algorithms(),
            )
        except DomainRefused as refused:
            refuse(form, refused.field, refused)
        else:
            tell_waiting(request, "domain", domain.pk)
            return go(request, "sending-domain", domain.pk)
    facts = {"domains": dkim_keys.domains(request.organization), "form": form}
    return render(request, "web/domains/domains.html", facts, status=422 if form.errors else 200)


def _domain(request: DeskRequest, domain_id: int) -> SendingDomain:
    domain = request.organization.sending_domains.select_related("organization").filter(pk=domain_id).first()
    if domain is None:
        raise Http404
    return domain


def _key(request: DeskRequest, domain_id: int, key_id: int) -> DkimKey:
    keys = _domain(request, domain_id).keys.select_related("domain__organization")
    key = keys.filter(pk=key_id).first()
    if key is None:
        raise Http404
    return key


@door(see=KEEPERS, do=ADMINS)
def sending_domain(request: DeskRequest, domain_id: int) -> HttpResponse:
    """Its keys and their records, those that wait first; POST adds one more key, or sets its warm-up."""
    domain = _domain(request, domain_id)
    warms = "warm_up" in request.POST
    plan = WarmUpForm(request.POST if warms else None, initial={"warm_up": domain.warm_up.replace(",", ", ")})
    if warms and _warmed(request, domain, plan):
        return go(request, "sending-domain", domain.pk)
    form = KeyForm(None if warms else request.POST or None)
    if form.is_valid():
        answers = form.cleaned_data
        private = answers["private"].encode() if answers["private"].strip() else None
        try:
            key = actions.add_key(
                domain,
                answers["algorithm"],
                now=timezone.now(),
                by=request.person,
                selector=answers["selector"],
                private=private,
            )
        except DomainRefused as refused:
            refuse(form, refused.field, refused)
        else:
            messages.success(
                request, _("Key %(selector)s created. Publish its DNS record.") % {"selector": key.selector}
            )
            tell_waiting(request, "key", key.pk)
            return go(request, "sending-domain", domain.pk)
    row = dkim_keys.domain_row(domain)
    today = dict(rate_budgets.used_of_domains(request.organization.pk, timezone.now())).get(domain.name)
    facts = {
        "row": row,
        "allow": AllowForm(),
        "form": form,
        "plan": plan,
        "warming": labels.used(today) if today else "",
        **_records(request, domain),
        **_reports(request, domain),
        **_groups(row),
    }
    return render(request, "web/domains/domain.html", facts, status=422 if form.errors or plan.errors else 200)


def _warmed(request: DeskRequest, domain: SendingDomain, form: WarmUpForm) -> bool:
    """Writes the plan; False where it is none, which then stands at its field."""
    if not form.is_valid():
        return False
    try:
        kept = actions.warm_up(domain, form.cleaned_data["warm_up"], now=timezone.now(), by=request.person)
    except DomainRefused as refused:
        refuse(form, refused.field, refused)
        return False
    sentence = (
        _("Emails per day from %(domain)s: %(plan)s. Day one is the day this was set.")
        if kept.warm_up
        else _("%(domain)s has no warm-up: its emails are sent as fast as the routes allow.")
    )
    messages.success(request, sentence % {"domain": kept.name, "plan": kept.warm_up.replace(",", ", ")})
    return True


@door(see=KEEPERS, do=ADMINS)
def domain_records(request: DeskRequest, domain_id: int) -> HttpResponse:
    """What DNS lacks for a sender at this domain; POST has name servers asked, for which the page waits by itself."""
    domain, problem = _domain(request, domain_id), ""
    if request.method == "POST":
        then = address(request.organization, "sending-domain", domain.pk) + "#records"
        asked = ask_dns(request, sender_checks.DOMAIN, domain.pk, [_sender(domain)], then)
        if isinstance(asked, HttpResponse):
            return asked
        problem = asked
    facts = {"row": dkim_keys.domain_row(domain), "problem": problem, **_records(request, domain)}
    return render(request, "web/domains/parts/records.html", facts | {"ask_dns": facts.get("ask_dns") and not problem})


def _sender(domain: SendingDomain) -> str:
    return f"postmaster@{domain.name}"


def _records(request: DeskRequest, domain: SendingDomain) -> dict[str, object]:
    """What name servers lately said; else whether they are being asked."""
    organization, now = request.organization, dbclock.asked()
    kept = sender_checks.kept(organization, now)
    records = sending_gate.look(organization, leading(organization), _sender(domain), kept) if kept else []
    if kept is None or not kept.is_complete:
        state = sender_checks.state(organization, sender_checks.DOMAIN, domain.pk, now)
        may_ask = request.role in ADMINS and not state
        return {"records": None, "asking": state == "asking", "lost": state == "lost", "ask_dns": may_ask}
    return {"records": [*records, *sending_gate.visibility(kept, domain.name)], "records_at": kept.at}


# Sources that the chart and the table show.
MOST_SOURCES = 20


def _reports(request: DeskRequest, domain: SendingDomain) -> dict[str, object]:
    """Who sends as this domain, as receivers report it."""
    sums = domain_reports.sums(request.organization, domain.name, dbclock.asked())
    shown = sums.sources[:MOST_SOURCES]
    chart = [(source.name or _("other sources"), (source.passed, source.failed)) for source in shown[:8]]
    return {
        "sums": sums,
        "sources": shown,
        "source_bars": bars(chart) if shown else None,
        "reports_to": sending_gate.reports_to(leading(request.organization), domain.name),
    }


@deed(ADMINS)
def allow_domain(request: DeskRequest, domain_id: int) -> HttpResponse:
    """Campaigns go though records are missing, for the reason that is given; without one they are required again."""
    domain = _domain(request, domain_id)
    try:
        if "require" in request.POST:
            actions.require_records(domain, now=timezone.now(), by=request.person)
            sentence = _("%(domain)s needs its DNS records to send.")
        else:
            reason = request.POST.get("reason", "")
            actions.allow_without_records(domain, reason, now=timezone.now(), by=request.person)
            sentence = _("%(domain)s may send without its DNS records.")
    except DomainRefused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, sentence % {"domain": domain.name})
    return go(request, "sending-domain", domain.pk)


def _groups(row: dkim_keys.DomainRow) -> dict[str, object]:
    """Missing first, then what signs, then what gives way; retired ones are a line each."""
    by_state: dict[str, list[dkim_keys.KeyRow]] = {}
    for key in row.keys:
        by_state.setdefault(key.state, []).append(key)
    waiting = [*by_state.get("new", ()), *by_state.get("published", ())]
    covered = {key.algorithm for key in waiting}
    return {
        "shown": [*waiting, *by_state.get("active", ()), *by_state.get("retiring", ())],
        "retired": by_state.get("retired", []),
        "unseen": bool(by_state.get("new")),
        "ready": bool(by_state.get("published")),
        "may_rotate": any(key.algorithm not in covered for key in row.active),
    }


@deed(ADMINS)
def check_records(request: DeskRequest, domain_id: int) -> HttpResponse:
    """Asks the name servers; a new key whose record is there is published then."""
    domain = _domain(request, domain_id)
    return ask(request, "records", domain.pk, address(request.organization, "sending-domain", domain.pk))


def tell_records(request: DeskRequest, _question: RemoteCheck, answer: dict[str, Any]) -> None:
    for selector, state in answer["records"]:
        tell = messages.success if state == "right" else messages.warning
        tell(request, labels.record_found(selector, state))


@deed(ADMINS)
def activate_keys(request: DeskRequest, domain_id: int) -> HttpResponse:
    """Every key that waits with its record published signs from now on."""
    domain = _domain(request, domain_id)
    try:
        active = actions.activate_published(domain, now=timezone.now(), by=request.person)
    except DomainRefused as refused:
        messages.error(request, str(refused))
    else:
        _tell_active(request, [key.selector for key in active])
    return go(request, "sending-domain", domain.pk)


def _tell_active(request: DeskRequest, selectors: list[str]) -> None:
    if selectors:
        sentence = _("Emails are now signed with %(selectors)s.")
        messages.success(request, sentence % {"selectors": ", ".join(selectors)})
    else:
        messages.error(request, _("No new key with a published record. Press Check first."))


@deed(ADMINS)
def rotate_keys(request: DeskRequest, domain_id: int) -> HttpResponse:
    domain = _domain(request, domain_id)
    try:
        actions.rotate(domain, now=timezone.now(), by=request.person)
    except DomainRefused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("New keys created. Publish their records. Until then, the old keys sign."))
    return go(request, "sending-domain", domain.pk)


@deed(ADMINS)
def say_published(request: DeskRequest, domain_id: int, key_id: int) -> HttpResponse:
    key = _key(request, domain_id, key_id)
    try:
        actions.say_published(key, now=timezone.now(), by=request.person)
    except DomainRefused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("%(selector)s is marked as published.") % {"selector": key.selector})
    return go(request, "sending-domain", domain_id)


@deed(ADMINS)
def activate_key(request: DeskRequest, domain_id: int, key_id: int) -> HttpResponse:
    key = _key(request, domain_id, key_id)
    try:
        actions.activate(key, now=timezone.now(), by=request.person)
    except DomainRefused as refused:
        messages.error(request, str(refused))
    else:
        _tell_active(request, [key.selector])
    return go(request, "sending-domain", domain_id)


@door(see=ADMINS, do=ADMINS)
def retire_key(request: DeskRequest, domain_id: int, key_id: int) -> HttpResponse:
    key = _key(request, domain_id, key_id)
    if request.method == "POST":
        try:
            waiting = actions.retire(key, now=timezone.now(), by=request.person)
        except DomainRefused as refused:
            messages.error(request, str(refused))
        else:
            if waiting:
                waits(request, waiting)
            else:
                messages.success(
                    request, _("Key %(selector)s is retired. It won’t sign again.") % {"selector": key.selector}
                )
        return go(request, "sending-domain", domain_id)
    return render(request, "web/domains/retire.html", {"key": key, "overlap": actions.OVERLAP})


@door(see=ADMINS, do=ADMINS)
def remove_domain(request: DeskRequest, domain_id: int) -> HttpResponse:
    domain = _domain(request, domain_id)
    if request.method == "POST":
        if waiting := actions.remove_domain(domain, now=timezone.now(), by=request.person):
            waits(request, waiting)
            return go(request, "sending-domain", domain.pk)
        messages.success(request, _("%(domain)s was removed and its keys deleted.") % {"domain": domain.name})
        return go(request, "domains")
    return render(request, "web/domains/remove.html", {"domain": domain})

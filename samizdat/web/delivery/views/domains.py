"""Sending domains: their keys, the records to publish, and which key signs."""

from collections import Counter
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from samizdat import dbclock
from samizdat.accounts.sealed_settings import leading
from samizdat.delivery import dkim_keys, sealed_domains, sending_gate
from samizdat.delivery.actions import domain_switch, rate_budgets, sender_checks
from samizdat.delivery.actions import domains as actions
from samizdat.delivery.actions.domain_switch import SwitchPlan, SwitchResult
from samizdat.delivery.errors import DomainRefused
from samizdat.delivery.models import DkimKey, RemoteCheck, SendingDomain
from samizdat.incoming import domain_reports
from samizdat.incoming.domain_reports import DomainSums
from samizdat.web import labels
from samizdat.web.base_form import refuse
from samizdat.web.charts import bars
from samizdat.web.delivery.forms.domains import AllowForm, DomainForm, KeyForm, WarmUpForm
from samizdat.web.permissions import ADMINS, KEEPERS, address, deed, door, go
from samizdat.web.remote_checks import ask, ask_dns
from samizdat.web.request import DeskRequest
from samizdat.web.settings.views.pending_changes import tell_waiting, waits
from samizdat.web.templatetags.desk import count


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
        **_switched(request, domain),
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
    settings = sending_gate.settings_for(organization, domain.name)
    records = sending_gate.look(organization, settings, _sender(domain), kept) if kept else []
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
        "connections": _connections(sums),
        "sources": shown,
        "source_bars": bars(chart, names_above=True) if shown else None,
        "reports_to": sending_gate.reports_to(leading(request.organization), domain.name),
    }


def _connections(sums: DomainSums) -> list[tuple[str, int]]:
    """How many came encrypted, and why others didn't, in words."""
    by_word = Counter[str]()
    for result, many in sums.tls.items():
        by_word[str(labels.TLS_RESULTS.get(result, labels.TLS_RESULTS["other"]))] += many
    return by_word.most_common()


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


def _switched(request: DeskRequest, domain: SendingDomain) -> dict[str, object]:
    """Which domains it took the place of, those of them that one can switch back to, and what readers may be told."""
    kept = leading(request.organization)
    before = [old for old, new in kept.switched.items() if new == domain.name]
    rows = [row for old in before if (row := dkim_keys.domain_named(request.organization, old))]
    with translation.override(kept.language):
        words = _("We now write to you from %(domain)s. Please add our new address to your contacts.")
    return {
        "came_from": before,
        "back_to": [row for row in rows if sealed_domains.is_spare(row)],
        "tell_readers": words % {"domain": domain.name},
    }


@deed(ADMINS)
def spare_domain(request: DeskRequest, domain_id: int) -> HttpResponse:
    """Keeps a domain as a spare one, or no longer."""
    domain = _domain(request, domain_id)
    try:
        if "off" in request.POST:
            domain_switch.keep_spare_no_more(domain, now=timezone.now(), by=request.person)
            messages.success(request, _("%(domain)s is no longer a spare domain.") % {"domain": domain.name})
        elif waiting := domain_switch.keep_spare(domain, now=timezone.now(), by=request.person):
            waits(request, waiting)
        else:
            messages.success(request, _("%(domain)s is a spare domain.") % {"domain": domain.name})
    except DomainRefused as refused:
        messages.error(request, str(refused))
    return go(request, "sending-domain", domain.pk, anchor="spare")


@door(see=ADMINS, do=ADMINS)
def switch_domain(request: DeskRequest, domain_id: int) -> HttpResponse:
    """What would come from a spare domain, and the question whether it shall."""
    domain = _domain(request, domain_id)
    in_use = domain_switch.domains_in_use(request.organization, but=domain.name)
    chosen = request.POST.get("from") or request.GET.get("from", "")
    old = chosen if chosen in in_use else next(iter(in_use), "")
    plan = domain_switch.plan(domain, old) if old else None
    kept = sender_checks.kept(request.organization, dbclock.asked())
    problem = ""
    if request.method == "POST":
        answer = _switch(request, domain, plan, kept)
        if isinstance(answer, HttpResponse):
            return answer
        problem = answer
    elif plan and kept and not domain_switch.waits_for_dns(request.organization, plan, kept, dbclock.asked()):
        problem = domain_switch.refusal(request.organization, plan, kept)
    facts = {
        "domain": domain,
        "is_spare": sealed_domains.is_spare(domain),
        "plan": plan,
        "others": [name for name in in_use if name != old],
        "problem": problem,
    }
    return render(request, "web/domains/switch.html", facts, status=422 if request.method == "POST" else 200)


def _switch(
    request: DeskRequest, domain: SendingDomain, plan: SwitchPlan | None, kept: sending_gate.KeptAnswers | None
) -> HttpResponse | str:
    """Where it leads to, else why it is refused. Where nobody knows yet what name servers say, the page asks first."""
    organization, now = request.organization, dbclock.asked()
    is_lost = sender_checks.state(organization, sender_checks.DOMAIN, domain.pk, now) == "lost"
    if plan and not is_lost and domain_switch.waits_for_dns(organization, plan, kept, now):
        then = f"{address(organization, 'switch-domain', domain.pk)}?{urlencode({'from': plan.old})}"
        return ask_dns(request, sender_checks.DOMAIN, domain.pk, domain_switch.senders(plan), then)
    try:
        result = domain_switch.switch(
            domain,
            plan.old if plan else "",
            now=timezone.now(),
            by=request.person,
            pauses="keep_sending" not in request.POST,
            kept=kept,
        )
    except DomainRefused as refused:
        return str(refused)
    _tell_switched(request, domain, result)
    return go(request, "sending-domain", domain.pk, anchor="spare")


# Campaigns that need a person, of which the page says each why.
MOST_LEFT = 5


def _tell_switched(request: DeskRequest, domain: SendingDomain, result: SwitchResult) -> None:
    facts = {
        "domain": domain.name,
        "drafts": count(result.drafts),
        "scheduled": count(len(result.scheduled)),
        "paused": count(len(result.paused)),
    }
    sentence = _(
        "Emails come from %(domain)s now. Drafts changed: %(drafts)s. Scheduled as before: %(scheduled)s. "
        "Paused: %(paused)s."
    )
    messages.success(request, sentence % facts)
    for number, reason in [*result.left.items()][:MOST_LEFT]:
        line = _("Campaign No. %(number)s waits for your decision: %(reason)s")
        messages.warning(request, line % {"number": number, "reason": reason})
    if (more := len(result.left) - MOST_LEFT) > 0:
        line = ngettext(
            "%(n)s more campaign waits for your decision.", "%(n)s more campaigns wait for your decision.", more
        )
        messages.warning(request, line % {"n": count(more)})


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

"""Sending domains: their keys, the records to publish, and which key signs."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat.delivery import signing
from samizdat.delivery.actions import domains as actions
from samizdat.delivery.actions import pacing
from samizdat.delivery.errors import DomainRefused
from samizdat.web import words
from samizdat.web.asking import ask
from samizdat.web.doors import ADMINS, KEEPERS, address, deed, door, go
from samizdat.web.forms.base import refuse
from samizdat.web.forms.domains import DomainForm, KeyForm, WarmUpForm
from samizdat.web.views.waiting import tell_waiting, waits


@door(see=KEEPERS, do=ADMINS)
def domains(request: Any) -> HttpResponse:
    """All sending domains; POST adds one with its keys."""
    form = DomainForm(request.POST or None)
    if form.is_valid():
        try:
            made = actions.add_domain(
                request.organisation,
                form.cleaned_data["name"],
                now=timezone.now(),
                by=request.person,
                algorithms=form.algorithms(),
            )
        except DomainRefused as refused:
            refuse(form, refused.field, refused)
        else:
            tell_waiting(request, "domain", made.pk)
            return go(request, "sending-domain", made.pk)
    facts = {"domains": signing.domains(request.organisation), "form": form}
    return render(request, "web/domains/domains.html", facts, status=422 if form.errors else 200)


def _domain(request: Any, domain_id: int) -> Any:
    found = request.organisation.sending_domains.select_related("organisation").filter(pk=domain_id).first()
    if found is None:
        raise Http404
    return found


def _key(request: Any, domain_id: int, key_id: int) -> Any:
    keys = _domain(request, domain_id).keys.select_related("domain__organisation")
    found = keys.filter(pk=key_id).first()
    if found is None:
        raise Http404
    return found


@door(see=KEEPERS, do=ADMINS)
def sending_domain(request: Any, domain_id: int) -> HttpResponse:
    """Its keys and their records, those that wait first; POST adds one more key, or sets its warm-up."""
    found = _domain(request, domain_id)
    warms = "warm_up" in request.POST
    plan = WarmUpForm(request.POST if warms else None, initial={"warm_up": found.warm_up.replace(",", ", ")})
    if warms and _warmed(request, found, plan):
        return go(request, "sending-domain", found.pk)
    form = KeyForm(None if warms else request.POST or None)
    if form.is_valid():
        answers = form.cleaned_data
        private = answers["private"].encode() if answers["private"].strip() else None
        try:
            made = actions.add_key(
                found,
                answers["algorithm"],
                now=timezone.now(),
                by=request.person,
                selector=answers["selector"],
                private=private,
            )
        except DomainRefused as refused:
            refuse(form, refused.field, refused)
        else:
            messages.success(request, _("%(selector)s is made. Publish its record.") % {"selector": made.selector})
            tell_waiting(request, "key", made.pk)
            return go(request, "sending-domain", found.pk)
    row = signing.domain_row(found)
    today = dict(pacing.used_of_domains(request.organisation.pk, timezone.now())).get(found.name)
    facts = {
        "row": row,
        "form": form,
        "plan": plan,
        "warming": words.used(today) if today else "",
        **_groups(row),
    }
    return render(request, "web/domains/domain.html", facts, status=422 if form.errors or plan.errors else 200)


def _warmed(request: Any, found: Any, form: WarmUpForm) -> bool:
    """Writes the plan; False where it is none, which then stands at its field."""
    if not form.is_valid():
        return False
    try:
        kept = actions.warm_up(found, form.cleaned_data["warm_up"], now=timezone.now(), by=request.person)
    except DomainRefused as refused:
        refuse(form, refused.field, refused)
        return False
    sentence = (
        _("From %(domain)s go so many letters a day: %(plan)s. The first is the day on which it was set.")
        if kept.warm_up
        else _("%(domain)s has no warm-up: its letters go as the routes let them.")
    )
    messages.success(request, sentence % {"domain": kept.name, "plan": kept.warm_up.replace(",", ", ")})
    return True


def _groups(row: signing.DomainRow) -> dict[str, Any]:
    """Missing first, then what signs, then what gives way; retired ones are a line each."""
    by_state: dict[str, list[signing.KeyRow]] = {}
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
def check_records(request: Any, domain_id: int) -> HttpResponse:
    """Asks the name servers; a new key whose record is there is published then."""
    found = _domain(request, domain_id)
    return ask(request, "records", found.pk, address(request.organisation, "sending-domain", found.pk))


def tell_records(request: Any, _question: Any, answer: dict[str, Any]) -> None:
    for selector, found in answer["records"]:
        tell = messages.success if found == "right" else messages.warning
        tell(request, words.record_found(selector, found))


@deed(ADMINS)
def activate_keys(request: Any, domain_id: int) -> HttpResponse:
    """Every key that waits with its record published signs from now on."""
    found = _domain(request, domain_id)
    try:
        active = actions.activate_published(found, now=timezone.now(), by=request.person)
    except DomainRefused as refused:
        messages.error(request, str(refused))
    else:
        _tell_active(request, [key.selector for key in active])
    return go(request, "sending-domain", found.pk)


def _tell_active(request: Any, selectors: list[str]) -> None:
    if selectors:
        sentence = _("Letters are signed with %(selectors)s from now on.")
        messages.success(request, sentence % {"selectors": ", ".join(selectors)})
    else:
        messages.error(request, _("No key waits with its record published. Press Check first."))


@deed(ADMINS)
def rotate_keys(request: Any, domain_id: int) -> HttpResponse:
    found = _domain(request, domain_id)
    try:
        actions.rotate(found, now=timezone.now(), by=request.person)
    except DomainRefused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("The new keys are made. Publish their records; until then the old ones sign."))
    return go(request, "sending-domain", found.pk)


@deed(ADMINS)
def say_published(request: Any, domain_id: int, key_id: int) -> HttpResponse:
    key = _key(request, domain_id, key_id)
    try:
        actions.say_published(key, now=timezone.now(), by=request.person)
    except DomainRefused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("%(selector)s counts as published.") % {"selector": key.selector})
    return go(request, "sending-domain", domain_id)


@deed(ADMINS)
def activate_key(request: Any, domain_id: int, key_id: int) -> HttpResponse:
    key = _key(request, domain_id, key_id)
    try:
        actions.activate(key, now=timezone.now(), by=request.person)
    except DomainRefused as refused:
        messages.error(request, str(refused))
    else:
        _tell_active(request, [key.selector])
    return go(request, "sending-domain", domain_id)


@door(see=ADMINS, do=ADMINS)
def retire_key(request: Any, domain_id: int, key_id: int) -> HttpResponse:
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
                messages.success(request, _("%(selector)s never signs again.") % {"selector": key.selector})
        return go(request, "sending-domain", domain_id)
    return render(request, "web/domains/retire.html", {"key": key, "overlap": actions.OVERLAP})


@door(see=ADMINS, do=ADMINS)
def remove_domain(request: Any, domain_id: int) -> HttpResponse:
    found = _domain(request, domain_id)
    if request.method == "POST":
        if waiting := actions.remove_domain(found, now=timezone.now(), by=request.person):
            waits(request, waiting)
            return go(request, "sending-domain", found.pk)
        messages.success(request, _("%(domain)s is removed and its keys forgotten.") % {"domain": found.name})
        return go(request, "domains")
    return render(request, "web/domains/remove.html", {"domain": found})

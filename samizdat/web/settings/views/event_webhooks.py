"""Webhooks: added, shown with their last tries, tested, given another secret, switched on again, and removed."""

import os

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from samizdat.accounts.queries import name_in
from samizdat.audience import queries
from samizdat.portability.webhooks import actions
from samizdat.portability.webhooks.actions import EventWebhookView
from samizdat.portability.webhooks.delivering import sentence_of
from samizdat.portability.webhooks.records import EventWebhookRefused
from samizdat.web.base_form import refuse
from samizdat.web.permissions import ADMINS, deed, door, go
from samizdat.web.request import DeskRequest
from samizdat.web.settings.forms.event_webhooks import EventWebhookForm
from samizdat.web.settings.views.pending_changes import tell_waiting

# State of a webhook -> the class of its mark, and its words.
STATES = {
    "active": ("good", lazy("Working")),
    "failing": ("care", lazy("Failing")),
    "disabled": ("stop", lazy("Switched off")),
    "waiting": ("care", lazy("Waiting for approval")),
    "ended": ("stop", lazy("Ended: the person who added it is no longer an admin")),
    "removed": ("stop", lazy("Removed")),
    "broken": ("stop", lazy("Its record was changed. Remove it and add it again.")),
}


@door(see=ADMINS, do=ADMINS)
def list_event_webhooks(request: DeskRequest) -> HttpResponse:
    """All webhooks; POST adds one and shows its secret once."""
    organization, secret = request.organization, ""
    lists = queries.lists(organization)
    form = EventWebhookForm(request.POST or None, lists=lists)
    if form.is_valid():
        try:
            secret, row = actions.add(organization, **form.cleaned_data, now=timezone.now(), by=request.person)
        except EventWebhookRefused as refused:
            refuse(form, "url", refused)
        else:
            tell_waiting(request, actions.CHANGE, row.pk)
            form = EventWebhookForm(lists=lists)
    views = actions.views(organization, timezone.now())
    facts = {"rows": [_facts(request, view) for view in views], "form": form, "secret": secret}
    return render(request, "web/event_webhooks.html", facts, status=422 if form.errors else 200)


@door(see=ADMINS, do=ADMINS)
def show_event_webhook(request: DeskRequest, event_webhook_id: int) -> HttpResponse:
    """One with its last tries; POST replaces its secret and shows the new one once."""
    secret = ""
    if request.method == "POST":
        try:
            secret = actions.replace_secret(
                request.organization, event_webhook_id, now=timezone.now(), by=request.person
            )
        except EventWebhookRefused:
            raise Http404 from None
    view = actions.view_of(request.organization, event_webhook_id, timezone.now())
    if view is None:
        raise Http404
    tries = [{"try": each, "problem": sentence_of(each.problem)} for each in view.tries]
    facts = {**_facts(request, view), "tries": tries, "secret": secret}
    return render(request, "web/event_webhook.html", facts)


@deed(ADMINS)
def test_event_webhook(request: DeskRequest, event_webhook_id: int) -> HttpResponse:
    try:
        actions.test(request.organization, event_webhook_id, chance=os.urandom(16))
    except EventWebhookRefused as refused:
        if refused.code.startswith("no_such"):
            raise Http404 from None
        messages.error(request, str(refused))
    else:
        messages.success(request, _("The test is sent within seconds. Reload this page to see the answer."))
    return go(request, "event-webhook", event_webhook_id)


@deed(ADMINS)
def enable_event_webhook(request: DeskRequest, event_webhook_id: int) -> HttpResponse:
    try:
        actions.enable(request.organization, event_webhook_id, now=timezone.now(), by=request.person)
    except EventWebhookRefused:
        raise Http404 from None
    messages.success(request, _("Switched on. What happened meanwhile is sent now."))
    return go(request, "event-webhook", event_webhook_id)


@deed(ADMINS)
def remove_event_webhook(request: DeskRequest, event_webhook_id: int) -> HttpResponse:
    if not actions.remove(request.organization, event_webhook_id, now=timezone.now(), by=request.person):
        raise Http404
    messages.success(request, _("Webhook removed. Nothing is sent there any more."))
    return go(request, "event-webhooks")


def _facts(request: DeskRequest, view: EventWebhookView) -> dict[str, object]:
    names = queries.list_names(request.organization)
    mark, state = STATES[view.state]
    last = view.tries[0] if view.tries else None
    return {
        "view": view,
        "by": name_in(request.organization, view.by) or _("command line"),
        "lists": [names[number] for number in view.lists if number in names],
        "mark": mark,
        "state": state,
        "last": last,
        "problem": sentence_of(last.problem) if last and last.problem else "",
        "works": view.state in ("active", "failing", "disabled"),
    }

"""Ways out: their order, how they are, changing and trying one."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from samizdat import dbclock
from samizdat.accounts import pending_changes, sealed_people, sealed_settings
from samizdat.accounts.default_sender import DefaultSender
from samizdat.accounts.models import Organization
from samizdat.delivery import actions, queries
from samizdat.delivery.actions import default_senders, rate_budgets, remote_checks, route_changes, route_webhooks
from samizdat.delivery.actions.routes import RouteChange, RouteTest
from samizdat.delivery.actions.testing import TestResult
from samizdat.delivery.errors import DeliveryError, SenderRefused
from samizdat.delivery.models import RemoteCheck, Route
from samizdat.web import labels
from samizdat.web.base_form import FormData, refuse
from samizdat.web.delivery.forms.routes import ProbeForm, RouteForm, WebhookForm
from samizdat.web.permissions import ADMINS, KEEPERS, address, deed, door, go
from samizdat.web.remote_checks import ask
from samizdat.web.request import DeskRequest
from samizdat.web.settings.views.pending_changes import tell_waiting
from samizdat.web.templatetags.desk import moment


@door(see=KEEPERS, do=ADMINS)
def routes(request: DeskRequest) -> HttpResponse:
    """The ways out in the order they are tried; POST adds one and tries it."""
    form = _new_route_form(request, request.POST or None)
    if form.is_valid():
        try:
            route = _added(request, form)
        except (DeliveryError, ValueError) as refused:
            refuse(form, _field(refused), refused)
        else:
            tell_waiting(request, route_changes.ROUTE, route.pk)
            then = address(request.organization, "routes")
            return ask(request, "probe", route.pk, then, saved=True, added=True, typed=form.typed())
    return _routes_page(request, form)


def _new_route_form(request: DeskRequest, data: FormData) -> RouteForm:
    organization = request.organization
    return RouteForm(
        data,
        scheme=request.GET.get("scheme", ""),
        taken=[route.name for route in queries.routes(organization)],
        asks_sender=not sealed_settings.leading(organization).default_sender.email,
    )


def _field(refused: Exception) -> str:
    return "sender" if isinstance(refused, SenderRefused) else getattr(refused, "field", "where")


def _added(request: DeskRequest, form: RouteForm) -> Route:
    """The route, and the sender of new campaigns where one was given. Errors: DeliveryError, ValueError."""
    answers, now = form.cleaned_data, dbclock.asked()
    with transaction.atomic():
        if answers.get("sender"):
            sender = DefaultSender(email=answers["sender"])
            default_senders.set_for_organization(request.organization, sender, now=now, by=request.person)
        return actions.add_route(
            request.organization,
            answers["name"],
            form.url() or "",
            priority=answers["priority"],
            rate=form.rate,
            connections=answers["connections"],
            warm_up=answers["warm_up"],
            password=answers["password"] or None,
            signs=answers["signs"] is not False,
            now=now,
            by=request.person,
        )


def _routes_page(request: DeskRequest, form: RouteForm) -> HttpResponse:
    form.ask_secret_again()
    rows = queries.routes(request.organization)
    facts = {
        "waiting": _waiting(request.organization, dbclock.asked()),
        "needs_nobody": route_changes.all_dropped(request.organization, dbclock.asked()),
        "routes": rows,
        "is_any_working": any(row.state in ("live", "throttled") for row in rows),
        "form": form,
        "paces": _paces(request.organization, dbclock.asked()),
        "warming": [
            (name, labels.used(usage))
            for name, usage in rate_budgets.used_of_domains(request.organization.pk, dbclock.asked())
        ],
        "probe": ProbeForm(initial={"to": sealed_people.email_of(request.person)}, prefix="probe"),
    }
    return render(request, "web/routes/routes.html", facts, status=422 if form.errors else 200)


def _waiting(organization: Organization, now: datetime) -> list[dict[str, str]]:
    rows = pending_changes.waiting(organization).filter(kind__in=(route_changes.ROUTE, route_changes.CHANGED))
    return [
        {"what": pending_changes.sentence_of(row), "until": moment(pending_changes.until(row, now))} for row in rows
    ]


def _paces(organization: Organization, now: datetime) -> dict[int, list[str]]:
    """By route: what of its limits and of its warm-up is used, and which mailbox providers want less of it."""
    rows = list(organization.routes.exclude(state="removed").select_related("organization"))
    slowed = rate_budgets.slowed([row.pk for row in rows], now)
    return {
        row.pk: [labels.used(usage) for usage in rate_budgets.used(row, now)]
        + [labels.slowed(provider) for provider in sorted(slowed.get(row.pk, {}))]
        for row in rows
    }


@door(see=ADMINS, do=ADMINS)
def edit_route(request: DeskRequest, route_id: int) -> HttpResponse:
    """The same form with what is kept of one route; POST writes what is another now, and tries it."""
    route, now = _route(request, route_id), dbclock.asked()
    way = queries.way_of(route)
    form = RouteForm(request.POST or None, way=way, scheme=request.GET.get("scheme", ""))
    if form.is_valid():
        answers = form.cleaned_data
        try:
            changes = actions.change_route(
                route,
                name=answers["name"],
                url=form.url(),
                priority=answers["priority"],
                rate=form.rate or "",
                connections=answers["connections"],
                warm_up=answers["warm_up"],
                password=answers.get("password") or None,
                signs=answers["signs"],
                now=now,
                by=request.person,
            )
        except (DeliveryError, ValueError) as refused:
            refuse(form, getattr(refused, "field", "where"), refused)
        else:
            waits = pending_changes.is_waiting(request.organization, route_changes.CHANGED, route.pk)
            if changes or not waits:
                _tell_changes(request, route, changes)
            for kind in (route_changes.ROUTE, route_changes.CHANGED):
                tell_waiting(request, kind, route.pk)
            if waits:
                return ask(request, "probe", route.pk, address(request.organization, "routes"), waiting=True)
            return _try_saved(request, route) if changes else go(request, "routes")
    form.ask_secret_again()
    rows = pending_changes.waiting(request.organization).filter(kind=route_changes.CHANGED, about=route.pk)
    facts = {"route": route, "way": way, "form": form, "waiting": [pending_changes.sentence_of(row) for row in rows]}
    return render(request, "web/routes/edit.html", facts, status=422 if form.errors else 200)


@door(see=ADMINS, do=ADMINS)
def route_webhook(request: DeskRequest, route_id: int) -> HttpResponse:
    """How the provider of a route tells us what became of messages; POST sets it up."""
    route = _route(request, route_id)
    view = route_webhooks.webhook_of(route)
    provider = request.POST.get("provider") or (view.provider if view else route_webhooks.suggested(route))
    lists = route_webhooks.lists_bounces(route, provider)
    form = WebhookForm(request.POST or None, provider=provider, view=view, lists=lists)
    if form.is_valid():
        chosen, secret = form.cleaned_data["provider"], form.cleaned_data.get("secret") or None
        try:
            fetches = form.cleaned_data.get("fetches", False)
            route_webhooks.set_webhook(
                route, chosen, secret=secret, fetches=fetches, now=dbclock.asked(), by=request.person
            )
        except DeliveryError as refused:
            refuse(form, getattr(refused, "field", "provider"), refused)
        else:
            if fetches:
                messages.success(request, _("Saved. Bounces are fetched from now on."))
            else:
                messages.success(request, _("Webhook saved. Enter its address at the provider."))
            return go(request, "route-webhook", route.pk)
    facts = {"route": route, "form": form, "webhook": view}
    return render(request, "web/routes/webhook.html", facts, status=422 if form.errors else 200)


@deed(ADMINS)
def remove_webhook(request: DeskRequest, route_id: int) -> HttpResponse:
    route = _route(request, route_id)
    try:
        route_webhooks.remove_webhook(route, now=dbclock.asked(), by=request.person)
    except DeliveryError as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("Webhook of %(name)s removed.") % {"name": route.name})
    return go(request, "route-webhook", route.pk)


def _tell_changes(request: DeskRequest, route: Route, changes: list[RouteChange]) -> None:
    if not changes:
        messages.success(request, _("%(name)s already has these settings. Nothing changed.") % {"name": route.name})
        return
    text = "; ".join(labels.route_change(change) for change in changes)
    messages.success(request, _("Route %(name)s updated. %(changes)s.") % {"name": route.name, "changes": text})


def _try_saved(request: DeskRequest, route: Route) -> HttpResponse:
    return ask(request, "probe", route.pk, address(request.organization, "routes"), saved=True)


def tell_probe(request: DeskRequest, question: RemoteCheck, answer: dict[str, Any]) -> HttpResponse | None:
    """One that was just saved and does not answer rests from the beginning: it must not slow a letter down. The form of
    one that was removed again (remote_checks.py) comes back with what was typed."""
    found_out, asked = RouteTest(**answer), remote_checks.words_of(question)
    if asked.get("added") and found_out.reason == "inside":
        form = _new_route_form(request, asked["typed"])
        refuse(form, "where", labels.tested(found_out, asked["typed"].get("name", "")))
        return _routes_page(request, form)
    route = _route(request, question.about)
    if asked.get("waiting"):
        sentence = _("Pending settings of %(name)s tested: %(sentence)s")
        facts = {"name": route.name, "sentence": labels.tested(found_out, route.name)}
        (messages.success if found_out.ok else messages.error)(request, sentence % facts)
        return None
    _tell(request, found_out, route)
    if asked.get("saved") and not found_out.ok and route.state != "waiting":
        if route.until:
            sentence = _("Route %(name)s is saved but not working. We’ll retry automatically. Press Test to check now.")
        else:
            sentence = _("Route %(name)s is saved but not in use until it answers. Fix the problem, then press Test.")
        messages.warning(request, sentence % {"name": route.name})
    return None


def tell_letter(request: DeskRequest, question: RemoteCheck, answer: dict[str, Any]) -> None:
    _tell(request, TestResult(**answer), _route(request, question.about))


def _route(request: DeskRequest, route_id: int) -> Route:
    route = request.organization.routes.filter(pk=route_id).exclude(state="removed").first()
    if route is None:
        raise Http404
    return route


def _tell(request: DeskRequest, found_out: RouteTest | TestResult, route: Route) -> None:
    """What a test found out, Tested or Tried."""
    sentence = _("%(name)s: %(sentence)s") % {"name": route.name, "sentence": labels.tested(found_out, route.name)}
    (messages.success if found_out.ok else messages.error)(request, sentence)
    if found_out.ok and route.state == "paused":
        messages.warning(request, _("Route %(name)s is still paused. Resume it to use it.") % {"name": route.name})


@deed(ADMINS)
def test_route(request: DeskRequest, route_id: int) -> HttpResponse:
    """Connects and signs in; with an address it sends one short letter there."""
    route = _route(request, route_id)
    form = ProbeForm(request.POST, prefix="probe")
    page = ("edit-route", route.pk) if request.POST.get("then") == "edit" else ("routes",)
    then = address(request.organization, *page)
    if form.is_valid():
        return ask(request, "letter", route.pk, then, to=form.cleaned_data["to"])
    if form["to"].html_name in request.POST:
        messages.error(request, _("No email sent: that isn’t a single address. Enter one, such as name@example.org."))
        return go(request, *page)
    return ask(request, "probe", route.pk, then)


@deed(ADMINS)
def pause_route(request: DeskRequest, route_id: int) -> HttpResponse:
    route = _route(request, route_id)
    try:
        actions.pause_route(route, now=dbclock.asked(), by=request.person)
    except DeliveryError as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("Route %(name)s won’t be used until you resume it.") % {"name": route.name})
    return go(request, "routes")


@deed(ADMINS)
def resume_route(request: DeskRequest, route_id: int) -> HttpResponse:
    route = _route(request, route_id)
    try:
        actions.resume_route(route, now=dbclock.asked(), by=request.person)
    except DeliveryError as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("Route %(name)s is in use again.") % {"name": route.name})
    return go(request, "routes")


@deed(ADMINS)
def try_again(request: DeskRequest, route_id: int) -> HttpResponse:
    """A domain that its provider did not accept: letters from it go by this route again."""
    route, domain = _route(request, route_id), request.POST.get("domain", "")
    facts = {"name": route.name, "domain": domain}
    if domain and actions.lift_bar(route, domain, now=dbclock.asked(), by=request.person):
        messages.success(request, _("We’re trying to send from %(domain)s by %(name)s again.") % facts)
    else:
        messages.success(request, _("%(name)s can already send from that domain.") % facts)
    return go(request, "routes")


@door(see=ADMINS, do=ADMINS)
def remove_route(request: DeskRequest, route_id: int) -> HttpResponse:
    route = _route(request, route_id)
    if request.method == "POST":
        try:
            actions.remove_route(route, now=dbclock.asked(), by=request.person)
        except DeliveryError as refused:
            messages.error(request, str(refused))
        else:
            messages.success(
                request, _("Route “%(name)s” was removed and its settings deleted.") % {"name": route.name}
            )
        return go(request, "routes")
    return render(request, "web/routes/remove.html", {"route": route})

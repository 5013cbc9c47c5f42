"""Ways out: their order, how they are, changing and trying one."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from samizdat import hours
from samizdat.accounts import changes, people
from samizdat.delivery import actions, queries
from samizdat.delivery.actions import guarding, pacing, questions
from samizdat.delivery.actions.routes import Tested
from samizdat.delivery.actions.testing import Tried
from samizdat.delivery.errors import DeliveryError
from samizdat.web import words
from samizdat.web.asking import ask
from samizdat.web.doors import ADMINS, KEEPERS, address, deed, door, go
from samizdat.web.forms.base import refuse
from samizdat.web.forms.routes import ProbeForm, RouteForm
from samizdat.web.templatetags.desk import moment
from samizdat.web.views.waiting import tell_waiting


@door(see=KEEPERS, do=ADMINS)
def routes(request: Any) -> HttpResponse:
    """The ways out in the order they are tried; POST adds one and tries it."""
    form = RouteForm(request.POST or None)
    if form.is_valid():
        answers, now = form.cleaned_data, hours.asked()
        try:
            made = actions.add_route(
                request.organisation,
                answers["name"],
                form.url() or "",
                priority=answers["priority"],
                rate=answers["rate"],
                warm_up=answers["warm_up"],
                password=answers["password"] or None,
                signs=answers["signs"] is not False,
                now=now,
                by=request.person,
            )
        except (DeliveryError, ValueError) as refused:
            refuse(form, getattr(refused, "field", "where"), refused)
        else:
            tell_waiting(request, guarding.ROUTE, made.pk)
            return _try_saved(request, made)
    facts = {
        "waiting": _waiting(request.organisation, hours.asked()),
        "needs_nobody": guarding.all_dropped(request.organisation, hours.asked()),
        "routes": queries.routes(request.organisation),
        "form": form,
        "paces": _paces(request.organisation, hours.asked()),
        "warming": [
            (name, words.used(one)) for name, one in pacing.used_of_domains(request.organisation.pk, hours.asked())
        ],
        "probe": ProbeForm(initial={"to": people.email_of(request.person)}, prefix="probe"),
    }
    return render(request, "web/routes/routes.html", facts, status=422 if form.errors else 200)


def _waiting(organisation: Any, now: datetime) -> list[dict[str, str]]:
    rows = changes.waiting(organisation).filter(kind__in=(guarding.ROUTE, guarding.CHANGED))
    return [{"what": changes.sentence_of(row), "until": moment(changes.until(row, now))} for row in rows]


def _paces(organisation: Any, now: datetime) -> dict[int, list[str]]:
    """By route: what of its limits and of its warm-up is used, and which mailbox providers want less of it."""
    rows = list(organisation.routes.exclude(state="removed").select_related("organisation"))
    slowed = pacing.slowed([row.pk for row in rows], now)
    return {
        row.pk: [words.used(one) for one in pacing.used(row, now)]
        + [words.slowed(provider) for provider in sorted(slowed.get(row.pk, {}))]
        for row in rows
    }


@door(see=ADMINS, do=ADMINS)
def edit_route(request: Any, route_id: int) -> HttpResponse:
    """The same form with what is kept of one route; POST writes what is another now, and tries it."""
    found, now = _route(request, route_id), hours.asked()
    way = queries.way_of(found)
    form = RouteForm(request.POST or None, way=way)
    if form.is_valid():
        answers = form.cleaned_data
        try:
            found_other = actions.change_route(
                found,
                name=answers["name"],
                url=form.url(),
                priority=answers["priority"],
                rate=answers["rate"] or "",
                warm_up=answers["warm_up"],
                password=answers.get("password") or None,
                signs=answers["signs"],
                now=now,
                by=request.person,
            )
        except (DeliveryError, ValueError) as refused:
            refuse(form, getattr(refused, "field", "where"), refused)
        else:
            waits = changes.is_waiting(request.organisation, guarding.CHANGED, found.pk)
            if found_other or not waits:
                _tell_changes(request, found, found_other)
            for kind in (guarding.ROUTE, guarding.CHANGED):
                tell_waiting(request, kind, found.pk)
            if waits:
                return ask(request, "probe", found.pk, address(request.organisation, "routes"), waiting=True)
            return _try_saved(request, found) if found_other else go(request, "routes")
    rows = changes.waiting(request.organisation).filter(kind=guarding.CHANGED, about=found.pk)
    facts = {"route": found, "way": way, "form": form, "waiting": [changes.sentence_of(row) for row in rows]}
    return render(request, "web/routes/edit.html", facts, status=422 if form.errors else 200)


def _tell_changes(request: Any, route: Any, found: Any) -> None:
    if not found:
        messages.success(request, _("%(name)s was so already; nothing was changed.") % {"name": route.name})
        return
    told = "; ".join(words.route_change(change) for change in found)
    messages.success(request, _("%(name)s is changed. %(changes)s.") % {"name": route.name, "changes": told})


def _try_saved(request: Any, route: Any) -> HttpResponse:
    return ask(request, "probe", route.pk, address(request.organisation, "routes"), saved=True)


def tell_probe(request: Any, question: Any, answer: dict[str, Any]) -> None:
    """One that was just saved and does not answer rests from the beginning: it must not slow a letter down."""
    route, found_out = _route(request, question.about), Tested(**answer)
    if questions.words_of(question).get("waiting"):
        sentence = _("The settings of %(name)s that wait were tested: %(sentence)s")
        facts = {"name": route.name, "sentence": words.tested(found_out, route.name)}
        (messages.success if found_out.ok else messages.error)(request, sentence % facts)
        return
    _tell(request, found_out, route)
    if questions.words_of(question).get("saved") and not found_out.ok and route.state != "waiting":
        if route.until:
            sentence = _("%(name)s is saved and rests. We ask it again by ourselves; Test asks at once.")
        else:
            sentence = _("%(name)s is saved, and nothing goes by it until it answers. Once that is mended, press Test.")
        messages.warning(request, sentence % {"name": route.name})


def tell_letter(request: Any, question: Any, answer: dict[str, Any]) -> None:
    _tell(request, Tried(**answer), _route(request, question.about))


def _route(request: Any, route_id: int) -> Any:
    found = request.organisation.routes.filter(pk=route_id).exclude(state="removed").first()
    if found is None:
        raise Http404
    return found


def _tell(request: Any, found_out: Any, route: Any) -> None:
    """What a test found out, Tested or Tried."""
    sentence = _("%(name)s: %(sentence)s") % {"name": route.name, "sentence": words.tested(found_out, route.name)}
    (messages.success if found_out.ok else messages.error)(request, sentence)
    if found_out.ok and route.state == "paused":
        messages.warning(request, _("%(name)s is still paused. Wake it to use it.") % {"name": route.name})


@deed(ADMINS)
def test_route(request: Any, route_id: int) -> HttpResponse:
    """Connects and signs in; with an address it sends one short letter there."""
    found = _route(request, route_id)
    form = ProbeForm(request.POST, prefix="probe")
    page = ("edit-route", found.pk) if request.POST.get("then") == "edit" else ("routes",)
    then = address(request.organisation, *page)
    if form.is_valid():
        return ask(request, "letter", found.pk, then, to=form.cleaned_data["to"])
    return ask(request, "probe", found.pk, then)


@deed(ADMINS)
def pause_route(request: Any, route_id: int) -> HttpResponse:
    found = _route(request, route_id)
    try:
        actions.pause_route(found, now=hours.asked(), by=request.person)
    except DeliveryError as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("%(name)s carries nothing until you resume it.") % {"name": found.name})
    return go(request, "routes")


@deed(ADMINS)
def resume_route(request: Any, route_id: int) -> HttpResponse:
    found = _route(request, route_id)
    try:
        actions.resume_route(found, now=hours.asked(), by=request.person)
    except DeliveryError as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("%(name)s is tried again.") % {"name": found.name})
    return go(request, "routes")


@deed(ADMINS)
def try_again(request: Any, route_id: int) -> HttpResponse:
    """A domain that its provider did not accept: letters from it go by this route again."""
    found, domain = _route(request, route_id), request.POST.get("domain", "")
    facts = {"name": found.name, "domain": domain}
    if domain and actions.lift_bar(found, domain, now=hours.asked(), by=request.person):
        messages.success(request, _("Letters from %(domain)s are tried by %(name)s again.") % facts)
    else:
        messages.success(request, _("%(name)s takes letters from that domain already.") % facts)
    return go(request, "routes")


@door(see=ADMINS, do=ADMINS)
def remove_route(request: Any, route_id: int) -> HttpResponse:
    found = _route(request, route_id)
    if request.method == "POST":
        try:
            actions.remove_route(found, now=hours.asked(), by=request.person)
        except DeliveryError as refused:
            messages.error(request, str(refused))
        else:
            messages.success(request, _("%(name)s is removed and its password forgotten.") % {"name": found.name})
        return go(request, "routes")
    return render(request, "web/routes/remove.html", {"route": found})

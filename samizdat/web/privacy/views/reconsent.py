"""Asking again: how strong and old the consent of a list is, who is asked, and what becomes of who does not answer."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat.audience import queries
from samizdat.audience.errors import AudienceError
from samizdat.audience.models import List
from samizdat.core.consent import AGES, STRENGTHS
from samizdat.privacy import actions
from samizdat.privacy.actions import reconsent
from samizdat.privacy.errors import PrivacyError
from samizdat.privacy.models import Renewal
from samizdat.privacy.retention_rules import UNDO_DAYS
from samizdat.web import labels
from samizdat.web.base_form import refuse
from samizdat.web.permissions import EVERYONE, WRITERS, door, go
from samizdat.web.privacy.forms.privacy import DeadlineForm
from samizdat.web.request import DeskRequest
from samizdat.web.settings.views.pending_changes import tell_waiting


def _list(request: DeskRequest, list_id: int) -> List:
    try:
        return queries.list_by_id(request.organization, list_id)
    except AudienceError:
        raise Http404 from None


@door(see=EVERYONE, do=WRITERS)
def request_reconsent(request: DeskRequest, list_id: int) -> HttpResponse:
    """Where the newest renewal of a list stands, and the one next step. Each POST names its step in `step`."""
    mailing_list, now = _list(request, list_id), timezone.now()
    newest = _newest(mailing_list)
    form = DeadlineForm(request.POST if request.POST.get("step") == "ask" else None, now=now)
    if request.method == "POST" and (request.POST.get("step") != "ask" or form.is_valid()):
        try:
            return _step(request, mailing_list, newest, form, now)
        except PrivacyError as refused:
            if request.POST.get("step") == "ask":
                refuse(form, "deadline", refused)
            else:
                messages.error(request, str(refused))
                return go(request, "reconsent", list_id)
    return render(
        request,
        "web/privacy/reconsent.html",
        _page(mailing_list, newest, form, now),
        status=422 if form.errors else 200,
    )


def _newest(list_: List) -> Renewal | None:
    rows = Renewal.objects.select_related("organization", "list", "tag", "letter", "reminder").filter(list=list_)
    return rows.order_by("-pk").first()


def _step(request: DeskRequest, list_: List, newest: Renewal | None, form: DeadlineForm, now: datetime) -> HttpResponse:
    step, by = request.POST.get("step", ""), request.person
    if step == "count":
        actions.count_consent(list_, now=now, by=by)
        return go(request, "reconsent", list_.id)
    if newest is None:
        raise Http404
    if step == "recount":
        actions.count_again(newest, now=now, by=by)
    elif step == "choose":
        pairs = [tuple(pair.split("-", 1)) for pair in request.POST.getlist("group") if "-" in pair]
        actions.choose(newest, [(pair[0], pair[1]) for pair in pairs], now=now, by=by)
    elif step == "ask":
        letter = actions.begin_asking(newest, form.cleaned_data["deadline"], now=now, by=by)
        return go(request, "campaign", letter.pk)
    elif step == "remind":
        return go(request, "campaign", actions.remind(newest, now=now, by=by).pk)
    elif step in ("move", "back", "close"):
        {"move": actions.move_out, "back": actions.take_back, "close": actions.close}[step](newest, now=now, by=by)
        tell_waiting(request, reconsent.CHANGE, newest.pk)
    else:
        raise Http404
    return go(request, "reconsent", list_.id)


def _page(list_: List, newest: Renewal | None, form: DeadlineForm, now: datetime) -> dict[str, object]:
    page: dict[str, Any] = {"list": list_, "name": queries.name_of(list_), "renewal": newest, "form": form}
    page["state"] = newest.state if newest else "closed"
    if newest is None:
        return page
    silent = actions.silent(newest) if newest.state in ("ready", "asking", "moving", "moved") else 0
    return page | {
        "groups": _groups(newest),
        "counted": sum(sum(counts_by_age.values()) for counts_by_age in newest.counts.values()),
        "silent": silent,
        "answered": max(newest.asked - silent - newest.moved, 0),
        "not_yet": actions.why_not_yet(newest, now) if newest.state == "asking" else "",
        "is_over": actions.is_over(newest, now),
        "may_undo": newest.state in ("moving", "moved") and newest.undo_until and now.date() <= newest.undo_until,
        "undo_days": UNDO_DAYS,
        "working": newest.state in ("counting", "choosing", "moving", "undoing", "closing"),
    }


def _groups(newest: Renewal) -> list[dict[str, object]]:
    """Every strength and age with somebody in it, the weakest and oldest first; weak or old ones are ticked."""
    groups = []
    for strength in reversed(STRENGTHS):
        for age in reversed(AGES):
            count = newest.counts.get(strength, {}).get(age, 0)
            if count:
                label = _("%(strength)s, %(age)s") % {"strength": labels.STRENGTHS[strength], "age": labels.AGES[age]}
                weak = strength == "brought" or age in ("old", "unknown")
                groups.append({"value": f"{strength}-{age}", "label": label, "count": count, "weak": weak})
    return groups

"""Breaches: written down, counted, with the time that is left and drafts of what has to be written."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from samizdat.accounts import grants, people
from samizdat.delivery import queries as delivery
from samizdat.rights import actions, breaches, papers
from samizdat.rights.breaches import Asked
from samizdat.rights.errors import RightsError
from samizdat.rights.models import Breach
from samizdat.web.doors import ADMINS, door, go
from samizdat.web.forms.base import refuse
from samizdat.web.forms.breaches import BreachForm, NotesForm


@door(see=ADMINS, do=ADMINS)
def all_breaches(request: Any) -> HttpResponse:
    """Those that were written down, and the form for a new one."""
    organisation, now = request.organisation, timezone.now()
    form = BreachForm(
        request.POST or None,
        people=_people(organisation),
        routes=[(row.id, row.name) for row in delivery.routes(organisation)],
        initial={"noticed": timezone.localtime(now)},
    )
    if form.is_valid():
        try:
            made = actions.note_breach(organisation, Asked(**form.cleaned_data), now=now, by=request.person)
        except RightsError as refused:
            refuse(form, refused.code, refused)
        else:
            return go(request, "breach", made.pk)
    rows = Breach.objects.filter(organisation=organisation).order_by("-noticed")
    page = {"form": form, "rows": [(row, breaches.KINDS[row.kind], *_left(row, now)) for row in rows[:50]]}
    return render(request, "web/rights/breaches.html", page, status=422 if form.errors else 200)


def _people(organisation: Any) -> list[tuple[int, str]]:
    rows = grants.memberships(organisation=organisation)
    return [(row.person_id, people.name_of(row.person) or people.email_of(row.person)) for row in rows]


def _left(row: Breach, now: Any) -> tuple[str, int]:
    """(told, none, left or late, hours): where it stands with the 72 hours."""
    if row.told_authority:
        return "told", 0
    if breaches.told_of(row).no_risk:
        return "none", 0
    seconds = (breaches.deadline(row) - now).total_seconds()
    return ("left", int(seconds // 3600)) if seconds >= 0 else ("late", int(-seconds // 3600))


@door(see=ADMINS, do=ADMINS)
def breach(request: Any, breach_id: int) -> HttpResponse:
    """One breach. POST writes what is known by now, or notes that somebody was told."""
    found, now = _found(request, breach_id), timezone.now()
    told = breaches.told_of(found)
    form = NotesForm(request.POST or None, initial={"notes": told.notes, "done": told.done})
    if whom := request.POST.get("told"):
        if whom not in ("authority", "readers", "nobody"):
            raise Http404
        if whom == "nobody":
            actions.decide_no_risk(found, now=now, by=request.person)
        else:
            actions.tell(found, whom, now=now, by=request.person)
        return go(request, "breach", breach_id)
    if form.is_valid():
        actions.write_breach(found, **form.cleaned_data, now=now, by=request.person)
        messages.success(request, _("Saved."))
        return go(request, "breach", breach_id)
    language = _language(request)
    state, hours = _left(found, now)
    page = {
        "breach": found,
        "kind": breaches.KINDS[found.kind],
        "state": state,
        "hours": hours,
        "deadline": breaches.deadline(found),
        "readers": found.counts.get("readers", 0),
        "counts": breaches.counted(found.counts),
        "surrenders": breaches.surrenders(found.kind),
        "first": breaches.first_steps(found.kind),
        "unreadable": found.kind in breaches.UNREADABLE,
        "form": form,
        "language": language,
        "drafts": [
            ("draft-authority", _("To the authority"), papers.as_text(breaches.to_authority(found, language))),
            ("draft-readers", _("To the readers"), papers.as_text(breaches.to_readers(found, language))),
        ],
    }
    return render(request, "web/rights/breach.html", page, status=422 if form.errors else 200)


def _found(request: Any, breach_id: int) -> Breach:
    rows = Breach.objects.select_related("organisation").filter(organisation=request.organisation)
    found = rows.filter(pk=breach_id).first()
    if found is None:
        raise Http404
    return found


def _language(request: Any) -> str:
    asked = request.GET.get("language") or (get_language() or "en")[:2]
    return asked if asked in papers.LANGUAGES else "en"

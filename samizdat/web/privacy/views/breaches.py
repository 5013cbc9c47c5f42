"""Breaches: written down, counted, with the time that is left and drafts of what has to be written."""

from datetime import datetime

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from samizdat.accounts import memberships, sealed_people
from samizdat.accounts.models import Organization
from samizdat.delivery import queries as delivery
from samizdat.privacy import actions, breach_register, legal_documents
from samizdat.privacy.breach_register import AffectedFilter
from samizdat.privacy.errors import PrivacyError
from samizdat.privacy.models import Breach
from samizdat.web.base_form import refuse
from samizdat.web.permissions import ADMINS, door, go
from samizdat.web.privacy.forms.breaches import BreachForm, NotesForm
from samizdat.web.request import DeskRequest


@door(see=ADMINS, do=ADMINS)
def all_breaches(request: DeskRequest) -> HttpResponse:
    """Those that were written down, and the form for a new one."""
    organization, now = request.organization, timezone.now()
    form = BreachForm(
        request.POST or None,
        people=_people(organization),
        routes=[(row.id, row.name) for row in delivery.routes(organization)],
        initial={"noticed": timezone.localtime(now)},
    )
    if form.is_valid():
        try:
            breach = actions.note_breach(organization, AffectedFilter(**form.cleaned_data), now=now, by=request.person)
        except PrivacyError as refused:
            refuse(form, refused.code, refused)
        else:
            return go(request, "breach", breach.pk)
    rows = Breach.objects.filter(organization=organization).order_by("-noticed")
    page = {"form": form, "rows": [(row, breach_register.KINDS[row.kind], *_left(row, now)) for row in rows[:50]]}
    return render(request, "web/privacy/breaches.html", page, status=422 if form.errors else 200)


def _people(organization: Organization) -> list[tuple[int, str]]:
    rows = memberships.valid(organization=organization)
    return [(row.person_id, sealed_people.name_of(row.person) or sealed_people.email_of(row.person)) for row in rows]


def _left(row: Breach, now: datetime) -> tuple[str, int]:
    """(told, none, left or late, hours): where it stands with the 72 hours."""
    if row.told_authority:
        return "told", 0
    if breach_register.told_of(row).no_risk:
        return "none", 0
    seconds = (breach_register.deadline(row) - now).total_seconds()
    return ("left", int(seconds // 3600)) if seconds >= 0 else ("late", int(-seconds // 3600))


@door(see=ADMINS, do=ADMINS)
def breach(request: DeskRequest, breach_id: int) -> HttpResponse:
    """One breach. POST writes what is known by now, or notes that somebody was told."""
    breach, now = _found(request, breach_id), timezone.now()
    details = breach_register.told_of(breach)
    form = NotesForm(request.POST or None, initial={"notes": details.notes, "done": details.done})
    if whom := request.POST.get("told"):
        if whom not in ("authority", "readers", "nobody"):
            raise Http404
        if whom == "nobody":
            actions.decide_no_risk(breach, now=now, by=request.person)
        else:
            actions.tell(breach, whom, now=now, by=request.person)
        return go(request, "breach", breach_id)
    if form.is_valid():
        actions.write_breach(breach, **form.cleaned_data, now=now, by=request.person)
        messages.success(request, _("Saved."))
        return go(request, "breach", breach_id)
    language = _language(request)
    state, hours = _left(breach, now)
    page = {
        "breach": breach,
        "kind": breach_register.KINDS[breach.kind],
        "state": state,
        "hours": hours,
        "deadline": breach_register.deadline(breach),
        "readers": breach.counts.get("readers", 0),
        "counts": breach_register.counted(breach.counts),
        "surrenders": breach_register.surrenders(breach.kind),
        "first": breach_register.first_steps(breach.kind),
        "unreadable": breach.kind in breach_register.UNREADABLE,
        "form": form,
        "language": language,
        "drafts": [
            (
                "draft-authority",
                _("To the authority"),
                legal_documents.as_text(breach_register.to_authority(breach, language)),
            ),
            (
                "draft-readers",
                _("To subscribers"),
                legal_documents.as_text(breach_register.to_readers(breach, language)),
            ),
        ],
    }
    return render(request, "web/privacy/breach.html", page, status=422 if form.errors else 200)


def _found(request: DeskRequest, breach_id: int) -> Breach:
    rows = Breach.objects.select_related("organization").filter(organization=request.organization)
    breach = rows.filter(pk=breach_id).first()
    if breach is None:
        raise Http404
    return breach


def _language(request: DeskRequest) -> str:
    asked = request.GET.get("language") or (get_language() or "en")[:2]
    return asked if asked in legal_documents.LANGUAGES else "en"

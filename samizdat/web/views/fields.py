"""Merge fields by hand: what letters may say of somebody."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat.audience import actions, queries
from samizdat.audience.errors import AudienceError
from samizdat.audience.segments import saved
from samizdat.campaigns import queries as campaigns
from samizdat.core import segment
from samizdat.web.doors import ADMINS, EVERYONE, WRITERS, door, go
from samizdat.web.forms.audience import FieldForm
from samizdat.web.forms.base import refuse
from samizdat.web.kinds import typed

LARGEST = 15  # digits of a number in an address


@door(see=EVERYONE, do=WRITERS)
def fields(request: Any) -> HttpResponse:
    """Every field; POST adds one."""
    form = FieldForm(request.POST or None)
    if form.is_valid():
        try:
            actions.add_field(request.organisation, **form.facts(), now=timezone.now(), by=request.person)
        except AudienceError as refused:
            refuse(form, getattr(refused, "field", None), refused)
        else:
            messages.success(request, _("The field %(tag)s is there.") % {"tag": form.cleaned_data["tag"].upper()})
            return go(request, "fields")
    facts = {"fields": queries.fields(request.organisation), "form": form}
    return render(request, "web/audience/fields.html", facts, status=422 if form.errors else 200)


def _field(request: Any, number: int) -> Any:
    found = next((one for one in queries.fields(request.organisation) if one.number == number), None)
    if found is None:
        raise Http404
    return found


@door(see=WRITERS, do=WRITERS)
def one_field(request: Any, field_number: int) -> HttpResponse:
    """Its tag, its name, and what letters say where somebody has none."""
    found = _field(request, field_number)
    form = FieldForm(request.POST or None, initial=_told(found))
    if form.is_valid():
        try:
            _keep_what_is_said(request, found, form.cleaned_data["tag"])
            actions.change_field(
                request.organisation, found.number, **form.facts(), now=timezone.now(), by=request.person
            )
        except AudienceError as refused:
            refuse(form, getattr(refused, "field", None), refused)
        else:
            messages.success(request, _("Saved."))
            return go(request, "fields")
    drafts = campaigns.drafts_with(request.organisation, found.tag)
    facts = {"found": found, "form": form, "drafts": drafts}
    return render(request, "web/audience/field.html", facts, status=422 if form.errors else 200)


def _told(found: Any) -> dict[str, Any]:
    """A field as its form shows it."""
    return {
        "tag": found.tag,
        "label": found.label,
        "default": found.default,
        "kind": found.kind,
        "choices": typed(found.choices),
        "required": found.required,
        "readable": found.readable,
    }


def _keep_what_is_said(request: Any, found: Any, tag: str) -> None:
    """A letter on its way fills its fields in by tag. Errors: FieldRefused."""
    if tag.strip() != found.tag:
        campaigns.refuse_while_said(request.organisation, found.tag)


@door(see=ADMINS, do=ADMINS)
def remove_field(request: Any, field_number: int) -> HttpResponse:
    """Asks first, with the number of those who have a value; that takes some looks where there are many."""
    found = _field(request, field_number)
    if request.method == "POST":
        try:
            campaigns.refuse_while_said(request.organisation, found.tag)
            actions.remove_field(request.organisation, found.number, now=timezone.now(), by=request.person)
        except AudienceError as refused:
            messages.error(request, str(refused))
            return go(request, "remove-field", found.number)
        sentence = _("The field %(tag)s is removed. Its values are taken off the disk within minutes.")
        messages.success(request, sentence % {"tag": found.tag})
        return go(request, "fields")
    so_far = {name: _digits(request.GET.get(name, "")) for name in ("after", "having", "seen")}
    counted = actions.count_values(request.organisation, found.number, after=so_far["after"])
    facts = {
        "found": found,
        "having": so_far["having"] + counted.having,
        "seen": so_far["seen"] + counted.seen,
        "following": counted.following,
        "drafts": campaigns.drafts_with(request.organisation, found.tag),
        "segments": [
            one
            for one in saved.segments(request.organisation)
            if ("field", found.number) in segment.references(one.tree)
        ],
    }
    name = "field_count" if request.htmx else "field_remove"
    return render(request, f"web/audience/{name}.html", facts)


def _digits(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= LARGEST else 0

"""Merge fields by hand: what letters may say of somebody."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat.audience import actions, queries
from samizdat.audience.errors import AudienceError, FieldRefused
from samizdat.audience.queries.lists import FieldView
from samizdat.audience.segments import lookup
from samizdat.campaigns import queries as campaigns
from samizdat.core import segment
from samizdat.web.audience.field_types import typed
from samizdat.web.audience.forms.audience import FieldForm
from samizdat.web.base_form import refuse
from samizdat.web.permissions import ADMINS, EVERYONE, WRITERS, door, go
from samizdat.web.request import DeskRequest

LARGEST = 15  # digits of a number in an address


@door(see=EVERYONE, do=WRITERS)
def fields(request: DeskRequest) -> HttpResponse:
    """Every field; POST adds one."""
    form = FieldForm(request.POST or None)
    if form.is_valid():
        try:
            actions.add_field(request.organization, **form.facts(), now=timezone.now(), by=request.person)
        except AudienceError as refused:
            refuse(form, getattr(refused, "field", None), refused)
        else:
            messages.success(request, _("Field %(tag)s created.") % {"tag": form.cleaned_data["tag"].upper()})
            return go(request, "fields")
    facts = {"fields": queries.fields(request.organization), "form": form}
    return render(request, "web/audience/fields.html", facts, status=422 if form.errors else 200)


def _field(request: DeskRequest, number: int) -> FieldView:
    field = next((view for view in queries.fields(request.organization) if view.number == number), None)
    if field is None:
        raise Http404
    return field


@door(see=WRITERS, do=WRITERS)
def one_field(request: DeskRequest, field_number: int) -> HttpResponse:
    """Its tag, its name, and what letters say where somebody has none."""
    field = _field(request, field_number)
    form = FieldForm(request.POST or None, initial=_told(field))
    if form.is_valid():
        try:
            _keep_what_is_said(request, field, form.cleaned_data["tag"])
            _keep_sealed(request, field, form.cleaned_data["readable"])
            actions.change_field(
                request.organization, field.number, **form.facts(), now=timezone.now(), by=request.person
            )
        except AudienceError as refused:
            refuse(form, getattr(refused, "field", None), refused)
        else:
            messages.success(request, _("Saved."))
            return go(request, "fields")
    drafts = campaigns.drafts_with(request.organization, field.tag)
    facts = {"found": field, "form": form, "drafts": drafts}
    return render(request, "web/audience/field.html", facts, status=422 if form.errors else 200)


def _told(field: FieldView) -> dict[str, Any]:
    """A field as its form shows it."""
    return {
        "tag": field.tag,
        "label": field.label,
        "default": field.default,
        "kind": field.kind,
        "choices": typed(field.choices),
        "required": field.required,
        "readable": field.readable,
    }


def _keep_what_is_said(request: DeskRequest, field: FieldView, tag: str) -> None:
    """A letter on its way fills its fields in by tag. Errors: FieldRefused."""
    if tag.strip() != field.tag:
        campaigns.refuse_while_said(request.organization, field.tag)


def _keep_sealed(request: DeskRequest, field: FieldView, readable: bool) -> None:
    """What everybody has told of themselves is not written onto the disk in the clear by whoever writes letters.
    Errors: FieldRefused."""
    if readable and not field.readable and request.role not in ADMINS:
        sentence = _("Only an admin can make a field that has values usable in segments. Ask an admin.")
        raise FieldRefused("not_yours", sentence, "readable")


@door(see=ADMINS, do=ADMINS)
def remove_field(request: DeskRequest, field_number: int) -> HttpResponse:
    """Asks first, with the number of those who have a value; that takes some looks where there are many."""
    field = _field(request, field_number)
    if request.method == "POST":
        try:
            campaigns.refuse_while_said(request.organization, field.tag)
            actions.remove_field(request.organization, field.number, now=timezone.now(), by=request.person)
        except AudienceError as refused:
            messages.error(request, str(refused))
            return go(request, "remove-field", field.number)
        sentence = _("Field %(tag)s deleted. Its values will be gone from the disk within minutes.")
        messages.success(request, sentence % {"tag": field.tag})
        return go(request, "fields")
    so_far = {name: _digits(request.GET.get(name, "")) for name in ("after", "having", "seen")}
    counted = actions.count_values(request.organization, field.number, after=so_far["after"])
    facts = {
        "found": field,
        "having": so_far["having"] + counted.having,
        "seen": so_far["seen"] + counted.seen,
        "following": counted.following,
        "drafts": campaigns.drafts_with(request.organization, field.tag),
        "segments": [
            view
            for view in lookup.segments(request.organization)
            if ("field", field.number) in segment.references(view.tree)
        ],
    }
    name = "field_count" if request.htmx else "field_remove"
    return render(request, f"web/audience/{name}.html", facts)


def _digits(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= LARGEST else 0

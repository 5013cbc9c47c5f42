"""Sign-up forms at the desk: made, changed, taken away, and copied into another site."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import queries
from samizdat.audience.actions import forms as actions
from samizdat.audience.actions import mailed_words
from samizdat.audience.actions.preferences import remarks
from samizdat.audience.errors import FormRefused
from samizdat.audience.models import SignUpForm
from samizdat.delivery import service_senders
from samizdat.web.audience.forms.signup_forms import SignUpFormForm, told_by
from samizdat.web.base_form import refuse
from samizdat.web.permissions import EVERYONE, WRITERS, deed, door, go
from samizdat.web.request import DeskRequest
from samizdat.web.settings.reminders import NO_SENDER, of_forms
from samizdat.web.settings.views.pending_changes import tell_waiting


@door(see=EVERYONE, do=WRITERS)
def forms(request: DeskRequest) -> HttpResponse:
    """Every form; POST makes one."""
    form = _form(request, initial={"language": leading(request.organization).language})
    if form.is_valid():
        try:
            sign_up_form = actions.make_form(request.organization, form.facts(), now=timezone.now(), by=request.person)
        except FormRefused as refused:
            refuse(form, None, refused)
        else:
            messages.success(request, _("Form created."))
            tell_waiting(request, mailed_words.CHANGE, sign_up_form.id)
            return go(request, "signup-form", sign_up_form.id)
    facts = {
        "found": actions.forms_of(request.organization),
        "form": form,
        "base": leading(request.organization).public_url,
    }
    facts["waiting"] = of_forms(request) if request.role in WRITERS else []
    return render(request, "web/audience/signup_forms.html", facts, status=422 if form.errors else 200)


@door(see=EVERYONE, do=WRITERS)
def one_form(request: DeskRequest, form_id: int) -> HttpResponse:
    """What it says and asks, its address, and its markup for another site."""
    sign_up_form = _found(request, form_id)
    view = actions.view_of(sign_up_form)
    form = _form(request, initial=told_by(view.facts))
    if form.is_valid():
        try:
            actions.change_form(sign_up_form, form.facts(), now=timezone.now(), by=request.person)
        except FormRefused as refused:
            refuse(form, None, refused)
        else:
            messages.success(request, _("Saved."))
            tell_waiting(request, mailed_words.CHANGE, form_id)
            return go(request, "signup-form", form_id)
    base = leading(request.organization).public_url
    address = f"{base}/f/{view.slug}" if base else ""
    facts = {"view": view, "form": form, "address": address, "markup": embedded(view, address) if address else ""}
    facts["remarks"] = [*_mute(request.organization), *remarks(request.organization, view)]
    return render(request, "web/audience/signup_form.html", facts, status=422 if form.errors else 200)


@deed(WRITERS)
def remove_form(request: DeskRequest, form_id: int) -> HttpResponse:
    actions.remove_form(_found(request, form_id), now=timezone.now(), by=request.person)
    messages.success(request, _("Form unpublished. Anyone with its address sees that it’s closed."))
    return go(request, "signup-forms")


def _mute(organization: Organization) -> list[object]:
    return [NO_SENDER] if service_senders.sign_ups_wait(organization) else []


def embedded(view: actions.FormView, address: str) -> str:
    """The form as plain HTML for another site: no script, no style, and nothing of ours is loaded by it. What it sends
    is asked for once more by our own page, which stamps it."""
    with override(view.facts.language):
        return render_to_string("web/audience/embedded.html", {"view": view, "address": address}).strip()


def _found(request: DeskRequest, form_id: int) -> SignUpForm:
    sign_up_form = actions.form_numbered(request.organization, form_id)
    if sign_up_form is None:
        raise Http404
    return sign_up_form


def _form(request: DeskRequest, initial: dict[str, object]) -> SignUpFormForm:
    organization = request.organization
    return SignUpFormForm(
        request.POST or None,
        initial=initial,
        lists=queries.lists(organization),
        fields=queries.fields(organization),
        tags=queries.tags(organization)[:200],
    )

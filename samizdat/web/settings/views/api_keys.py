"""Keys of the API: created, shown once, and revoked."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from samizdat.accounts import api_keys
from samizdat.accounts import pending_changes as changes
from samizdat.accounts.queries import name_in
from samizdat.audience import queries
from samizdat.web.base_form import refuse
from samizdat.web.permissions import ADMINS, deed, door, go
from samizdat.web.request import DeskRequest
from samizdat.web.settings.forms.api_keys import ApiKeyForm
from samizdat.web.settings.views.pending_changes import tell_waiting

# State of a key -> the class of its mark, and its words.
STATES = {
    "active": ("good", lazy("Active")),
    "waiting": ("care", lazy("Waiting for approval")),
    "expired": ("", lazy("Expired")),
    "revoked": ("", lazy("Revoked")),
    "ended": ("stop", lazy("Ended: its creator is no longer an admin")),
}


@door(see=ADMINS, do=ADMINS)
def list_api_keys(request: DeskRequest) -> HttpResponse:
    """All keys; POST creates one and shows it once. Loading that page again creates no other one: its name is taken."""
    organization, token, waits = request.organization, "", False
    lists = queries.lists(organization)
    form = ApiKeyForm(request.POST or None, lists=lists)
    if form.is_valid() and _is_taken(request, form.cleaned_data["name"]):
        refuse(form, "name", _("A key with this name exists. Choose another name, or revoke that key if you lost it."))
    elif form.is_valid():
        try:
            token, row = api_keys.add(organization, **form.cleaned_data, now=timezone.now(), by=request.person)
        except api_keys.ApiKeyRefused as refused:
            refuse(form, "name", refused)
        else:
            tell_waiting(request, "api_key", row.pk)
            waits = changes.is_waiting(organization, "api_key", row.pk)
            form = ApiKeyForm(lists=lists)
    facts = {
        "keys": _rows(request),
        "form": form,
        "token": token,
        "waits": waits,
        "address": request.build_absolute_uri("/api/v1"),
    }
    return render(request, "web/api_keys.html", facts, status=422 if form.errors else 200)


def _is_taken(request: DeskRequest, name: str) -> bool:
    """By a key that works, or that waits."""
    views = api_keys.keys_of(request.organization, timezone.now())
    return any(view.name == " ".join(name.split()) and view.state in ("active", "waiting") for view in views)


@deed(ADMINS)
def revoke_api_key(request: DeskRequest, api_key_id: int) -> HttpResponse:
    if not api_keys.revoke(request.organization, api_key_id, now=timezone.now(), by=request.person):
        raise Http404
    messages.success(request, _("Key revoked. Programs with it no longer get in."))
    return go(request, "api-keys")


def _rows(request: DeskRequest) -> list[dict[str, object]]:
    organization = request.organization
    names = queries.list_names(organization)
    return [
        {
            "view": view,
            "by": name_in(organization, view.by) or _("command line"),
            "lists": [names[number] for number in view.lists if number in names],
            "mark": STATES[view.state][0],
            "state": STATES[view.state][1],
            "works": view.state in ("active", "waiting"),
        }
        for view in api_keys.keys_of(organization, timezone.now())
    ]

"""Where backups of the installation go: how each place is, adding, changing and removing one; a backup or test now."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from msgspec import to_builtins

from samizdat import dbclock
from samizdat.accounts import memberships
from samizdat.backup import kept_places
from samizdat.delivery import backup_places, backup_progress
from samizdat.delivery.actions import remote_checks
from samizdat.delivery.backup_places import KeptPlace
from samizdat.delivery.backup_progress import Work
from samizdat.delivery.models import RemoteCheck
from samizdat.web.base_form import refuse
from samizdat.web.key_locks import UnlockForm
from samizdat.web.permissions import ADMINS, address, deed, door, go
from samizdat.web.remote_checks import ask
from samizdat.web.request import DeskRequest
from samizdat.web.settings import backups as shown
from samizdat.web.settings.forms.backups import FORMS, KeptForm, PlaceForm
from samizdat.web.settings.views.auth import gave_password

# What a place says is wrong -> the field that it is about.
_FIELDS = {
    "host_key_unknown": "host_key",
    "host_key_changed": "host_key",
    "bad_host_key": "host_key",
    "bad_login": "secret",
    "bad_key": "private_key",
    "no_secret": "secret",
    "no_such_host": "host",
    "no_connection": "host",
    "inside": "host",
    "missing": "path",
    "read_only": "path",
    "no_bucket": "bucket",
    "other_region": "region",
    "bad_endpoint": "endpoint",
}


@door(see=ADMINS)
def backups(request: DeskRequest) -> HttpResponse:
    """Each place and how it is. Only admins of all organizations see it: it's about all of them."""
    if not memberships.administers_all(request.person):
        return render(request, "web/backups/others.html")
    views = shown.places(request.organization, dbclock.asked())
    opened = [view for view in views if not view.is_broken]
    facts = {
        "places": views,
        "goes_on": any(view.goes_on for view in views),
        "with_age_key": any(view.keys for view in opened),
        "with_key_file": not all(view.keys for view in opened) or not opened,
    }
    return render(request, "web/backups/backups.html", facts)


@door(see=ADMINS, do=ADMINS)
def add_backup_place(request: DeskRequest, place_kind: str) -> HttpResponse:
    """POST has the worker try it, which keeps it if it works."""
    _only_installation_admins(request)
    form = _form(place_kind, request.POST if request.method == "POST" else None)
    if form.is_valid() and gave_password(request, form, "password"):
        words = {"details": to_builtins(form.details(dbclock.asked())), "typed": form.typed(), "place_kind": place_kind}
        return ask(request, "place", 0, address(request.organization, "backups"), **words)
    return _add_page(request, place_kind, form)


def _form(kind: str, data: Any) -> PlaceForm:
    if kind not in FORMS:
        raise Http404
    others = [each for each in backup_places.all_places() if isinstance(each, KeptPlace)]
    return FORMS[kind](data, others=others)


def _add_page(request: DeskRequest, kind: str, form: PlaceForm) -> HttpResponse:
    facts = {"form": form, "kind": kind}
    return render(request, "web/backups/add.html", facts, status=422 if form.errors else 200)


def tell_place(request: DeskRequest, question: RemoteCheck, answer: dict[str, Any]) -> HttpResponse | None:
    """What was typed comes back where the place doesn't work, with the fingerprint to compare."""
    if "problem" not in answer:
        messages.success(
            request,
            _("It works and was added. The first backup begins in ten minutes, or when you press “Back up now”."),
        )
        if answer["append_only"]:
            sentence = _("It lets nobody delete. Delete there what is older than 30 days.")
            messages.warning(request, sentence)
        return None
    words = remote_checks.words_of(question)
    typed, kind, code = dict(words["typed"]), words["place_kind"], str(answer.get("code"))
    if code == "host_key_unknown":
        typed["host_key"] = answer["values"]["fingerprint"]
    form = _form(kind, typed)
    form.full_clean()
    form.errors.clear()
    field = _FIELDS.get(code, "")
    refuse(form, field if field in form.fields else None, _problem(answer))
    return _add_page(request, kind, form)


def _problem(answer: dict[str, Any]) -> str:
    if answer.get("code") == "host_key_unknown":
        return _(
            "This server isn’t known yet. Compare this fingerprint with what its admin sees (ssh-keygen -lf), enter "
            "both passwords again, and save."
        )
    return str(answer["problem"])


@door(see=ADMINS, do=ADMINS)
def edit_backup_place(request: DeskRequest, place_id: int) -> HttpResponse:
    """How long backups are kept there, and how fast they go."""
    kept = _kept(request, place_id)
    form = KeptForm(request.POST if request.method == "POST" else None, kept=kept)
    if form.is_valid() and gave_password(request, form, "password"):
        kept_places.change(kept, now=dbclock.asked(), by=request.person, **form.new())
        messages.success(request, _("Saved. Old backups go with the next one."))
        return go(request, "backups")
    facts = {"form": form, "place": kept, "name": shown.name_of(kept)}
    return render(request, "web/backups/edit.html", facts, status=422 if form.errors else 200)


@door(see=ADMINS, do=ADMINS)
def remove_backup_place(request: DeskRequest, place_id: int) -> HttpResponse:
    _only_installation_admins(request)
    if place_id not in backup_places.numbers():
        raise Http404
    form = UnlockForm(request.POST if request.method == "POST" else None)
    if form.is_valid() and gave_password(request, form, "password"):
        kept_places.remove(place_id, now=dbclock.asked(), by=request.person)
        messages.success(request, _("The place was removed. Delete its backups there within 30 days."))
        return go(request, "backups")
    facts = {"form": form, "name": _name(place_id)}
    return render(request, "web/backups/remove.html", facts, status=422 if form.errors else 200)


def _name(number: int) -> str:
    kept = backup_places.usable(number)
    return shown.name_of(kept) if kept else _("Place %(number)s") % {"number": number}


@deed(ADMINS)
def back_up_now(request: DeskRequest, place_id: int) -> HttpResponse:
    return _ask_worker(request, place_id, "backup")


@deed(ADMINS)
def test_backup(request: DeskRequest, place_id: int) -> HttpResponse:
    return _ask_worker(request, place_id, "test")


def _ask_worker(request: DeskRequest, place_id: int, work: Work) -> HttpResponse:
    kept = _kept(request, place_id)
    backup_progress.ask(kept.number, work, dbclock.asked())
    return go(request, "backups", anchor=f"place-{kept.number}")


def _kept(request: DeskRequest, number: int) -> KeptPlace:
    _only_installation_admins(request)
    kept = backup_places.usable(number)
    if kept is None:
        raise Http404
    return kept


def _only_installation_admins(request: DeskRequest) -> None:
    """Nobody else learns whether there is such a place."""
    if not memberships.administers_all(request.person):
        raise Http404

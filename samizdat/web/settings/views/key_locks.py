"""Locking the organization in an emergency, and unlocking it."""

from collections.abc import Callable
from datetime import datetime

from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from samizdat import dbclock
from samizdat.accounts import pending_changes, throttle
from samizdat.accounts.errors import AccountError
from samizdat.accounts.password_queues import QueueFull, queues
from samizdat.accounts.queries import name_in
from samizdat.accounts.sealed_people import index_of_person
from samizdat.accounts.sealed_settings import leading
from samizdat.backup import upgrade_copies
from samizdat.delivery.actions import key_destruction, key_locks, strict_keys
from samizdat.incoming import lock_by_mail
from samizdat.vault import lock_codes, strict
from samizdat.vault.errors import StrictRefused
from samizdat.vault.models import StrictKey
from samizdat.web import key_locks as locked_page
from samizdat.web.base_form import DeskForm, refuse
from samizdat.web.permissions import ADMINS, WRITERS, deed, door, go
from samizdat.web.request import DeskRequest
from samizdat.web.settings.views.auth import crowded_for, gave_password, says, wait


@door(see=ADMINS, do=ADMINS)
def lock_organization(request: DeskRequest) -> HttpResponse:
    """What a lock does; POST locks, and signs out whoever pressed it as well."""
    if request.method != "POST":
        return render(request, "web/lock.html", {"practiced": key_locks.last_practice(request.organization)})
    name = leading(request.organization).name
    is_practice = "practice" in request.POST
    key_locks.lock(request.organization, by=request.person, now=dbclock.asked(), is_practice=is_practice)
    logout(request)
    request.organization = request.person = None  # type: ignore[assignment]
    sentence = _(
        "Everyone on the team is signed out. Within 10 seconds, nothing encrypted can be read and nothing is sent. To "
        "unlock it, an admin signs in and enters their password."
    )
    return says(request, _("%(name)s is locked") % {"name": name}, sentence, 200, reverse("sign-in"), _("Sign in"))


@door(see=ADMINS, do=ADMINS)
def show_lock_codes(request: DeskRequest) -> HttpResponse:
    """How many codes are left; POST creates new ones, which are shown once."""
    form = locked_page.UnlockForm(request.POST if request.method == "POST" else None)
    facts: dict[str, object] = {"form": form, "address": next(iter(lock_by_mail.addresses(request.organization)), "")}
    if facts["address"] and form.is_valid() and gave_password(request, form, "password"):
        now = dbclock.asked()
        facts["codes"] = key_locks.make_codes(request.organization, lock_codes.COUNT, by=request.person, now=now)
    else:
        facts["known"] = lock_codes.state(request.organization)
    return render(request, "web/lock_codes.html", facts, status=422 if form.errors else 200)


@door(see=ADMINS, do=ADMINS)
def destroy_keys(request: DeskRequest) -> HttpResponse:
    """What becomes impossible, and what still has the keys. POST asks for it, or confirms what another admin asked."""
    organization, now = request.organization, dbclock.asked()
    row = key_destruction.state(organization)
    form: locked_page.UnlockForm
    posted = request.POST if request.method == "POST" else None
    if row is None:
        form = locked_page.DestroyForm(posted, leading(organization).name)
    else:
        form = locked_page.UnlockForm(posted)
    if form.is_valid() and gave_password(request, form, "password"):
        try:
            if row is None:
                key_destruction.ask(organization, form.cleaned_data["hours"], by=request.person, now=now)
            else:
                key_destruction.confirm(organization, by=request.person, now=now)
        except AccountError as refused:
            refuse(form, None, refused)
        else:
            messages.success(request, _("All admins get an email."))
            return go(request, "destroy-keys")
    facts = {
        "form": form,
        "row": row,
        "due": key_destruction.due_at(row) if row else None,
        "by": name_in(organization, row.by) if row else "",
        "second": name_in(organization, row.confirmed_by) if row and row.confirmed_by else "",
        "needs_second": "" if row else key_destruction.needs_second(organization, request.person, now),
        "mine": row is not None and row.by == request.person,
        "confirms": row is not None and request.person in pending_changes.others(organization, row.by, now),
        "copies": [*key_destruction.copies(organization)],
        "upgrades": upgrade_copies.leftovers(),
    }
    return render(request, "web/destroy_keys.html", facts, status=422 if form.errors else 200)


@deed(ADMINS)
def keep_keys(request: DeskRequest) -> HttpResponse:
    if key_destruction.cancel(request.organization, by=request.person, now=dbclock.asked()):
        messages.success(request, _("Cancelled. The keys stay."))
    return go(request, "destroy-keys")


@deed(ADMINS, in_lock=True)
def unlock_organization(request: DeskRequest) -> HttpResponse:
    form = locked_page.UnlockForm(request.POST)
    if form.is_valid() and gave_password(request, form, "password"):
        try:
            key_locks.unlock(request.organization, by=request.person, now=dbclock.asked())
        except AccountError as refused:
            refuse(form, None, refused)
        else:
            messages.success(request, _("Unlocked. Campaigns that were waiting go on."))
            return go(request, "home")
    return locked_page.answer(request, form)


@deed(in_lock=True)
def unlock_strict_organization(request: DeskRequest) -> HttpResponse:
    """With the passphrase of whoever is signed in."""
    form = locked_page.PassphraseForm(request.POST)
    if form.is_valid() and _gave_passphrase(request, form):
        messages.success(request, _("Unlocked. Campaigns that were waiting go on."))
        return go(request, "home")
    return locked_page.answer(request, form)


@door(see=WRITERS, do=WRITERS)
def change_strict_passphrase(request: DeskRequest) -> HttpResponse:
    """Of whoever is signed in, with their present one."""
    if not _own_rows(request):
        sentence = _("Your passphrase doesn’t unlock this organization, so there is nothing to change.")
        messages.error(request, sentence)
        return go(request, "home")
    form = locked_page.ChangePassphraseForm(request.POST if request.method == "POST" else None)
    if form.is_valid() and _changed_passphrase(request, form):
        messages.success(request, _("Your passphrase was changed."))
        return go(request, "home")
    return render(request, "web/strict_passphrase.html", {"form": form}, status=422 if form.errors else 200)


def _changed_passphrase(request: DeskRequest, form: locked_page.ChangePassphraseForm) -> bool:
    def change(rows: list[StrictKey], now: datetime) -> None:
        old, new = form.cleaned_data["old"], form.cleaned_data["new"]
        strict_keys.change(request.organization, rows[0], old, new, by=request.person, now=now)

    return _with_passphrase(request, form, "old", change)


def _gave_passphrase(request: DeskRequest, form: locked_page.PassphraseForm) -> bool:
    """Unlocks it."""

    def unlock(rows: list[StrictKey], now: datetime) -> None:
        typed, hours = form.cleaned_data["passphrase"], form.cleaned_data["hours"]
        strict_keys.unlock(request.organization, rows, typed, hours, by=request.person, now=now)

    return _with_passphrase(request, form, "passphrase", unlock)


def _own_rows(request: DeskRequest) -> list[StrictKey]:
    return [row for row in strict.people(request.organization) if row.person_id == request.person.pk]


def _with_passphrase(
    request: DeskRequest, form: DeskForm, field: str, act: Callable[[list[StrictKey], datetime], None]
) -> bool:
    """Whether it could be done; what is wrong stands at the field. Tries are counted as those of passwords are."""
    organization, now = request.organization, dbclock.asked()
    rows = _own_rows(request)
    index = index_of_person(request.person)
    lane = throttle.lane(index, f"passphrase of {organization.pk}")
    try:
        throttle.check(lane, now)
        with queues.turn(known=True):
            throttle.take(lane, index, now)
            act(rows, now)
    except throttle.Throttled as throttled:
        refuse(form, field, wait(throttled.seconds))
    except QueueFull as crowded:
        refuse(form, field, crowded_for(crowded.seconds))
    except StrictRefused:
        sentence = _("This isn’t your passphrase. Check keyboard layout and Caps Lock, and enter it again.")
        refuse(form, field, sentence)
    else:
        throttle.forget(lane)
        return True
    return False

"""Mailboxes that incoming email is read from: how each is, adding, changing, testing and removing one."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from msgspec import structs

from samizdat import dbclock
from samizdat.accounts import pending_change_kinds, pending_changes
from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import leading
from samizdat.core.content.problems import SENTENCES
from samizdat.core.crypto.seal import SealError
from samizdat.core.totals import FEWEST
from samizdat.delivery import domain_ownership
from samizdat.delivery.actions import remote_checks, route_webhooks
from samizdat.delivery.models import RemoteCheck
from samizdat.incoming import queries
from samizdat.incoming.mailboxes import actions
from samizdat.incoming.models import PolledMailbox
from samizdat.vault.errors import RecordBroken
from samizdat.web import mailbox_words
from samizdat.web.base_form import FormData, refuse
from samizdat.web.delivery.forms.mailboxes import MailboxForm
from samizdat.web.permissions import ADMINS, KEEPERS, address, deed, door, go
from samizdat.web.remote_checks import ask
from samizdat.web.request import DeskRequest


@door(see=KEEPERS, do=ADMINS)
def mailboxes(request: DeskRequest) -> HttpResponse:
    """All of them, how each is, and the form for one more; POST logs in there and adds it."""
    form = _form(request, request.POST or None)
    if form.is_valid() and _may_use(request, form):
        return _ask_about(request, form, 0)
    return _page(request, form)


def _form(request: DeskRequest, data: FormData, row: PolledMailbox | None = None) -> MailboxForm:
    organization = request.organization
    taken = [box.name for box in actions.mailboxes(organization) if row is None or box.number != row.pk]
    kept = actions.shown(row) if row else None
    return MailboxForm(
        data,
        kept=kept.settings if kept else None,
        name=kept.name if kept else "",
        address=_address_of(organization, kept),
        taken=taken,
    )


def _address_of(organization: Organization, kept: actions.MailboxRow | None) -> str:
    """The bounce address that leads to a mailbox, as far as it is known."""
    if kept and kept.state and kept.state.trip:
        return kept.state.trip.address
    return leading(organization).return_address if kept is None else ""


def _may_use(request: DeskRequest, form: MailboxForm) -> bool:
    """Else the form says why bounces can't go to that address."""
    bounces, kept = form.cleaned_data["address"], leading(request.organization).return_address
    if bounces and domain_ownership.claimed(request.organization, bounces):
        refuse(form, "address", _(SENTENCES["return_anothers"]) % {"address": bounces})
    elif bounces and bounces != kept and domain_ownership.is_anothers_mailbox(request.organization, bounces):
        refuse(form, "address", _(SENTENCES["mailbox_anothers"]) % {"address": bounces})
    return not form.errors


def _ask_about(request: DeskRequest, form: MailboxForm, number: int) -> HttpResponse:
    words = {
        "settings": structs.asdict(form.settings()),
        "name": form.cleaned_data["name"],
        "address": form.cleaned_data["address"],
        "uses": form.cleaned_data["uses"],
        "typed": form.typed(),
    }
    return ask(request, "mailbox", number, address(request.organization, "mailboxes"), **words)


def _page(request: DeskRequest, form: MailboxForm) -> HttpResponse:
    form.ask_password_again()
    rows = [mailbox_words.shown(row, dbclock.asked()) for row in actions.mailboxes(request.organization)]
    kept = leading(request.organization).return_address
    pending, change = pending_change_kinds.waiting_setting(request.organization, "return_address") or ("", None)
    heard = queries.heard(request.organization, dbclock.asked())
    facts = {
        "mailboxes": rows,
        "waits": any(row.waits for row in rows),
        "form": form,
        "bounces": mailbox_words.bounce_address(kept, rows, pending),
        "address": kept,
        "pending": pending,
        "until": pending_changes.until(change, dbclock.asked()) if change else None,
        "heard": heard,
        "came_in": mailbox_words.came_in(heard),
        "fewest": FEWEST,
        "webhooks": mailbox_words.webhooks(route_webhooks.webhooks_of(request.organization)),
    }
    return render(request, "web/mailboxes/mailboxes.html", facts, status=422 if form.errors else 200)


@door(see=ADMINS, do=ADMINS)
def edit_mailbox(request: DeskRequest, mailbox_id: int) -> HttpResponse:
    """The same form with what is kept of one; POST logs in with what was typed and keeps it then."""
    row = _row(request, mailbox_id)
    form = _form(request, request.POST or None, row)
    if form.is_valid() and _may_use(request, form):
        return _ask_about(request, form, row.pk)
    return _edit_page(request, row, form)


def _edit_page(request: DeskRequest, row: PolledMailbox, form: MailboxForm) -> HttpResponse:
    form.ask_password_again()
    facts = {"mailbox": row, "form": form}
    return render(request, "web/mailboxes/edit.html", facts, status=422 if form.errors else 200)


def tell_mailbox(request: DeskRequest, question: RemoteCheck, answer: dict[str, Any]) -> HttpResponse | None:
    """What was typed comes back where we could not log in."""
    words = remote_checks.words_of(question)
    if "problem" not in answer:
        sentence = _("%(name)s: we can log in. Messages waiting there: %(count)s.")
        messages.success(request, sentence % {"name": answer["name"], "count": answer["waiting"]})
        return None
    if "typed" not in words:
        messages.error(request, answer["problem"])
        return None
    row = (
        PolledMailbox.objects.select_related("organization")
        .filter(organization=request.organization, pk=question.about)
        .first()
    )
    form = _form(request, words["typed"], row)
    form.full_clean()
    form.errors.pop("password", None)
    refuse(form, "password" if answer.get("code") == "password" else "host", answer["problem"])
    return _edit_page(request, row, form) if row else _page(request, form)


def _row(request: DeskRequest, number: int) -> PolledMailbox:
    rows = PolledMailbox.objects.select_related("organization").filter(organization=request.organization)
    row = rows.filter(pk=number).first()
    if row is None:
        raise Http404
    return row


@deed(ADMINS)
def test_mailbox(request: DeskRequest, mailbox_id: int) -> HttpResponse:
    """Logs in, and sends a test message to the bounce address that leads there."""
    row = _row(request, mailbox_id)
    bounces = _address_of(request.organization, actions.shown(row)) or leading(request.organization).return_address
    return ask(request, "mailbox", row.pk, address(request.organization, "mailboxes"), address=bounces)


@deed(ADMINS)
def pause_mailbox(request: DeskRequest, mailbox_id: int) -> HttpResponse:
    return _turn(request, mailbox_id, actions.pause, _("Mailbox “%(name)s” isn’t read until you resume it."))


@deed(ADMINS)
def resume_mailbox(request: DeskRequest, mailbox_id: int) -> HttpResponse:
    return _turn(request, mailbox_id, actions.resume, _("Mailbox “%(name)s” is read again, within seconds."))


def _turn(request: DeskRequest, number: int, turn: Callable[..., None], done: str) -> HttpResponse:
    row = _row(request, number)
    try:
        turn(row, now=dbclock.asked(), by=request.person)
    except (actions.NoSuchMailbox, SealError, RecordBroken):
        messages.error(request, _("Its settings can’t be decrypted. Remove it and add it again."))
    else:
        messages.success(request, done % {"name": row.name})
    return go(request, "mailboxes")


@door(see=ADMINS, do=ADMINS)
def remove_mailbox(request: DeskRequest, mailbox_id: int) -> HttpResponse:
    row = _row(request, mailbox_id)
    if request.method == "POST":
        actions.remove(request.organization, row.name, now=dbclock.asked(), by=request.person)
        messages.success(request, _("Mailbox “%(name)s” was removed. Email that was read stays.") % {"name": row.name})
        return go(request, "mailboxes")
    return render(request, "web/mailboxes/remove.html", {"mailbox": row})

"""Seed mailboxes: which there are, where the copies of the last campaign arrived, adding, testing and removing one."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from msgspec import structs

from samizdat import dbclock
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.delivery.actions import remote_checks
from samizdat.delivery.models import RemoteCheck
from samizdat.incoming.models import SeedMailbox
from samizdat.incoming.seeds import copies, mailboxes
from samizdat.web import mailbox_words
from samizdat.web.base_form import FormData, refuse
from samizdat.web.delivery.forms.seeds import SeedForm
from samizdat.web.delivery.stats import shown_placements
from samizdat.web.permissions import ADMINS, KEEPERS, address, deed, door, go
from samizdat.web.remote_checks import ask
from samizdat.web.request import DeskRequest


@door(see=KEEPERS, do=ADMINS)
def seeds(request: DeskRequest) -> HttpResponse:
    """All of them, and the form for one more; POST logs in there and adds it."""
    form = _form(request, request.POST or None)
    if form.is_valid():
        words = {
            "settings": structs.asdict(form.settings()),
            "name": form.cleaned_data["name"],
            "address": form.cleaned_data["address"],
            "typed": form.typed(),
        }
        return ask(request, "seed", 0, address(request.organization, "seeds"), **words)
    return _page(request, form)


def _form(request: DeskRequest, data: FormData) -> SeedForm:
    return SeedForm(data, taken=[row.name for row in mailboxes.seeds(request.organization)])


def _page(request: DeskRequest, form: SeedForm) -> HttpResponse:
    form.ask_password_again()
    campaign = copies.last_campaign(request.organization)
    facts = {
        "seeds": [mailbox_words.shown_seed(row) for row in mailboxes.seeds(request.organization)],
        "form": form,
        "campaign": campaign,
        "subject": draft_of(campaign).subject if campaign else "",
        "placements": shown_placements(campaign) if campaign else None,
    }
    return render(request, "web/seeds/seeds.html", facts, status=422 if form.errors else 200)


def tell_seed(request: DeskRequest, question: RemoteCheck, answer: dict[str, Any]) -> HttpResponse | None:
    """What was typed comes back where we could not log in."""
    words = remote_checks.words_of(question)
    if "problem" not in answer:
        is_good, sentence = mailbox_words.tried_seed(answer)
        (messages.success if is_good else messages.warning)(request, sentence)
        return None
    if "typed" not in words:
        messages.error(request, answer["problem"])
        return None
    form = _form(request, words["typed"])
    form.full_clean()
    form.errors.pop("password", None)
    refuse(form, "password" if answer.get("code") == "password" else "host", answer["problem"])
    return _page(request, form)


def _row(request: DeskRequest, number: int) -> SeedMailbox:
    row = SeedMailbox.objects.filter(organization=request.organization, pk=number).first()
    if row is None:
        raise Http404
    return row


@deed(ADMINS)
def test_seed(request: DeskRequest, seed_id: int) -> HttpResponse:
    """Logs in, sends a test message and looks where it arrives."""
    return ask(request, "seed", _row(request, seed_id).pk, address(request.organization, "seeds"))


@door(see=ADMINS, do=ADMINS)
def remove_seed(request: DeskRequest, seed_id: int) -> HttpResponse:
    row = _row(request, seed_id)
    if request.method == "POST":
        mailboxes.remove(request.organization, row.name, now=dbclock.asked(), by=request.person)
        messages.success(request, _("Seed mailbox “%(name)s” was removed.") % {"name": row.name})
        return go(request, "seeds")
    return render(request, "web/seeds/remove.html", {"seed": row})

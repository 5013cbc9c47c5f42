"""Those without a proven sign-up, imported from a proposal, are asked once by email, as `samizdat rescue ask` does."""

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext

from samizdat import formatting
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import queries
from samizdat.audience.actions.ask_once import A_DAY, ask_once, waiting_to_be_asked
from samizdat.audience.errors import AudienceError
from samizdat.audience.models import List
from samizdat.delivery import service_senders
from samizdat.incoming.evidence.proposal import ASK_TAG
from samizdat.web.base_form import DeskForm
from samizdat.web.permissions import WRITERS, door, go
from samizdat.web.request import DeskRequest

USUAL = 100


class AskOnceForm(DeskForm):
    """How many are asked now."""

    most = forms.IntegerField(
        label=lazy("How many to ask now"),
        min_value=1,
        max_value=A_DAY,
        initial=USUAL,
        help_text=lazy("Ask few at first, and look at the bounces."),
    )


@door(see=WRITERS, do=WRITERS)
def ask_left_out(request: DeskRequest, list_id: int) -> HttpResponse:
    """How many wait to be asked. POST asks some of them."""
    try:
        mailing_list = queries.list_by_id(request.organization, list_id)
    except AudienceError:
        raise Http404 from None
    now = timezone.now()
    has_sender = bool(service_senders.sender_for(mailing_list) and leading(request.organization).public_url)
    form = AskOnceForm(request.POST or None)
    if has_sender and form.is_valid():
        try:
            result = ask_once(mailing_list, ASK_TAG, form.cleaned_data["most"], now=now, by=request.person)
        except AudienceError as refused:
            messages.error(request, str(refused))
        else:
            _say(request, result.asked)
        return go(request, "ask-left-out", list_id)
    return _page(request, mailing_list, form, has_sender=has_sender)


def _say(request: DeskRequest, asked: int) -> None:
    if asked:
        text = ngettext("%(n)s person will be asked by email.", "%(n)s people will be asked by email.", asked)
        messages.success(request, text % {"n": formatting.grouped(asked)})
    else:
        messages.info(request, _("Nobody was asked."))


def _page(request: DeskRequest, mailing_list: List, form: AskOnceForm, *, has_sender: bool) -> HttpResponse:
    waiting, today = waiting_to_be_asked(mailing_list, ASK_TAG, now=timezone.now())
    facts = {
        "list": mailing_list,
        "name": queries.name_of(mailing_list),
        "form": form,
        "waiting": waiting,
        "today": today,
        "a_day": A_DAY,
        "is_over": today >= A_DAY,
        "has_sender": has_sender,
    }
    return render(request, "web/imports/ask_left_out.html", facts, status=422 if form.errors else 200)

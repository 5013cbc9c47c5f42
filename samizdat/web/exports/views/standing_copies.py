"""Standing copies of accounts elsewhere: added, and what would be lost if one were closed now."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from samizdat import dbclock
from samizdat.core.crypto.seal import SealError
from samizdat.delivery.actions import remote_checks
from samizdat.delivery.models import RemoteCheck
from samizdat.portability.account_copies import actions, restoring
from samizdat.portability.account_copies.records import CopyRefused
from samizdat.vault.errors import RecordBroken
from samizdat.web.base_form import refuse
from samizdat.web.exports import standing_copies as shown
from samizdat.web.exports.forms import AccountCopyForm
from samizdat.web.permissions import ADMINS, address, deed, door, go
from samizdat.web.remote_checks import ask
from samizdat.web.request import DeskRequest
from samizdat.web.templatetags.desk import count


@door(see=ADMINS, do=ADMINS)
def standing_copies(request: DeskRequest) -> HttpResponse:
    """POST has the worker ask the service with the key that was typed, and adds the account where it lets us in."""
    if request.method != "POST":
        return _page(request, AccountCopyForm(initial={"service": "mailchimp"}))
    form = AccountCopyForm(request.POST)
    if not form.is_valid():
        return _page(request, form)
    return ask(request, "account", 0, address(request.organization, "standing-copies"), **form.cleaned_data)


@deed(ADMINS)
def import_copy(request: DeskRequest, number: int) -> HttpResponse:
    """Shows what would come of it, as of any import."""
    try:
        copy = actions.copy_numbered(request.organization, number)
        row = restoring.propose(copy, now=dbclock.asked(), by=request.person)
    except CopyRefused as refused:
        if refused.code == "no_such_copy":
            raise Http404 from None
        messages.error(request, str(refused))
    except (SealError, RecordBroken):
        messages.error(request, _("This copy can’t be read: its record was changed or belongs to another key."))
    else:
        return go(request, "import", row.pk)
    return go(request, "standing-copies")


def tell_added(request: DeskRequest, question: RemoteCheck, answer: dict[str, Any]) -> HttpResponse | None:
    """The service stays chosen where it did not let us in; the key is asked for anew."""
    service = remote_checks.words_of(question)["service"]
    question.delete()  # It holds the key.
    if "problem" not in answer:
        sentence = _("%(account)s is added: %(contacts)s contacts. The worker copies it now, and then each night.")
        values = {"account": answer["account"] or service, "contacts": count(answer["contacts"])}
        messages.success(request, sentence % values)
        return None
    form = AccountCopyForm({"service": service})
    form.full_clean()
    form.errors.pop("key", None)
    refuse(form, "key", answer["problem"])
    return _page(request, form)


def _page(request: DeskRequest, form: AccountCopyForm) -> HttpResponse:
    facts = {"copies": shown.views(request.organization, dbclock.asked()), "form": form}
    return render(request, "web/exports/standing_copies.html", facts, status=422 if form.errors else 200)

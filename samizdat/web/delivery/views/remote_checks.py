"""The page that waits for what other people's servers say."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from samizdat import dbclock
from samizdat.delivery.actions import remote_checks
from samizdat.delivery.models import RemoteCheck
from samizdat.web.campaigns.views import compose
from samizdat.web.delivery.views import domains, mailboxes, routes, seeds
from samizdat.web.exports.views import standing_copies
from samizdat.web.permissions import EVERYONE, door
from samizdat.web.request import DeskRequest
from samizdat.web.settings.views import backups

# Seconds after which the page asks again by itself, with script and without.
AGAIN = 2

# Each has the request, the question, and what its answer says; and may show a page of its own.
TELL: dict[str, Callable[[Any, RemoteCheck, dict[str, Any]], HttpResponse | None]] = {
    "probe": routes.tell_probe,
    "letter": routes.tell_letter,
    "records": domains.tell_records,
    "test": compose.tell_test,
    "mailbox": mailboxes.tell_mailbox,
    "seed": seeds.tell_seed,
    "place": backups.tell_place,
    "account": standing_copies.tell_added,
    # Their pages show what is kept of the answer.
    "health": lambda _request, _question, _answer: None,
    "sender": lambda _request, _question, _answer: None,
    "domain": lambda _request, _question, _answer: None,
    "move": lambda _request, _question, _answer: None,
}


@door(see=EVERYONE)
def show_remote_check(request: DeskRequest, question_id: int) -> HttpResponse:
    """Waits; then on to the page where it was asked, with what was found out. Only whoever asked is told."""
    rows = RemoteCheck.objects.select_related("organization").filter(organization=request.organization)
    remote_check = rows.filter(pk=question_id).exclude(kind="links").first()
    if remote_check is None:
        raise Http404
    then = remote_checks.words_of(remote_check)["then"]
    if remote_check.by_id != request.person.pk:
        return redirect(then)
    if remote_checks.is_lost(remote_check, dbclock.asked()):
        messages.error(request, _("No answer. If this continues, ask your server admin to run: samizdat doctor."))
        return redirect(then)
    if remote_check.done is None:
        response = render(request, "web/remote_check.html", {"then": then})
        response["Refresh"] = str(AGAIN)
        return response
    answer = remote_checks.answer_of(remote_check)
    if answer.get("refused"):
        messages.error(request, answer["refused"])
        return redirect(then)
    return TELL[remote_check.kind](request, remote_check, answer) or redirect(then)

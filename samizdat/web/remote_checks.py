"""Has the worker ask other people's servers, and leads to the page that waits for what they say."""

from collections.abc import Iterable

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect

from samizdat import dbclock
from samizdat.delivery.actions import remote_checks, sender_checks
from samizdat.web.permissions import go
from samizdat.web.request import DeskRequest


def ask(request: DeskRequest, kind: str, about: int, then: str, **words: object) -> HttpResponse:
    """kind: of delivery.actions.questions. then: the address of the page that is shown with the answer."""
    try:
        asked = remote_checks.ask(
            request.organization, kind, about, now=dbclock.asked(), by=request.person, then=then, **words
        )
    except remote_checks.TooMuchAsked as refused:
        messages.error(request, str(refused))
        return redirect(then)
    return go(request, "remote-check", asked.pk)


def ask_dns(request: DeskRequest, kind: str, about: int, senders: Iterable[str], then: str) -> HttpResponse | str:
    """Of senders, by delivery.actions.sender_checks. For a part of a page: why it can't be asked, or ""."""
    try:
        asked = sender_checks.ask(
            request.organization, kind, about, senders, now=dbclock.asked(), by=request.person, then=then
        )
    except remote_checks.TooMuchAsked as refused:
        if request.htmx:
            return str(refused)
        messages.error(request, str(refused))
        return redirect(then)
    return "" if request.htmx else go(request, "remote-check", asked.pk)

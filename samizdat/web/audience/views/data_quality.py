"""Likely typos and doubles: looked at by a person, one by one."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat.audience import data_quality, queries
from samizdat.audience.actions import correct_address
from samizdat.audience.errors import AudienceError
from samizdat.audience.models import ODDITIES
from samizdat.core.mail import misspelling
from samizdat.core.mail.address import BadAddress
from samizdat.delivery import queries as delivery
from samizdat.events.actions import record
from samizdat.web import read_limits
from samizdat.web.permissions import EVERYONE, WRITERS, deed, door, go
from samizdat.web.request import DeskRequest

# A double shows two addresses, and no more may be opened at once (audience/read_limits.py).
PAGE = 15


@door(see=EVERYONE)
def overview(request: DeskRequest) -> HttpResponse:
    """Typos first, or doubles. Their addresses are opened, so that is written to the log."""
    organization = request.organization
    kind = request.GET.get("kind", "") if request.GET.get("kind", "") in ODDITIES else ODDITIES[0]
    before = request.GET.get("before", "")
    page = int(before) if before.isascii() and before.isdigit() and len(before) < 13 else None
    oddities = data_quality.newest(organization, kind, page, PAGE + 1)
    shown = read_limits.show(
        request, [number for row in oddities[:PAGE] for number in (row.number, row.other) if number]
    )
    if shown:
        record("data_quality.opened", organization, now=timezone.now(), by=request.person, detail={"kind": kind})
    facts = {
        "kind": kind,
        "rows": [(row, delivery.was_written_to(organization, row.number)) for row in oddities[:PAGE]],
        "before": oddities[PAGE - 1].number if len(oddities) > PAGE else None,
        "counts": data_quality.count(organization),
        "day": data_quality.looked_through(organization),
    }
    return render(request, "web/audience/data_quality.html", facts)


@deed(WRITERS)
def accept_address(request: DeskRequest, number: int) -> HttpResponse:
    """It is right as it is."""
    kind = request.POST.get("kind", "")
    if kind not in ODDITIES or not data_quality.settle(request.organization, number, kind):
        raise Http404
    messages.success(request, _("Ignored. It won’t be shown again."))
    return go(request, "data-quality")


@deed(WRITERS)
def correct_typo(request: DeskRequest, number: int) -> HttpResponse:
    """Puts the address right that was probably meant, for somebody who was never written to: nobody else can have
    agreed by it. Whoever was written to already is asked, not guessed about."""
    subscriber = queries.subscriber_numbered(request.organization, number)
    if subscriber is None:
        raise Http404
    better = misspelling.meant(queries.address_of(subscriber))
    if better is None:
        messages.warning(request, _("This address looks right now. Nothing was changed."))
    elif delivery.was_written_to(request.organization, number):
        messages.error(request, _("Emails were already sent to this address. Ask the subscriber before you change it."))
    else:
        read_limits.count(request)  # It tells whether somebody else has that address.
        try:
            correct_address(subscriber, better, now=timezone.now(), by=request.person)
        except (AudienceError, BadAddress) as refused:
            messages.error(request, str(refused))
        else:
            data_quality.settle(request.organization, number, "typo")
            messages.success(request, _("Address corrected."))
            return go(request, "subscriber", number)
    return go(request, "data-quality")

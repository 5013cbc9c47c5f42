"""The welcome email of a list: begun, and switched off. It is switched on where its checks are (release.send)."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from samizdat import dbclock
from samizdat.audience import queries as audience
from samizdat.audience.errors import AudienceError
from samizdat.audience.models import List
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.errors import CampaignError
from samizdat.delivery.actions import welcome
from samizdat.delivery.errors import DeliveryError
from samizdat.web import labels
from samizdat.web.permissions import WRITERS, deed, go
from samizdat.web.request import DeskRequest
from samizdat.web.templatetags.desk import count

ANCHOR = "welcome"


def _list(request: DeskRequest, list_id: int) -> List:
    try:
        return audience.list_by_id(request.organization, list_id)
    except AudienceError:
        raise Http404 from None


@deed(WRITERS)
def write(request: DeskRequest, list_id: int) -> HttpResponse:
    """On to the draft: a new one, or a copy of what is on."""
    try:
        draft = welcome.begin(_list(request, list_id), now=dbclock.asked(), by=request.person)
    except (AudienceError, CampaignError) as refused:
        messages.error(request, str(refused))
        return go(request, "list", list_id, anchor=ANCHOR)
    return go(request, "campaign", draft.pk)


@deed(WRITERS)
def switch_off(request: DeskRequest, list_id: int) -> HttpResponse:
    try:
        dropped = welcome.switch_off(_list(request, list_id), now=dbclock.asked(), by=request.person)
    except DeliveryError as refused:
        messages.error(request, str(refused))
        return go(request, "list", list_id, anchor=ANCHOR)
    done = _("The welcome email is off.")
    if dropped:
        waited = ngettext(
            "%(n)s subscriber was waiting for it and won’t get it.",
            "%(n)s subscribers were waiting for it and won’t get it.",
            dropped,
        )
        done = f"{done} {waited % {'n': count(dropped)}}"
    messages.success(request, done)
    return go(request, "list", list_id, anchor=ANCHOR)


def facts(mailing_list: List) -> dict[str, object]:
    """What the page of its list says of it."""
    status = welcome.status(mailing_list)
    shown = status.on or status.draft
    return {
        "welcome": status,
        "welcome_subject": draft_of(shown).subject if shown else "",
        "welcome_rows": _rows(status),
        "welcome_reason": labels.why_held(status.on) if status.on and status.state != "on" else "",
    }


def _rows(status: welcome.WelcomeStatus) -> list[tuple[str, int, str]]:
    """(word, count, what it means); what is zero is left out, but for what was sent."""
    words = {name: (str(word), str(note)) for name, word, note in labels.BOOKS}
    waited = _("waiting when it was switched off, or for seven days")
    rows = [
        (words["accepted"][0], status.sent, ""),
        (words["pending"][0], status.waiting, ""),
        (words["refused"][0], status.refused, words["refused"][1]),
        (words["unsure"][0], status.unsure, words["unsure"][1]),
        (words["suppressed"][0], status.skipped, _("unsubscribed or bounced before it was sent")),
        (pgettext("books", "dropped"), status.dropped, waited),
    ]
    return [row for row in rows if row[1] or row is rows[0]]

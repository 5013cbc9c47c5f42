"""Messages whose answer was lost: looked at and settled one by one."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from samizdat import dbclock
from samizdat.accounts.models import Organization
from samizdat.audience import queries as audience
from samizdat.audience.models import NUMBER_MASK, row_id
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.models import Campaign
from samizdat.delivery import actions, queries
from samizdat.delivery.errors import DeliveryError
from samizdat.web import params
from samizdat.web.campaigns.views.campaigns import letter_at
from samizdat.web.permissions import EVERYONE, WRITERS, door, go
from samizdat.web.request import DeskRequest
from samizdat.web.templatetags.desk import count

PAGE = 50


@door(see=EVERYONE, do=WRITERS)
def unsure(request: DeskRequest, campaign_id: int) -> HttpResponse:
    """By number; POST settles those that are ticked. Addresses stay sealed but for the first letter."""
    campaign = letter_at(request, campaign_id)
    if campaign.state == "draft":
        return go(request, "campaign", campaign_id)
    if request.method == "POST":
        _settle(request, campaign)
        return go(request, "unconfirmed", campaign_id)
    doubts = queries.in_doubt(campaign, _number(request.GET.get("after", "")) or 0, PAGE + 1)
    people = _people(request.organization, [doubt.number for doubt in doubts[:PAGE]])
    again = actions.written_again(campaign)
    facts = {
        "campaign": campaign,
        "subject": draft_of(campaign).subject,
        "rows": [(doubt, people.get(doubt.number)) for doubt in doubts[:PAGE]],
        "after": doubts[PAGE - 1].number if len(doubts) > PAGE else None,
        "written_again": again,
        "may_settle": request.role in WRITERS and campaign.state != "cancelled",
    }
    return render(request, "web/campaigns/unconfirmed.html", facts)


def _number(text: str) -> int | None:
    number = params.number(text)
    return number if number is not None and number <= NUMBER_MASK else None


def _people(organization: Organization, numbers: list[int]) -> dict[int, object]:
    """By number; who was erased is not among them."""
    rows = audience.rows_of(organization, [row_id(organization.id, number) for number in numbers])
    return {row.number: row for row in rows}


def _settle(request: DeskRequest, campaign: Campaign) -> None:
    numbers = [number for text in request.POST.getlist("n")[:PAGE] if (number := _number(text)) is not None]
    how = "hold" if request.POST.get("how") == "hold" else "resend"
    if not numbers:
        messages.warning(request, _("Select at least one subscriber, then press a button below the list."))
        return
    try:
        actions.settle(campaign, how, numbers=numbers, now=dbclock.asked(), by=request.person)
    except DeliveryError as refused:
        messages.error(request, str(refused))
        return
    if how == "hold":
        done = ngettext("%(n)s email won’t be resent.", "%(n)s emails won’t be resent.", len(numbers))
    else:
        done = ngettext(
            "%(n)s email will be resent with the same Message-ID.",
            "%(n)s emails will be resent with the same Message-ID.",
            len(numbers),
        )
    messages.success(request, done % {"n": count(len(numbers))})

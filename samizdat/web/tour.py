"""Help, and a tour of seven steps through the pages themselves.

Which step somebody is at stands in the address of the page (?tour=4), so nothing is stored, and they leave the tour by
going anywhere else. The links Back and Next lead to /tour/<step>, which knows the page of that step here.
"""

from collections.abc import Callable
from typing import NamedTuple

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as lazy

from samizdat.audience.models import NUMBER_MASK, UNSUBSCRIBED, List, Subscription
from samizdat.campaigns.models import Campaign
from samizdat.delivery.models import RouteTotal
from samizdat.web import handbook
from samizdat.web.params import number
from samizdat.web.permissions import EVERYONE, KEEPERS, WRITERS, address, door
from samizdat.web.request import DeskRequest

type FindPage = Callable[[DeskRequest], str]


class TourStep(NamedTuple):
    """page: the address of what it is about, in this organization and for this role."""

    title: Promise
    text: Promise
    page: FindPage


class TourPlace(NamedTuple):
    """Where somebody is in the tour: number from 1. back, next: steps, None where there is none."""

    number: int
    step: TourStep
    back: int | None
    next: int | None
    total: int


def _draft(request: DeskRequest) -> Campaign | None:
    rows = Campaign.objects.filter(organization=request.organization, state="draft", version_of=None)
    return rows.order_by("-changed").first()


def _sent(request: DeskRequest) -> int | None:
    """The newest campaign that more than one route sent, else the newest."""
    rows = Campaign.objects.filter(organization=request.organization, version_of=None).exclude(state="draft")
    numbers = list(rows.order_by("-released").values_list("pk", "edition")[:50])
    sent = RouteTotal.objects.filter(edition__in=[edition for _pk, edition in numbers], accepted__gt=0)
    editions = list(sent.values_list("edition", flat=True))
    by_several = (pk for pk, edition in numbers if editions.count(edition) > 1)
    return next(by_several, numbers[0][0] if numbers else None)


def _import_page(request: DeskRequest) -> str:
    return address(request.organization, "imports")


def _write_page(request: DeskRequest) -> str:
    draft = _draft(request)
    if draft is not None:
        return address(request.organization, "campaign", draft.pk)
    return address(request.organization, "new-campaign" if request.role in WRITERS else "campaigns")


def _send_page(request: DeskRequest) -> str:
    draft = _draft(request)
    return address(request.organization, "send", draft.pk) if draft else address(request.organization, "campaigns")


def _report_page(request: DeskRequest) -> str:
    sent = _sent(request)
    if sent is not None:
        return address(request.organization, "report", sent)
    return address(request.organization, "routes" if request.role in KEEPERS else "campaigns")


def _unsubscribed_page(request: DeskRequest) -> str:
    """Of somebody who unsubscribed lately, as far as a look at few of them tells."""
    left = [
        (since, row)
        for list_ in List.objects.filter(organization=request.organization)
        for since, row in Subscription.objects.filter(list=list_, status=UNSUBSCRIBED)
        .order_by("-subscriber")
        .values_list("since", "subscriber")[:200]
    ]
    if not left:
        return address(request.organization, "subscribers") + "?status=unsubscribed"
    return address(request.organization, "subscriber", max(left)[1] & NUMBER_MASK)


def _subscribers_page(request: DeskRequest) -> str:
    return address(request.organization, "subscribers")


def _export_page(request: DeskRequest) -> str:
    if request.role in KEEPERS:
        return address(request.organization, "exports")
    return address(request.organization, "handbook", "export")


STEPS = (
    TourStep(
        lazy("Import subscribers"),
        lazy(
            "Upload the export of your old service here. Everyone keeps their status: people who unsubscribed there "
            "stay unsubscribed."
        ),
        _import_page,
    ),
    TourStep(
        lazy("Write a campaign"),
        lazy(
            "Write as your subscribers will see it. Changes are saved while you type, and two people can edit at once."
        ),
        _write_page,
    ),
    TourStep(
        lazy("Review and send"),
        lazy("Check who gets it and what needs attention, then choose when. An undo window gives you time to stop it."),
        _send_page,
    ),
    TourStep(
        lazy("When a provider drops you"),
        lazy(
            "If a sending provider refuses you in the middle of a campaign, the next route sends the rest. Every "
            "recipient is accounted for."
        ),
        _report_page,
    ),
    TourStep(
        lazy("Unsubscribed stays unsubscribed"),
        lazy("No import brings them back. Their consent record shows each yes and no, with its day and source."),
        _unsubscribed_page,
    ),
    TourStep(
        lazy("Encrypted on disk"),
        lazy(
            "Subscriber data is encrypted on disk, and addresses are hidden here until you ask for them. A stolen copy "
            "of the database can’t be read without the key file."
        ),
        _subscribers_page,
    ),
    TourStep(
        lazy("Leave at any time"),
        lazy("Export everything in one file, and import it into another installation. Nobody can keep your list."),
        _export_page,
    ),
)

# Pages of the handbook that are offered on the help page: (page, what it is about).
HANDBOOK = (
    ("first-steps", lazy("First steps")),
    ("import", lazy("Import")),
    ("writing", lazy("Writing")),
    ("sending", lazy("Sending and reports")),
    ("audience", lazy("Subscribers")),
    ("segments", lazy("Segments")),
    ("signup-forms", lazy("Sign-up forms")),
    ("privacy", lazy("Privacy")),
    ("export", lazy("Export")),
    ("team", lazy("Team")),
    ("sending-providers", lazy("Sending providers")),
    ("routes", lazy("Sending routes")),
    ("sending-domains", lazy("Sending domains")),
    ("bounces", lazy("Bounces and complaints")),
    ("webhooks", lazy("Webhooks")),
    ("inbox", lazy("Inbox")),
    ("own-mail-server", lazy("Your own mail server")),
    ("small-server", lazy("Install and run on a small server")),
    ("keys", lazy("Keys and the key file")),
    ("demo", lazy("Demo")),
)


def place_of(request: HttpRequest) -> TourPlace | None:
    """Where the address says that they are; None outside of the tour."""
    at = number(request.GET.get("tour", ""))
    if at is None or not 1 <= at <= len(STEPS):
        return None
    return TourPlace(at, STEPS[at - 1], at - 1 or None, at + 1 if at < len(STEPS) else None, len(STEPS))


@door(see=EVERYONE)
def help_page(request: DeskRequest) -> HttpResponse:
    pages = [(page, title) for page, title in HANDBOOK if page in handbook.pages()]
    return render(request, "web/help.html", {"steps": STEPS, "pages": pages})


@door(see=EVERYONE)
def tour_step(request: DeskRequest, step: int) -> HttpResponse:
    """On to the page of a step."""
    if not 1 <= step <= len(STEPS):
        raise Http404
    page = STEPS[step - 1].page(request)
    return redirect(f"{page}{'&' if '?' in page else '?'}tour={step}")

"""What a new organization still has to do before its first campaign is sent, for Home and for the end of each step."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from samizdat import formatting
from samizdat.accounts import memberships
from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import queries as audience
from samizdat.audience.queries.lists import ListView
from samizdat.campaigns import queries as campaigns
from samizdat.campaigns.models import Campaign
from samizdat.delivery import backup_places
from samizdat.delivery import queries as delivery
from samizdat.delivery.actions import route_webhooks
from samizdat.delivery.dkim_keys import domains
from samizdat.delivery.queries import RouteRow
from samizdat.incoming.mailboxes import actions as mailboxes
from samizdat.web.permissions import address
from samizdat.web.request import DeskRequest

# Of a campaign that is not on its way; whether one went out is asked of campaigns.has_sent.
IDLE = ("draft", "cancelled", "finished")


@dataclass(frozen=True, slots=True)
class Step:
    """One line. href: "" for whoever may not take it; next: the first that is open, and sending does not wait for one
    that can_wait."""

    done: bool
    title: str
    text: str
    href: str
    link: str
    can_wait: bool = False
    next: bool = False


def next_step(request: DeskRequest) -> Step | None:
    """The one to offer when another was finished; None once a campaign was scheduled or sent, or where only an admin
    can go on."""
    organization = request.organization
    others = any(many for state, many in campaigns.counts(organization).items() if state not in IDLE)
    if others or campaigns.has_sent(organization):
        return None
    drafts = campaigns.newest(organization, ("draft",), limit=1)
    steps = first_steps(
        request, audience.lists(organization), delivery.routes(organization), drafts[0].campaign if drafts else None
    )
    return next((step for step in steps if step.next), None)


def first_steps(
    request: DeskRequest, lists: Sequence[ListView], routes: Sequence[RouteRow], draft: Campaign | None
) -> list[Step]:
    """All of them, in order."""
    organization, is_admin = request.organization, request.role == "admin"
    steps = [
        Step(True, _("Create your organization"), leading(organization).name, "", ""),
        _import(request, sum(view.total for view in lists)),
        Step(
            any(route.state in ("live", "throttled") for route in routes),
            _("Connect a sending provider"),
            _("Use the SMTP login of any provider, or your own mail server."),
            address(organization, "routes") if is_admin else "",
            _("Connect"),
        ),
        _bounces(request),
        Step(
            bool(leading(organization).public_url),
            _("Set the address of your public pages"),
            _public_pages(leading(organization).public_url),
            address(organization, "settings") if is_admin else "",
            _("Set address"),
        ),
        _campaign(request, draft),
        Step(
            any(domain.active for domain in domains(organization)),
            _("Verify your sending domain"),
            _("Add DNS records, so that Gmail and others accept your email. Takes about 10 minutes."),
            address(organization, "domains") if is_admin else "",
            _("Verify domain"),
            can_wait=True,
        ),
    ]
    if is_admin and memberships.administers_all(request.person):
        steps.append(_backups(organization))
    open_ = sorted((step for step in steps if not step.done and step.href), key=lambda step: step.can_wait)
    return [replace(step, next=step in open_[:1]) for step in steps]


def _backups(organization: Organization) -> Step:
    """Done when there is one."""
    return Step(
        any(backup_places.copies(number) for number in backup_places.numbers()),
        _("Set up backups"),
        _("Encrypted copies in another place: without one, a lost server is the end of everything on it."),
        address(organization, "backups"),
        _("Set up"),
        can_wait=True,
    )


def _bounces(request: DeskRequest) -> Step:
    """Done when something is set up that brings them in, or waits for an approval or for its test message."""
    organization = request.organization
    ways = [view for _route, view in route_webhooks.webhooks_of(organization) if view]
    return Step(
        bool(leading(organization).return_address or ways or mailboxes.mailboxes(organization)),
        _("Have bounces come in"),
        _("Addresses that don’t exist then get no more email: by your provider’s webhook, or from a mailbox."),
        address(organization, "mailboxes") if request.role == "admin" else "",
        _("Set up"),
        can_wait=True,
    )


def _public_pages(url: str) -> str:
    """Whether the address leads here is seen only from outside, and no page asks it: whoever set it up is to look."""
    if not url:
        return _("Unsubscribe links start with it.")
    return _("Unsubscribe links start with %(url)s. Open it on your phone before you send: it must show a page.") % {
        "url": url
    }


def _import(request: DeskRequest, people: int) -> Step:
    many = ngettext("%(n)s subscriber so far", "%(n)s subscribers so far", people)
    text = _("From an export file of any service. Your list is created on the way.")
    return Step(
        people > 0,
        _("Import your subscribers"),
        many % {"n": formatting.grouped(people)} if people else text,
        address(request.organization, "imports"),
        _("Import"),
    )


def _campaign(request: DeskRequest, draft: Campaign | None) -> Step:
    """Done when it is scheduled or sent, and then none of the steps is shown any more."""
    text = _("Preview it, send yourself a test, then send.")
    if draft is None:
        href = address(request.organization, "new-campaign")
        return Step(False, _("Write your first campaign"), text, href, _("Write"))
    href = address(request.organization, "campaign", draft.pk)
    return Step(False, _("Send your first campaign"), text, href, _("Continue"))

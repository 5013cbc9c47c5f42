"""Changes of routes, sending domains and their keys that wait for an approval (accounts/pending_changes.py): what they
are."""

from datetime import datetime

from django.utils.translation import gettext as _
from msgspec import Struct, structs

from samizdat.accounts.models import PendingChange
from samizdat.accounts.pending_changes import ChangeKind
from samizdat.delivery.actions import domain_switch, domains, route_changes, routes
from samizdat.delivery.actions.domains import KeyDetails
from samizdat.delivery.actions.route_changes import RouteDetails
from samizdat.delivery.models import DkimKey, Route, SendingDomain


def _domain(row: PendingChange) -> SendingDomain | None:
    rows = SendingDomain.objects.select_related("organization").filter(organization=row.organization)
    return rows.filter(pk=row.about or 0).first()


def _key(row: PendingChange) -> DkimKey | None:
    rows = DkimKey.objects.select_related("domain__organization").filter(domain__organization=row.organization)
    return rows.filter(pk=row.about or 0).exclude(state="retired").first()


def _use_domain(row: PendingChange, name: str, _now: datetime) -> None:
    if domain := _domain(row):
        domains.approve_domain(domain, name)


def _use_key(row: PendingChange, details: KeyDetails, _now: datetime) -> None:
    if key := _key(row):
        domains.approve_key(key, details.public)


def _drop_domain(row: PendingChange, now: datetime) -> None:
    if domain := _domain(row):
        domains.remove_domain(domain, now=now, by=row.by, approved=True)


def _drop_key(row: PendingChange, now: datetime) -> None:
    if key := _key(row):
        domains.retire(key, now=now, by=row.by, approved=True)


def _keep_spare(row: PendingChange, now: datetime) -> None:
    if domain := _domain(row):
        domain_switch.keep_spare(domain, now=now, by=row.by, approved=True)


def _route(row: PendingChange) -> Route | None:
    rows = Route.objects.select_related("organization").filter(organization=row.organization)
    return rows.filter(pk=row.about or 0).exclude(state="removed").first()


def _use_route(row: PendingChange, details: RouteDetails, now: datetime) -> None:
    if (route := _route(row)) and details.wanted:
        routes.use_approved(route, now=now, by=row.by, wanted=details.wanted)


def _drop_route(row: PendingChange, now: datetime) -> None:
    if route := _route(row):
        routes.remove_route(route, now=now, by=row.by)


def _lead_route(row: PendingChange, details: RouteDetails, now: datetime) -> None:
    if (route := _route(row)) and details.wanted:
        routes.lead_as_approved(route, details.wanted, now=now, by=row.by)


def _say_lead(_row: PendingChange, details: RouteDetails) -> str:
    if details.before == details.to:
        return _in(_("The route %(name)s signs in to %(to)s with another password"), details)
    return _in(_("The route %(name)s sends all emails through %(to)s instead of %(before)s"), details)


def _in(sentence: str, details: Struct) -> str:
    return sentence % structs.asdict(details)


KINDS = {
    route_changes.ROUTE: ChangeKind(
        RouteDetails,
        lambda _row, details: _in(_("A new route, %(name)s, sends emails through %(to)s"), details),
        _use_route,
        _drop_route,
        secret=("wanted",),
    ),
    route_changes.CHANGED: ChangeKind(RouteDetails, _say_lead, _lead_route, secret=("wanted",)),
    "domain": ChangeKind(
        str, lambda _row, name: _("Emails are signed for %(domain)s") % {"domain": name}, _use_domain, _drop_domain
    ),
    domain_switch.SPARE: ChangeKind(
        str,
        lambda _row, name: (
            _("%(domain)s is kept as a spare domain, to which one admin can switch all senders") % {"domain": name}
        ),
        do=lambda row, _name, now: _keep_spare(row, now),
    ),
    "domain_removed": ChangeKind(
        str,
        lambda _row, name: _("The domain %(domain)s is removed along with its keys") % {"domain": name},
        do=lambda row, _name, now: _drop_domain(row, now),
    ),
    "key": ChangeKind(
        KeyDetails,
        lambda _row, details: _in(_("The imported key %(selector)s signs for %(domain)s"), details),
        _use_key,
        _drop_key,
    ),
    "key_retired": ChangeKind(
        KeyDetails,
        lambda _row, details: _in(_("The key %(selector)s of %(domain)s is retired"), details),
        do=lambda row, _details, now: _drop_key(row, now),
    ),
}

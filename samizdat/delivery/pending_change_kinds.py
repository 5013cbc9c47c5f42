"""Changes of routes, sending domains and their keys that wait for an approval (accounts/pending_changes.py): what they
are."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from django.utils.translation import gettext as _

from samizdat.accounts.models import PendingChange
from samizdat.accounts.pending_changes import ChangeKind
from samizdat.delivery.actions import domains, route_changes, routes
from samizdat.delivery.models import DkimKey, Route, SendingDomain
from samizdat.delivery.sealed_routes import RouteAddress


def _domain(row: PendingChange) -> SendingDomain | None:
    rows = SendingDomain.objects.select_related("organization").filter(organization=row.organization)
    return rows.filter(pk=row.about or 0).first()


def _key(row: PendingChange) -> DkimKey | None:
    rows = DkimKey.objects.select_related("domain__organization").filter(domain__organization=row.organization)
    return rows.filter(pk=row.about or 0).exclude(state="retired").first()


def _use_domain(row: PendingChange, details: Mapping[str, str], _now: datetime) -> None:
    if domain := _domain(row):
        domains.approve_domain(domain, details["domain"])


def _use_key(row: PendingChange, details: Mapping[str, str], _now: datetime) -> None:
    if key := _key(row):
        domains.approve_key(key, details["public"])


def _drop_domain(row: PendingChange, now: datetime) -> None:
    if domain := _domain(row):
        domains.remove_domain(domain, now=now, by=row.by, approved=True)


def _drop_key(row: PendingChange, now: datetime) -> None:
    if key := _key(row):
        domains.retire(key, now=now, by=row.by, approved=True)


def _route(row: PendingChange) -> Route | None:
    rows = Route.objects.select_related("organization").filter(organization=row.organization)
    return rows.filter(pk=row.about or 0).exclude(state="removed").first()


def _address(details: Mapping[str, object]) -> RouteAddress:
    return msgspec.convert(details["wanted"], RouteAddress)


def _use_route(row: PendingChange, details: dict[str, Any], now: datetime) -> None:
    if route := _route(row):
        routes.use_approved(route, now=now, by=row.by, wanted=_address(details))


def _drop_route(row: PendingChange, now: datetime) -> None:
    if route := _route(row):
        routes.remove_route(route, now=now, by=row.by)


def _lead_route(row: PendingChange, details: dict[str, Any], now: datetime) -> None:
    if route := _route(row):
        routes.lead_as_approved(route, _address(details), now=now, by=row.by)


def _say_lead(_row: PendingChange, details: Mapping[str, object]) -> str:
    if details["before"] == details["to"]:
        return _("The route %(name)s signs in at %(to)s with another password") % details
    return _("The route %(name)s hands all emails to %(to)s instead of %(before)s") % details


KINDS = {
    route_changes.ROUTE: ChangeKind(
        lambda _row, details: _("A new route, %(name)s, hands emails to %(to)s") % details,
        _use_route,
        _drop_route,
        secret=("wanted",),
    ),
    route_changes.CHANGED: ChangeKind(_say_lead, _lead_route, secret=("wanted",)),
    "domain": ChangeKind(
        lambda _row, details: _("Emails are signed for %(domain)s") % details, _use_domain, _drop_domain
    ),
    "domain_removed": ChangeKind(
        lambda _row, details: _("The domain %(domain)s is removed with its keys") % details,
        do=lambda row, _told, now: _drop_domain(row, now),
    ),
    "key": ChangeKind(
        lambda _row, details: _("The key %(selector)s, made elsewhere, signs for %(domain)s") % details,
        _use_key,
        _drop_key,
    ),
    "key_retired": ChangeKind(
        lambda _row, details: _("The key %(selector)s of %(domain)s never signs again") % details,
        do=lambda row, _told, now: _drop_key(row, now),
    ),
}

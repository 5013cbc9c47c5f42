"""Changes of routes, sending domains and their keys that wait for an approval (accounts/changes.py): what they are."""

from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from samizdat.accounts.changes import Kind
from samizdat.accounts.models import PendingChange
from samizdat.delivery.actions import domains, guarding, routes
from samizdat.delivery.models import DkimKey, Route, SendingDomain


def _domain(row: PendingChange) -> SendingDomain | None:
    rows = SendingDomain.objects.select_related("organisation").filter(organisation=row.organisation)
    return rows.filter(pk=row.about or 0).first()


def _key(row: PendingChange) -> DkimKey | None:
    rows = DkimKey.objects.select_related("domain__organisation").filter(domain__organisation=row.organisation)
    return rows.filter(pk=row.about or 0).exclude(state="retired").first()


def _drop_domain(row: PendingChange, now: datetime) -> None:
    if found := _domain(row):
        domains.remove_domain(found, now=now, by=row.by, approved=True)


def _drop_key(row: PendingChange, now: datetime) -> None:
    if found := _key(row):
        domains.retire(found, now=now, by=row.by, approved=True)


def _route(row: PendingChange) -> Route | None:
    rows = Route.objects.select_related("organisation").filter(organisation=row.organisation)
    return rows.filter(pk=row.about or 0).exclude(state="removed").first()


def _use_route(row: PendingChange, _told: dict[str, Any], now: datetime) -> None:
    if found := _route(row):
        routes.use_approved(found, now=now, by=row.by)


def _drop_route(row: PendingChange, now: datetime) -> None:
    if found := _route(row):
        routes.remove_route(found, now=now, by=row.by)


def _lead_route(row: PendingChange, told: dict[str, Any], now: datetime) -> None:
    if found := _route(row):
        routes.lead_as_approved(found, told["wanted"], now=now, by=row.by)


def _say_lead(_row: PendingChange, told: dict[str, Any]) -> str:
    if told["before"] == told["to"]:
        return _("The route %(name)s signs in at %(to)s with another password") % told
    return _("The route %(name)s hands all emails to %(to)s instead of %(before)s") % told


KINDS = {
    guarding.ROUTE: Kind(
        lambda _row, told: _("A new route, %(name)s, hands emails to %(to)s") % told, _use_route, _drop_route
    ),
    guarding.CHANGED: Kind(_say_lead, _lead_route, secret=("wanted",)),
    "domain": Kind(lambda _row, told: _("Emails are signed for %(domain)s") % told, undo=_drop_domain),
    "domain_removed": Kind(
        lambda _row, told: _("The domain %(domain)s is removed with its keys") % told,
        do=lambda row, _told, now: _drop_domain(row, now),
    ),
    "key": Kind(
        lambda _row, told: _("The key %(selector)s, made elsewhere, signs for %(domain)s") % told, undo=_drop_key
    ),
    "key_retired": Kind(
        lambda _row, told: _("The key %(selector)s of %(domain)s never signs again") % told,
        do=lambda row, _told, now: _drop_key(row, now),
    ),
}

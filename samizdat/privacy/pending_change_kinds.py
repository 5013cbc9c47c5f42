"""What of this waits for an approval (accounts/pending_changes.py): rules of a list, and that the silent leave."""

from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from samizdat.accounts.errors import AccountError
from samizdat.accounts.models import PendingChange
from samizdat.accounts.pending_changes import ChangeKind
from samizdat.audience import queries
from samizdat.audience.errors import NoSuchList
from samizdat.audience.models import List
from samizdat.formatting import grouped
from samizdat.privacy.actions import reconsent, retention
from samizdat.privacy.actions.reconsent import RenewalDetails
from samizdat.privacy.actions.retention import RetentionRules
from samizdat.privacy.errors import PrivacyError
from samizdat.privacy.models import Renewal


def _list(row: PendingChange) -> List:
    try:
        return queries.list_by_id(row.organization, row.about or 0)
    except NoSuchList as gone:
        raise AccountError(_("This list no longer exists.")) from gone


def _say(row: PendingChange, details: RetentionRules) -> str:
    days, months = details.left_days, details.delivery_months
    kept = [
        _("people who unsubscribed are kept")
        if days is None
        else ngettext(
            "people who unsubscribed are erased after %(n)s day",
            "people who unsubscribed are erased after %(n)s days",
            days,
        )
        % {"n": days},
        _("who was sent which email is kept")
        if months is None
        else ngettext(
            "who was sent which email becomes totals after %(n)s month",
            "who was sent which email becomes totals after %(n)s months",
            months,
        )
        % {"n": months},
    ]
    return _("on “%(list)s”, %(rules)s") % {"list": queries.name_of(_list(row)), "rules": "; ".join(kept)}


def _do(row: PendingChange, details: RetentionRules, now: datetime) -> None:
    try:
        retention.retain(_list(row), details, now=now, by=row.by, approved=True)
    except PrivacyError as refused:
        raise AccountError(str(refused)) from refused


def _say_moving(row: PendingChange, details: RenewalDetails) -> str:
    try:
        name = queries.name_of(queries.list_by_id(row.organization, details.list))
    except NoSuchList:
        name = "–"
    text = ngettext(
        "%(n)s subscriber who didn’t answer is removed from “%(list)s”",
        "%(n)s subscribers who didn’t answer are removed from “%(list)s”",
        details.n,
    )
    return text % {"n": grouped(details.n), "list": name}


def _do_moving(row: PendingChange, _details: object, now: datetime) -> None:
    rows = Renewal.objects.select_related("organization", "list", "letter")
    renewal = rows.filter(organization=row.organization, pk=row.about or 0).first()
    try:
        if renewal is not None:
            reconsent.move_approved(renewal, now=now, by=row.by)
    except PrivacyError as refused:
        raise AccountError(str(refused)) from refused


KINDS = {
    retention.CHANGE: ChangeKind(RetentionRules, _say, _do),
    reconsent.CHANGE: ChangeKind(RenewalDetails, _say_moving, _do_moving, askers=("admin", "editor")),
}

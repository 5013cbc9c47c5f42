"""Rules of a list that wait for an approval (accounts/pending_changes.py): what they are."""

from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from samizdat.accounts.errors import AccountError
from samizdat.accounts.models import PendingChange
from samizdat.accounts.pending_changes import ChangeKind
from samizdat.audience import queries
from samizdat.audience.errors import NoSuchList
from samizdat.audience.models import List
from samizdat.privacy.actions import retention
from samizdat.privacy.errors import PrivacyError


def _list(row: PendingChange) -> List:
    try:
        return queries.list_by_id(row.organization, row.about or 0)
    except NoSuchList as gone:
        raise AccountError(_("This list is not here any more.")) from gone


def _say(row: PendingChange, details: dict[str, int | None]) -> str:
    days, months = details["left_days"], details["delivery_months"]
    kept = [
        _("who left is kept")
        if days is None
        else ngettext("who left is erased after %(n)s day", "who left is erased after %(n)s days", days) % {"n": days},
        _("who got which letter is kept")
        if months is None
        else ngettext(
            "who got which letter becomes totals after %(n)s month",
            "who got which letter becomes totals after %(n)s months",
            months,
        )
        % {"n": months},
    ]
    return _("of “%(list)s”, %(rules)s") % {"list": queries.name_of(_list(row)), "rules": "; ".join(kept)}


def _do(row: PendingChange, details: dict[str, int | None], now: datetime) -> None:
    try:
        retention.retain(_list(row), retention.RetentionRules(**details), now=now, by=row.by, approved=True)
    except PrivacyError as refused:
        raise AccountError(str(refused)) from refused


KINDS = {retention.CHANGE: ChangeKind(_say, _do)}

"""Changes of many subscribers that wait for an approval (accounts/pending_changes.py): what they are."""

from collections.abc import Callable, Iterator
from datetime import datetime
from types import NoneType

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from samizdat.accounts.errors import AccountError
from samizdat.accounts.models import PendingChange
from samizdat.accounts.pending_changes import ChangeKind
from samizdat.audience import queries
from samizdat.audience.actions import bulk, forms, leaving_alarms, lists, mailed_words, objection, suppressions
from samizdat.audience.actions.bulk import BulkDetails
from samizdat.audience.actions.suppressions import PasteDetails
from samizdat.audience.consent_records import FEWER, purpose_in, what_in
from samizdat.audience.errors import AudienceError, NoSuchList
from samizdat.audience.imports import held
from samizdat.audience.imports.held import RemovalDetails
from samizdat.audience.models import NUMBER_MASK, BulkAction, Import, Subscriber
from samizdat.core.consent import APPEALS
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from samizdat.formatting import grouped


def _alarm(row: PendingChange) -> Event:
    alarm = leaving_alarms.alarm_numbered(row.organization, row.about or 0)
    if alarm is None:
        raise AccountError(_("This alert no longer exists."))
    return alarm


def _say_undo(row: PendingChange, _details: object) -> str:
    alarm = _alarm(row)
    detail, many = detail_of(alarm), leaving_alarms.count(alarm)
    if what_in(detail) == FEWER:
        text = ngettext(
            "%(n)s subscriber of “%(list)s” who chose fewer emails gets as many as before",
            "%(n)s subscribers of “%(list)s” who chose fewer emails get as many as before",
            many,
        )
    elif purpose_in(detail) == APPEALS:
        text = ngettext(
            "%(n)s subscriber of “%(list)s” who stopped appeals gets them again",
            "%(n)s subscribers of “%(list)s” who stopped appeals get them again",
            many,
        )
    else:
        text = ngettext(
            "%(n)s subscriber who unsubscribed from “%(list)s” is subscribed again",
            "%(n)s subscribers who unsubscribed from “%(list)s” are subscribed again",
            many,
        )
    return text % {"n": many, "list": _list_name(row, alarm.about)}


def _list_name(row: PendingChange, number: int | None) -> str:
    try:
        return queries.name_of(queries.list_by_id(row.organization, number or 0))
    except NoSuchList:
        return "–"


def _do_undo(row: PendingChange, _details: object, now: datetime) -> None:
    try:
        leaving_alarms.do_undo(_alarm(row), now=now, by=row.by)
    except leaving_alarms.TooLateToUndo as refused:
        raise AccountError(str(refused)) from refused


def _say_erase(_row: PendingChange, details: BulkDetails) -> str:
    text = ngettext(
        "Personal data of %(n)s subscriber is erased for good",
        "Personal data of %(n)s subscribers is erased for good",
        details.n,
    )
    return text % {"n": grouped(details.n)}


def _say_remove(row: PendingChange, details: BulkDetails) -> str:
    if details.ends:
        text = ngettext(
            "“%(list)s” is deleted, and %(n)s subscriber is removed from it",
            "“%(list)s” is deleted, and %(n)s subscribers are removed from it",
            details.n,
        )
        return text % {"n": grouped(details.n), "list": _list_name(row, details.list)}
    text = ngettext(
        "%(n)s subscriber is removed from “%(list)s”", "%(n)s subscribers are removed from “%(list)s”", details.n
    )
    return text % {"n": grouped(details.n), "list": _list_name(row, details.list)}


def _say_move(row: PendingChange, details: BulkDetails) -> str:
    text = ngettext(
        "%(n)s subscriber is moved from “%(list)s” to “%(to)s”",
        "%(n)s subscribers are moved from “%(list)s” to “%(to)s”",
        details.n,
    )
    lists = {"list": _list_name(row, details.list), "to": _list_name(row, details.to)}
    return text % {"n": grouped(details.n), **lists}


def _work(row: PendingChange) -> BulkAction | None:
    rows = BulkAction.objects.select_related("organization", "by")
    return rows.filter(organization=row.organization, id=row.about or 0).first()


def _do_work(row: PendingChange, details: BulkDetails, now: datetime) -> None:
    if work := _work(row):
        bulk.begin_approved(work, details.asked, now)


def _drop_work(row: PendingChange, now: datetime) -> None:
    if work := _work(row):
        bulk.stop(work, now=now, by=row.settled_by)


def _say_import(row: PendingChange, details: RemovalDetails) -> str:
    if not details.n:
        return _outline_import(row, details)
    if details.list is None:
        text = ngettext(
            "%(n)s subscriber is removed from lists by the import of a whole account",
            "%(n)s subscribers are removed from lists by the import of a whole account",
            details.n,
        )
        return text % {"n": grouped(details.n)}
    text = ngettext(
        "%(n)s subscriber is removed from lists by an import into “%(list)s”",
        "%(n)s subscribers are removed from lists by an import into “%(list)s”",
        details.n,
    )
    return text % {"n": grouped(details.n), "list": _list_name(row, details.list)}


def _outline_import(row: PendingChange, details: RemovalDetails) -> str:
    """How many of a file are on lists tells an editor, halving it, which."""
    if details.list is None:
        return _("a whole account is imported")
    text = ngettext("%(n)s row is imported into “%(list)s”", "%(n)s rows are imported into “%(list)s”", details.rows)
    return text % {"n": grouped(details.rows), "list": _list_name(row, details.list)}


def _import(row: PendingChange) -> Import | None:
    return (
        Import.objects.select_related("organization").filter(organization=row.organization, pk=row.about or 0).first()
    )


def _do_import(row: PendingChange, details: RemovalDetails, now: datetime) -> None:
    try:
        if waiting := _import(row):
            held.begin_approved(waiting, details, now)
    except AudienceError as refused:
        raise AccountError(str(refused)) from refused


def _drop_import(row: PendingChange, _now: datetime) -> None:
    if waiting := _import(row):
        held.let_go(waiting)


def _say_lift(row: PendingChange, _details: object) -> str:
    text = _("the objection of No. %(number)s, recorded by a teammate, is withdrawn")
    return text % {"number": (row.about or 0) & NUMBER_MASK}


def _do_lift(row: PendingChange, _details: object, now: datetime) -> None:
    rows = Subscriber.objects.select_related("organization")
    subscriber = rows.filter(organization=row.organization, id=row.about or 0).first()
    try:
        if subscriber is not None:
            objection.lift_objection(subscriber, now=now, by=row.by)
    except AudienceError as refused:
        raise AccountError(str(refused)) from refused


def _say_paste(row: PendingChange, details: PasteDetails) -> str:
    text = ngettext(
        "%(addresses)s, %(n)s subscriber among them", "%(addresses)s, %(n)s subscribers among them", details.subscribers
    )
    return text % {"addresses": _outline_paste(row, details), "n": grouped(details.subscribers)}


def _outline_paste(_row: PendingChange, details: PasteDetails) -> str:
    text = ngettext(
        "%(n)s address is added to the suppression list", "%(n)s addresses are added to the suppression list", details.n
    )
    return text % {"n": grouped(details.n)}


def _paste_portions(row: PendingChange, details: PasteDetails, now: datetime) -> Iterator[Callable[[], None]]:
    return suppressions.approved_slices(row.organization, details, now=now, by=row.by)


def _say_words(_row: PendingChange, texts: list[str]) -> str:
    words = ", ".join(f"“{text}”" for text in texts)
    return _("Confirmation emails will say: %(words)s") % {"words": words}


def _do_words(row: PendingChange, texts: list[str], now: datetime) -> None:
    number = row.about or 0
    form = forms.form_numbered(row.organization, number) if number >> 32 else None
    if form is not None:
        forms.agree_to_words(form, texts, now=now)
        return
    try:
        lists.agree_to_words(queries.list_by_id(row.organization, number), texts, now=now)
    except NoSuchList:
        raise AccountError(_("This list or form no longer exists.")) from None


KINDS = {
    mailed_words.CHANGE: ChangeKind(list[str], _say_words, _do_words, askers=("admin", "editor")),
    leaving_alarms.CHANGE: ChangeKind(NoneType, _say_undo, _do_undo),
    objection.CHANGE: ChangeKind(NoneType, _say_lift, _do_lift),
    suppressions.CHANGE: ChangeKind(
        PasteDetails,
        _say_paste,
        portions=_paste_portions,
        secret=("addresses",),
        askers=("admin", "editor"),
        outline=_outline_paste,
    ),
    held.CHANGE: ChangeKind(
        RemovalDetails, _say_import, _do_import, _drop_import, askers=("admin", "editor"), outline=_outline_import
    ),
}
KINDS |= {
    bulk.CHANGES[action]: ChangeKind(BulkDetails, says, _do_work, _drop_work, askers=("admin", "editor"))
    for action, says in ((bulk.ERASE, _say_erase), (bulk.REMOVE, _say_remove), (bulk.MOVE, _say_move))
}

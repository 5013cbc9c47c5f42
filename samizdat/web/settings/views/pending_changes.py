"""Changes that wait for another admin, or for a day: approved or stopped with one press."""

from datetime import datetime

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from samizdat import dbclock
from samizdat.accounts import pending_changes, sealed_people
from samizdat.accounts.errors import AccountError
from samizdat.accounts.models import PendingChange, Person
from samizdat.accounts.queries import name_in
from samizdat.delivery.errors import DeliveryError
from samizdat.web import labels
from samizdat.web.permissions import ADMINS, KEEPERS, address, deed, door, go
from samizdat.web.request import DeskRequest
from samizdat.web.templatetags.desk import moment

# Of those that are settled.
SHOWN = 20


@door(see=KEEPERS)
def waiting_changes(request: DeskRequest) -> HttpResponse:
    organization, now = request.organization, dbclock.asked()
    may = request.role == "admin"
    settled = PendingChange.objects.select_related("organization", "by", "settled_by").filter(organization=organization)
    rows = list(pending_changes.waiting(organization))
    _notice(request, rows, now)
    facts = {
        "waiting": [_facts(request, row, now, may) for row in rows],
        "settled": [_settled(request, row) for row in settled.exclude(state="waiting").order_by("-id")[:SHOWN]],
    }
    return render(request, "web/pending_changes.html", facts)


def _facts(request: DeskRequest, row: PendingChange, now: datetime, may: bool) -> dict[str, object]:
    return {
        "row": row,
        "what": pending_changes.sentence_of(row, request.person),
        "by": _name(row, row.by),
        "until": pending_changes.until(row, now),
        "approve": may and request.person in pending_changes.others(row.organization, row.by, now),
        "is_own": row.by_id == request.person.pk,
        "told": pending_changes.counts(row, now),
        "untold": untold(row, now),
    }


def untold(row: pending_changes.HeldRow, now: datetime) -> str:
    """Whose mailboxes refuse to be told of a change, or of an export that is held; "" where it is not known so."""
    if not pending_changes.is_refused(row, now):
        return ""
    people_ = pending_changes.others(row.organization, row.by, now)
    text = ngettext(
        "%(who)s couldn’t be notified: their mailbox rejects email.",
        "%(who)s couldn’t be notified: their mailboxes reject email.",
        len(people_),
    )
    return text % {"who": ", ".join(map(sealed_people.name_of, people_))}


def _notice(request: DeskRequest, rows: list[PendingChange], now: datetime) -> None:
    """Where no mail told another admin, this page does."""
    for row in rows:
        pending_changes.notice(row, request.person, now)


def _settled(request: DeskRequest, row: PendingChange) -> dict[str, object]:
    by = _name(row, row.settled_by) if row.settled_by else _("nobody: the waiting time passed")
    return {
        "row": row,
        "what": pending_changes.sentence_of(row, request.person),
        "asked_by": _name(row, row.by),
        "by": by,
        "state": labels.change(row),
    }


def _name(row: PendingChange, person: Person | None) -> str:
    return name_in(row.organization, person) or _("Someone")


@deed(ADMINS)
def decide_change(request: DeskRequest, change_id: int) -> HttpResponse:
    """One press: `answer` says which."""
    rows = PendingChange.objects.select_related("organization", "by").filter(organization=request.organization)
    row = rows.filter(pk=change_id).first()
    if row is None:
        raise Http404
    approves = request.POST.get("answer") == "approve"
    try:
        (pending_changes.approve if approves else pending_changes.stop)(row, now=dbclock.asked(), by=request.person)
    except (AccountError, DeliveryError) as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("Approved and done.") if approves else _("Stopped. Nothing was changed."))
    return go(request, "pending-changes")


def waits(request: DeskRequest, row: PendingChange) -> None:
    """Said to whoever asked for it."""
    now = dbclock.asked()
    facts = {
        "what": pending_changes.sentence_of(row, request.person),
        "when": moment(pending_changes.until(row, now)),
    }
    if pending_changes.others(row.organization, row.by, now):
        sentence = _(
            "Waiting for another admin: %(what)s. All admins are notified. If nobody approves or stops it, it takes "
            "effect on %(when)s."
        )
    else:
        sentence = _(
            "Waiting until %(when)s: %(what)s. No other admin can approve it yet. If it wasn’t you, stop it under "
            "Pending changes."
        )
    messages.warning(request, sentence % facts)


def tell_waiting(request: DeskRequest, kind: str, about: int) -> None:
    """The same of something that was made and does nothing before it is approved."""
    for row in pending_changes.waiting(request.organization).filter(kind=kind, about=about):
        waits(request, row)


def needs(request: DeskRequest) -> list[dict[str, str]]:
    """For the first page of those who keep things alive."""
    if request.role not in KEEPERS:
        return []
    rows, now = list(pending_changes.waiting(request.organization)), dbclock.asked()
    if not rows:
        return []
    _notice(request, rows, now)
    yes = [row for row in rows if request.person in pending_changes.others(row.organization, row.by, now)]
    title = ngettext("%(n)s change is waiting for approval", "%(n)s changes are waiting for approval", len(rows)) % {
        "n": len(rows)
    }
    first = (yes or rows)[0]
    facts = {
        "who": _name(first, first.by),
        "what": pending_changes.sentence_of(first, request.person),
        "when": moment(pending_changes.until(first, now)),
    }
    text = _("Requested by %(who)s: %(what)s. It takes effect on %(when)s unless an admin stops it.")
    if is_own := first.by_id == request.person.pk:
        text = _("You requested: %(what)s. It takes effect on %(when)s unless an admin stops it.")
    text = " ".join(filter(None, (text % facts, untold(first, now))))
    kind, link = "care", _("Wait or withdraw") if is_own else _("Review")
    if request.role == "admin" and not is_own:
        kind, link = ("stop", _("Approve or stop")) if yes else ("care", _("Stop"))
    href = address(request.organization, "pending-changes")
    return [{"kind": kind, "title": title, "text": text, "href": href, "link": link}]

"""A file takes two people, or a day (threat model, T19): one stolen password shall not carry the list away.

Asked for at the desk, a plain file, and one that is sealed to a key that is not known here, is held until another admin
says yes. A sealed one is made after a day in which anybody who works here can stop it; a plain one is only where there
is no other admin. That day begins as that of any change that waits; what was asked for by somebody who is no admin any
more, or is locked, is over. Who became an admin since yesterday is no other: they may be whoever asked
(accounts/pending_changes.py).
"""

import logging
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat.accounts import pending_changes
from samizdat.accounts.models import Organization, Person
from samizdat.accounts.pending_changes import others
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind
from samizdat.portability import actions, bound_selection, permits, recipient_keys
from samizdat.portability.errors import ExportRefused
from samizdat.portability.models import Export
from samizdat.vault.locks import unlocked

log = logging.getLogger("samizdat.worker")

# What nobody said yes to in this time is over.
LAPSE = timedelta(days=7)


def agree(row: Export, *, now: datetime, by: Person | None, knows_key: bool = False) -> None:
    """Another admin says yes: the worker makes it. knows_key: further exports to its keys need no approval, whoever is
    in them. Errors: ExportRefused."""
    if by == row.by:
        raise ExportRefused("own", _("You requested this yourself, so another admin must approve it."))
    if by not in others(row.organization, row.by, now):
        raise ExportRefused("new_admin", _("Only someone who has been an admin for a day can approve."))
    if not permits.is_ours(row):
        raise ExportRefused("not_permitted", _("This export was changed directly in the database. Request it again."))
    if not actions.is_as_asked(row, now):
        raise ExportRefused(
            "changed",
            _(
                "The subscribers in this export have changed since it was requested. Stop it and have it "
                "requested again."
            ),
        )
    with transaction.atomic():
        if _begin(row, now, permits.AGREED, agreed_by=by):
            _know(row, now, knows_key)
    row.refresh_from_db()


def _know(row: Export, now: datetime, knows_key: bool = False) -> None:
    """A yes to an export of everybody says that its keys may have everything; one to a few people does not."""
    wish = actions.wish_of(row)
    if knows_key or bound_selection.is_of_all(wish):
        recipient_keys.know(row.organization, wish.recipients, now=now)


def _begin(row: Export, now: datetime, why: EventKind, **settled: Any) -> bool:
    """The worker shall make it. why: the kind of its event."""
    row.state, row.released_at = "asked", now
    mine = Export.objects.filter(pk=row.pk, state="held")
    begun = bool(mine.update(state="asked", released_at=now, mac=permits.permit(row), **settled))
    if begun:
        record(why, row.organization, about=row.pk, by=settled.get("agreed_by"), now=now)
    return begun


def notice(row: Export, person: Person, now: datetime, *, by_mail: bool = False) -> None:
    """This admin was shown it, or a mail to them was accepted (accounts/pending_changes.py)."""
    if not pending_changes.is_news_to(row, person, now, by_mail=by_mail):
        return
    with transaction.atomic():
        fresh = _locked(row)
        if fresh is not None and pending_changes.is_news_to(fresh, person, now, by_mail=by_mail):
            row.noticed, row.waited_seconds = fresh.noticed, fresh.waited_seconds = now, 0.0
            _save(fresh)


def refuse(row: Export, refused: Collection[Person], now: datetime) -> None:
    """Mails to these admins were refused or put off by the servers of their mailboxes (accounts/pending_changes.py)."""
    if not pending_changes.are_out_of_reach(row, refused, now):
        return
    with transaction.atomic():
        fresh = _locked(row)
        if fresh is not None and pending_changes.are_out_of_reach(fresh, refused, now):
            pending_changes.note_refused(fresh, now)
            _save(fresh)


def _locked(row: Export) -> Export | None:
    """As it stands now, for this transaction; None where somebody knows of it, or it is not as we wrote it."""
    mine = Export.objects.select_related("organization", "by").select_for_update(of=("self",))
    fresh = mine.filter(pk=row.pk, state="held", noticed=None).first()
    return fresh if fresh is not None and permits.is_ours(fresh) else None


def _save(row: Export) -> None:
    """What is known of who was told."""
    row.mac = permits.permit(row)
    row.save(update_fields=["noticed", "refused", "tried", "waited_seconds", "mac"])


def held(organization: Organization) -> list[Export]:
    """Those that wait for a yes or for their day to pass, the oldest first."""
    rows = Export.objects.select_related("organization", "by").filter(organization=organization, state="held")
    return list(rows.order_by("id"))


def is_made_alone(row: Export, now: datetime) -> bool:
    """Whether it is made once its day has passed, without anybody's yes."""
    return not row.plain or pending_changes.is_alone(row.organization, row.by, now)


def wait(now: datetime, passed: timedelta, seen: pending_changes.Seen | None = None) -> None:
    """Counts the time that passed, by a clock that nobody can set, since the last call; what has waited long enough is
    made. seen: as in changes.count."""
    for row in Export.objects.select_related("organization", "by").filter(unlocked("organization__"), state="held"):
        if not pending_changes.is_admin(row.by, row.organization):
            actions.cancel(row, now=now, by=None)
            continue
        if not is_made_alone(row, now):
            if row.created < now - LAPSE:
                actions.cancel(row, now=now, by=None)
            continue
        if not permits.is_ours(row):
            log.error("An export that waited was written by somebody who has no keys; it was dropped.")
            Export.objects.filter(pk=row.pk, state="held").update(state="failed", problem="not_permitted", mac=b"")
            continue
        if not pending_changes.counts(row, now):
            continue
        row.waited_seconds = pending_changes.count(row, passed, seen)
        if not pending_changes.has_waited(row, row.waited_seconds, now):
            mine = Export.objects.filter(
                pk=row.pk, state="held", waited_seconds__lte=row.waited_seconds, **pending_changes.receipts_of(row)
            )
            mine.update(waited_seconds=row.waited_seconds, mac=permits.permit(row))
            continue
        if not actions.is_as_asked(row, now):
            actions.cancel(row, now=now, by=None)
            continue
        with transaction.atomic():
            if _begin(row, now, permits.WAITED, waited_seconds=row.waited_seconds):
                _know(row, now)

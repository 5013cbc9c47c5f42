"""A plain file takes two people, or a day (threat model, T19): one stolen password shall not carry the list away.

Asked for at the desk it is held until another admin says yes; where there is no other, for a day in which anybody who
works here can stop it. Who became an admin since yesterday is no other: she may be whoever asked.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat.accounts.models import Membership, Person
from samizdat.audience.exporting import actions
from samizdat.audience.exporting.errors import ExportRefused
from samizdat.audience.exporting.models import Export
from samizdat.events.actions import record
from samizdat.events.models import Event

WAIT = timedelta(hours=24)
# How long somebody has to be an admin before her yes counts.
SEASONED = timedelta(hours=24)
# What nobody said yes to in this time is over.
LAPSE = timedelta(days=7)

AGREED = "subscribers.export.agreed"


def others(organisation: Any, asker: Any, now: datetime) -> list[Person]:
    """Admins whose yes counts."""
    rows = Membership.objects.filter(organisation=organisation, role="admin", person__is_active=True)
    recent = Event.objects.filter(organisation=organisation, kind="person.role", at__gt=now - SEASONED)
    new = set(recent.values_list("about", flat=True))
    return [row.person for row in rows.select_related("person").exclude(person=asker) if row.person_id not in new]


def agree(row: Export, *, now: datetime, by: Any) -> None:
    """Another admin says yes: the worker makes it. Errors: ExportRefused."""
    if by == row.by:
        raise ExportRefused("own", _("You asked for it yourself: another admin has to agree."))
    if by not in others(row.organisation, row.by, now):
        raise ExportRefused("new_admin", _("Only somebody who has been an admin for a day can agree."))
    with transaction.atomic():
        if Export.objects.filter(pk=row.pk, state="held").update(state="asked", agreed_by=by, begun=now):
            record(AGREED, row.organisation, about=row.pk, by=by, now=now)
    row.refresh_from_db()


def held(organisation: Any) -> list[Export]:
    """Those that wait for a yes or for their day to pass, the oldest first."""
    rows = Export.objects.select_related("organisation", "by").filter(organisation=organisation, state="held")
    return list(rows.order_by("id"))


def until(row: Export, now: datetime) -> datetime:
    """When it is made where nobody else can say yes."""
    return max(row.created + WAIT, now + WAIT - timedelta(seconds=row.waited))


def wait(now: datetime, passed: timedelta) -> None:
    """Counts the time that passed, by a clock that nobody can set, since the last call; what has waited long enough is
    made. The day is over when both clocks say so, so none of them shortens it, and a house that is off only lengthens
    it."""
    for row in Export.objects.select_related("organisation", "by").filter(state="held"):
        mine = Export.objects.filter(pk=row.pk, state="held")
        if others(row.organisation, row.by, now):
            if row.created < now - LAPSE:
                actions.cancel(row, now=now, by=None)
            continue
        waited = row.waited + passed.total_seconds()
        if waited >= WAIT.total_seconds() and now >= row.created + WAIT:
            mine.update(state="asked", waited=waited, begun=now)
        else:
            mine.update(waited=waited)

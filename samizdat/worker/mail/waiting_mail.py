"""The mail to one subscriber or teammate at a time: who waits for one, and a lane for each organization."""

from datetime import datetime

from samizdat import dbclock
from samizdat.accounts.models import Organization
from samizdat.vault import locks
from samizdat.worker.inbox import by_mail, inbox, signups, subject_requests
from samizdat.worker.mail import address_mail, answers
from samizdat.worker.mail.departures import Departures
from samizdat.worker.mail.lanes import OrganizationLanes
from samizdat.worker.schedule import admin_alerts, notices

KINDS = (*signups.KINDS, *subject_requests.KINDS, *by_mail.KINDS)


def waiting(now: datetime) -> set[int]:
    """Organizations that have mail to write now."""
    places = inbox.places_of(KINDS, signups.memory)
    asked = Organization.objects.filter(uid__in=places).values_list("pk", flat=True) if places else ()
    answered = signups.memory.answered()
    team = {*admin_alerts.waiting(now), *notices.waiting(now), *address_mail.waiting(now)}
    return {*asked, *answered, *answers.waiting(now), *team} - {*locks.numbers()}


def write(organization: int) -> None:
    """All that waits for this one, and is due."""
    row = Organization.objects.get(pk=organization)
    signups.memory.begin(organization, departures, dbclock.now())
    signups.take(dbclock.now(), row)
    subject_requests.take(dbclock.now(), row)
    answers.take(dbclock.now(), organization)
    by_mail.take(dbclock.now(), row)
    admin_alerts.take(dbclock.now(), organization)
    notices.take(dbclock.now(), organization)
    address_mail.take(dbclock.now(), organization)


departures = Departures()
# A lane has two sessions of PostgreSQL while it works.
lanes = OrganizationLanes(4, 2, write)


def look(now: datetime) -> None:
    """Once a second."""
    lanes.offer(waiting(now))
    signups.tell_waiting()

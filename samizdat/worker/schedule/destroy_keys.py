"""Keys whose waiting time is over are destroyed, and all admins are mailed that it is so."""

import logging
from datetime import datetime, timedelta

from samizdat import dbclock
from samizdat.accounts.models import Organization
from samizdat.delivery.actions import key_destruction, key_locks
from samizdat.logs import where_it_broke
from samizdat.worker.mail import last_mails
from samizdat.worker.schedule import admin_alerts

log = logging.getLogger("samizdat.worker")

# By a clock that nobody can set.
_looked: list[float] = []


def look(now: datetime) -> None:
    """Each ten seconds."""
    ticks = dbclock.ticks()
    passed = timedelta(seconds=ticks - _looked[0] if _looked else 0)
    _looked[:] = [ticks]
    wait(now, passed)


def wait(now: datetime, passed: timedelta) -> None:
    for row in key_destruction.due(now, passed):
        organization: Organization = row.organization
        try:
            mails = last_mails.ready_for_admins(organization, admin_alerts.destroyed, now)
        except Exception as error:
            log.error("Admins can't be mailed that their keys are destroyed: %s", where_it_broke(error))
            mails = []
        key_locks.destroy(organization, by=row.confirmed_by, now=now)
        log.warning("The keys of an organization were destroyed, as two of its admins had asked.")
        last_mails.carry(mails)

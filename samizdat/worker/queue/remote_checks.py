"""What the desk wants to know of other people's servers: asked in lanes of their own."""

from samizdat import dbclock
from samizdat.delivery.actions import remote_checks
from samizdat.worker.mail.lanes import OrganizationLanes

# A lane has one session of PostgreSQL while it works.
lanes = OrganizationLanes(3, 1, lambda organization: remote_checks.answer_all(organization, dbclock.now))


def look() -> None:
    """Once a second."""
    if asked := remote_checks.waiting():
        lanes.offer(asked)

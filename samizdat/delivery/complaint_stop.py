"""Whether a list's sending was stopped because too many reported its emails as spam (core/mail/complaint_rules)."""

from django.utils.translation import gettext as _

from samizdat.accounts.models import Organization
from samizdat.delivery.errors import NotReleasable
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.events.queries import last_about

STOPPED: EventKind = "list.complaints_stopped"
RESUMED: EventKind = "list.complaints_resumed"
# Why such a campaign is paused.
REASON = "complaints"


def stopped(organization: Organization, list_id: int) -> Event | None:
    """The event by which it was stopped; None where it may be sent to."""
    event = last_about(organization, (STOPPED, RESUMED), list_id)
    return event if event is not None and event.kind == STOPPED else None


def refuse_stopped(organization: Organization, list_id: int) -> None:
    """Errors: NotReleasable."""
    if stopped(organization, list_id):
        raise NotReleasable(
            _(
                "Too many subscribers reported emails of this list as spam, so nothing is sent to it. An admin can "
                "resume the list in the report of its last campaign."
            )
        )

"""Whether a list's sending was stopped because too many reported its emails as spam (core/mail/complaint_rules)."""

from django.utils.translation import gettext as _

from samizdat.accounts.models import Organization
from samizdat.campaigns.models import Campaign
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


def stopped_lists(organization: Organization) -> set[int]:
    """Numbers of the lists that are stopped."""
    once = Event.objects.filter(organization=organization, kind=STOPPED).values_list("about", flat=True).distinct()
    return {list_id for list_id in once if list_id and stopped(organization, list_id)}


def report_of(organization: Organization, list_id: int) -> int:
    """The campaign in whose report a stopped list is resumed, by its number; 0: it has none."""
    rows = Campaign.objects.filter(organization=organization, list=list_id, released__isnull=False, version_of=None)
    return rows.order_by("-released", "-pk").values_list("pk", flat=True).first() or 0


def refuse_stopped(organization: Organization, list_id: int) -> None:
    """Errors: NotReleasable."""
    if stopped(organization, list_id):
        raise NotReleasable(
            _(
                "Too many subscribers reported emails of this list as spam, so nothing is sent to it. An admin can "
                "resume the list in the report of its last campaign."
            )
        )

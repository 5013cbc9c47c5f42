"""Archiving and deleting a list, as long as no campaign is on its way to it (audience/actions/archive_lists.py)."""

from datetime import datetime

from django.utils.translation import gettext as _

from samizdat.accounts.models import Person
from samizdat.audience.actions import archive_lists
from samizdat.audience.errors import ListInUse
from samizdat.audience.models import BulkAction, List
from samizdat.campaigns.models import STATES, Campaign
from samizdat.campaigns.queries import with_subjects

ON_THEIR_WAY = tuple(state for state in STATES if state not in ("draft", "finished", "cancelled"))
NAMED = 5


def campaigns_to(list: List) -> list[str]:
    """Subjects of those that are scheduled, wait, are paused or being sent."""
    rows = Campaign.objects.filter(list=list, state__in=ON_THEIR_WAY, version_of=None).order_by("id")
    return [row.subject or "–" for row in with_subjects(rows[:NAMED])]


def archive(list: List, *, now: datetime, by: Person | None = None) -> None:
    """Errors: ListInUse."""
    _insist_on_no_campaign(list)
    archive_lists.archive(list, now=now, by=by)


def delete(list: List, name: str, *, now: datetime, by: Person | None = None) -> BulkAction | None:
    """As archive_lists.delete. Errors: ListInUse, BulkRefused."""
    _insist_on_no_campaign(list)
    return archive_lists.delete(list, name, now=now, by=by)


def _insist_on_no_campaign(list: List) -> None:
    if subjects := campaigns_to(list):
        sentence = _(
            "These campaigns are on their way to this list: %(subjects)s. Wait until they’re sent, or cancel them."
        )
        raise ListInUse(sentence % {"subjects": ", ".join(subjects)})

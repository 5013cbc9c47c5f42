"""The mail to one reader or admin at a time: who waits for one, and a lane for each organization."""

from datetime import datetime

from samizdat import hours
from samizdat.accounts.models import Organisation
from samizdat.worker import asking, boxes, signups, telling
from samizdat.worker.lanes import Lanes

KINDS = (*signups.KINDS, *asking.KINDS)


def waiting(now: datetime) -> set[int]:
    """Organisations that have mail to write now."""
    places = boxes.places_of(KINDS, signups.memory)
    asked = Organisation.objects.filter(uid__in=places).values_list("pk", flat=True) if places else ()
    return {*asked, *telling.waiting(now)}


def write(organisation: int) -> None:
    """All that waits for this one, and is due."""
    place = bytes(Organisation.objects.values_list("uid", flat=True).get(pk=organisation))
    signups.take(hours.now(), place)
    asking.take(hours.now(), place)
    telling.take(hours.now(), organisation)


# A lane has two sessions of PostgreSQL while it works.
lanes = Lanes(4, 2, write)


def look(now: datetime) -> None:
    """Once a second."""
    lanes.offer(waiting(now))
    signups.tell_waiting()

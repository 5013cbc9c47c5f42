"""Once a day, and after each release: what subscriptions say is compared with what their consent records say
(audience/consistency.py). A campaign believes what subscriptions say: whoever writes the database could change it by
day.

A bit of it in each round of the clock, so that nobody waits for a million of them. It changes nothing but the index of
an address that is not that of the sealed one, and the suppression list and pauses (audience/suppression_check.py,
audience/missing_subscribers.py): a difference is an event that tells how many, and Home shows it. Where a
person has asked for it, it begins anew and puts right.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from samizdat.accounts.models import Organization
from samizdat.audience import missing_subscribers
from samizdat.audience.actions import put_indexes_right, settle_again
from samizdat.audience.consistency import CHECKED, DIFFER, MEND, check_page, tell
from samizdat.audience.suppression_check import LoggedNos, putting_right
from samizdat.events import queries
from samizdat.events.kinds import EventKind
from samizdat.vault.locks import unlocked
from samizdat.worker.stopping import stopping

__all__ = ["CHECKED", "DIFFER", "MEND", "compare"]

RELEASED: EventKind = "campaign.released"
# Of one round; a million subscribers take some thirty rounds (14 us each).
SECONDS = 0.5
# Put right between two looks at the time: a thousand of a page took the schedules of all ten seconds.
MENDED = 10


@dataclass(slots=True)
class _Going:
    """A comparison that is not through. A process that ends loses it, and the next begins anew."""

    day: date
    wish: int = 0  # The event by which somebody asked to put right; 0 for none.
    released: int = 0  # The event of a release since the last comparison; 0 for none.
    after: int = 0
    subscribers: int = 0
    wrong: int = 0
    mended: int = 0
    nos: LoggedNos | None = field(default_factory=LoggedNos)  # None: all of the suppression list is put right.
    steps: Iterator[int] | None = None  # Of putting right what `nos` says.
    wrong_left: list[int] = field(default_factory=list)  # Of the last page, who is yet to be put right.
    is_last: bool = False  # Was that the last page?


_going: dict[int, _Going] = {}
# Organizations that are compared once more, whatever day it was done.
_anew: set[int] = set()


def begin_anew() -> None:
    """What was compared was not all there (index_check.py)."""
    _going.clear()
    _anew.update(Organization.objects.values_list("id", flat=True))


def compare(now: datetime) -> None:
    """Goes on with what is due today (UTC), for SECONDS at most."""
    until, failed = time.monotonic() + SECONDS, list[Exception]()
    for organization in Organization.objects.filter(unlocked()).order_by("id"):
        last, wish = queries.last(organization, CHECKED), queries.last(organization, MEND)
        asked = wish.id if wish is not None and (last is None or wish.id > last.id) else 0
        release = queries.last(organization, RELEASED)
        released = release.id if release is not None and (last is None or release.id > last.id) else 0
        is_of_today = last is not None and last.at.astimezone(UTC).date() >= now.astimezone(UTC).date()
        if is_of_today and not asked and not released and organization.id not in _anew:
            continue
        try:
            if not _go_on(organization, asked, released, now, until):
                break
        except Exception as error:  # Of one organization, which keeps no other from being compared.
            failed.append(error)
    if failed:
        raise failed[0]


def _go_on(organization: Organization, wish: int, released: int, now: datetime, until: float) -> bool:
    """Whether this organization is through."""
    today = now.astimezone(UTC).date()
    going = _going.get(organization.id)
    if going is None or (going.day, going.wish, going.released) != (today, wish, released):
        going = _going[organization.id] = _Going(today, wish, released)
    while going.nos is not None:
        if stopping.is_set() or time.monotonic() > until:
            return False
        if going.steps is None:
            if going.nos.go_on(organization, now):
                going.steps = putting_right(organization, going.nos, now)
        elif next(going.steps, None) is None:
            going.steps, going.nos = None, going.nos.rest()
    while going.wrong_left or not going.is_last:
        if stopping.is_set() or time.monotonic() > until:
            return False
        if going.wrong_left:
            some, going.wrong_left = going.wrong_left[:MENDED], going.wrong_left[MENDED:]
            going.mended += settle_again(organization, some, now=now)
            continue
        page, after = check_page(organization, going.after, now)
        going.subscribers += page.subscribers
        going.wrong += len(page.wrong)
        put_indexes_right(organization, page.misindexed, now=now)
        missing_subscribers.report(organization, page.missing, now)
        going.wrong_left = page.wrong if wish else []
        going.after, going.is_last = after or going.after, after is None
    tell(organization, going.subscribers, going.wrong, going.mended, now)
    del _going[organization.id]
    _anew.discard(organization.id)
    return True

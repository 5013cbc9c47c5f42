"""How many readers a team takes off its lists in a day by itself (threat model, T19).

Whoever stole a session would end a list one by one as well as many at once, so every deed at the desk by which a reader
gets less counts: leaving, objecting, the stop list, work on many (actions/bulk.py), a renewal's moving, a file that is
imported, and a correction of an address, by which their letters go elsewhere. Past the limit work on many and imports
wait for an admin, and what is done one by one is refused and told to all admins. Who is on no list any more loses
nothing by it. The command line is of whoever has the machine, and is not counted.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from samizdat.accounts import pending_changes
from samizdat.accounts.models import Organization, Person
from samizdat.audience.errors import TooManyCorrections, TooManyLifts, TooManyRemovals
from samizdat.audience.models import PENDING, SUBSCRIBED, BulkAction, Subscription
from samizdat.events.actions import detail_of, record, whole_day
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.events.queries import was_said
from samizdat.vault import keyring

ALARM: EventKind = "person.removal_limit_reached"
REDIRECTED: EventKind = "subscribers.redirected"
PASTED: EventKind = "suppressions.added"
LIFTED: EventKind = "subscriber.unsuppressed"
BY_IMPORT: EventKind = "subscribers.import.removed"

# What people ask for by mail or in person.
ALONE_A_DAY = 20
DAY = timedelta(days=1)
# So many addresses somebody corrects in a day for nothing: readers write that they have moved.
CORRECTIONS = 2

_SINGLE: tuple[EventKind, ...] = ("subscriber.left", "subscriber.objected", "subscriber.suppressed")
# Events that say in their detail how many they were about.
_MANY: dict[str, str] = {PASTED: "subscribers", "reconsent.move_started": "n", BY_IMPORT: "subscribers"}
# Of these the newest are opened, in a transaction in which nobody else writes; each counts, so a few are over the
# limit. (A paste that took nobody off says that nothing is to be opened.)
OPENED = 100
NOBODY = 0


def is_over(organization: Organization, many: int, *, now: datetime, by: Person | None) -> bool:
    """Whether this person may not take so many more off today."""
    return pending_changes.held(organization, by) and _today(organization, now) + many > ALONE_A_DAY


def _today(organization: Organization, now: datetime) -> int:
    rows = Event.objects.select_related("organization").filter(
        organization=organization, by__isnull=False, at__gt=now - DAY
    )
    single: int = rows.filter(kind__in=_SINGLE, about__isnull=False).count()
    works = BulkAction.objects.filter(organization=organization, action__in=("remove", "move"), by__isnull=False)
    alone = works.filter(begun__gt=now - DAY, expected__lte=ALONE_A_DAY).exclude(state="waiting")
    corrected = sum(max(0, readers - CORRECTIONS) for readers in _corrected(organization, now).values())
    count = single + corrected + sum(alone.values_list("expected", flat=True))
    for kind, name in _MANY.items():
        for event in rows.filter(kind=kind).exclude(about=NOBODY).order_by("-id")[:OPENED]:
            if count > ALONE_A_DAY:
                return count
            count += int(detail_of(event).get(name, 0))
    return count


def _corrected(organization: Organization, now: datetime) -> dict[int, int]:
    """How many readers each person has had written to at another address today, each as often as it takes."""
    marks = _redirected(organization, now).values_list("by_id", "about").distinct()
    return Counter(person for person, _mark in marks)


def _redirected(organization: Organization, now: datetime) -> QuerySet[Event]:
    return Event.objects.filter(organization=organization, kind=REDIRECTED, by__isnull=False, at__gte=whole_day(now))


def _mark(organization: Organization, id: int) -> int:
    """What an event about a subscriber who is redirected is about: no number of a row, and whose it is takes our key;
    so those of a day are counted without opening one."""
    return -1 - int.from_bytes(keyring.keys(organization).blind(f"redirected\0{id}")[:7])


@contextmanager
def limited(organization: Organization, *, now: datetime, by: Person | None) -> Iterator[None]:
    """A transaction in which check() may refuse: then it is taken back, and the alarm is not."""
    try:
        with transaction.atomic():
            yield
    except TooManyRemovals:
        if by is not None and not was_said(organization, ALARM, now - DAY, about=by.pk):
            record(ALARM, organization, now=now, about=by.pk, by=by)
        raise


def check(organization: Organization, ids: Sequence[int], *, now: datetime, by: Person | None) -> None:
    """Of several at once each counts those before it; these subscribers are locked already. Errors: TooManyRemovals."""
    if by is None or not ids:
        return
    if many := on_lists(ids):
        _refuse_over(organization, many, now=now, by=by)


def on_lists(ids: Sequence[int]) -> int:
    """How many of these would get less."""
    on = Subscription.objects.filter(subscriber__in=ids, status__in=(PENDING, SUBSCRIBED))
    return on.values("subscriber").distinct().count()


def check_correction(organization: Organization, id: int, *, now: datetime, by: Person | None) -> None:
    """Somebody, who is locked, is written to at another address from now on: it is recorded, so that all that follows
    counts it. Errors: TooManyCorrections."""
    if by is None or not on_lists([id]):
        return
    mark, today = _mark(organization, id), _redirected(organization, now).filter(by=by)
    if today.filter(about=mark).exists():
        return
    if _corrected(organization, now).get(by.pk, 0) >= CORRECTIONS:
        _refuse_over(organization, 1, now=now, by=by, error=TooManyCorrections)
    record(REDIRECTED, organization, about=mark, by=by, now=now)


def check_lift(organization: Organization, *, now: datetime, by: Person | None) -> None:
    """One more address comes off the suppression list: whoever complained gets mail again. Errors: TooManyLifts."""
    if by is None or not pending_changes.held(organization, by):
        return
    Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
    rows = Event.objects.filter(organization=organization, kind=LIFTED, by__isnull=False, at__gt=now - DAY)
    if rows.count() >= ALONE_A_DAY:
        raise TooManyLifts(ALONE_A_DAY, 1)


def _refuse_over(
    organization: Organization, many: int, *, now: datetime, by: Person, error: type[TooManyRemovals] = TooManyRemovals
) -> None:
    Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
    if is_over(organization, many, now=now, by=by):
        raise error(ALONE_A_DAY, many)


def claim(organization: Organization, many: int, *, about: int, now: datetime, by: Person | None) -> None:
    """What an import takes off in this transaction, by itself: written down, so that all that follows counts it.
    Errors: TooManyRemovals."""
    if many and by is not None:
        _refuse_over(organization, many, now=now, by=by)
        record(BY_IMPORT, organization, about=about, by=by, now=now, detail={"subscribers": many})


def alarms(organization: Organization, now: datetime) -> list[Event]:
    """Of the last day, the newest first."""
    rows = Event.objects.select_related("organization", "by").filter(organization=organization, kind=ALARM)
    return list(rows.filter(at__gt=now - DAY).order_by("-id")[:10])

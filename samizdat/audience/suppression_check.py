"""The suppression list, and pauses, compared with what the log says of them, before each comparison of subscriptions.

What is missing is put back, and what nobody wrote stays: a no wins.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import batched

from django.db import transaction
from django.db.models import Q

from samizdat.accounts.models import Organization
from samizdat.audience import bulk_consent_writer, sql
from samizdat.audience.models import Subscriber, Subscription, Suppression, row_id
from samizdat.audience.suppression_log import DELETED, WRITTEN, SuppressionRow, rows_in, say
from samizdat.events.actions import detail_of, is_genuine, record
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event

ALTERED: EventKind = "suppressions.altered"
CHOSEN: EventKind = "subscriber.preferences_changed"

# Nobody pauses for longer (actions/preferences.LONGEST_PAUSE), so older events have no say.
PAUSES = timedelta(days=400)
PAGE = 500
# Of one transaction.
SLICE = 1000

# (index, reason)
type SuppressionKey = tuple[bytes, str]


@dataclass(slots=True)
class LoggedNos:
    """What the log says by one of its events: which entries the list has, and who paused until when, by (subscriber,
    list). Two short values for each address that was ever suppressed are in memory meanwhile."""

    after: int = 0
    entries: dict[SuppressionKey, tuple[int, str]] = field(default_factory=dict)
    pauses: dict[tuple[int, int], str] = field(default_factory=dict)

    def go_on(self, organization: Organization, now: datetime) -> bool:
        """Reads a page of events more. Whether that was the last."""
        wanted = Q(kind__in=(WRITTEN, DELETED)) | Q(kind=CHOSEN, at__gte=now - PAUSES)
        rows = Event.objects.select_related("organization").filter(wanted, organization=organization)
        events = [*rows.filter(id__gt=self.after).order_by("id")[:PAGE]]
        for event in filter(is_genuine, events):
            if event.kind == CHOSEN:
                self.take_choice(event)
            else:
                self._take_entries(event)
        self.after = events[-1].id if events else self.after
        return len(events) < PAGE

    def _take_entries(self, event: Event) -> None:
        for index, version, reason, day in rows_in(detail_of(event)):
            if event.kind == DELETED:
                self.entries.pop((index, reason), None)
            else:
                self.entries.setdefault((index, reason), (version, day))

    def take_choice(self, event: Event) -> None:
        detail = detail_of(event)
        if event.about is not None and "paused" in detail:
            self.pauses[event.about, detail["list"]] = detail["paused"]

    def missing_entries(self, organization: Organization) -> set[SuppressionKey]:
        return self.entries.keys() - _entries(organization)

    def unknown_entries(self, organization: Organization) -> set[SuppressionKey]:
        return _entries(organization) - self.entries.keys()

    def missing_pauses(self, organization: Organization, now: datetime) -> set[tuple[int, int]]:
        """Pauses that go on, of subscriptions which say that they are over sooner."""
        today = now.astimezone(UTC).date().isoformat()
        wanted = {key: date.fromisoformat(text) for key, text in self.pauses.items() if text > today}
        own = {"subscriber__gte": row_id(organization.id, 0), "subscriber__lt": row_id(organization.id + 1, 0)}
        rows = Subscription.objects.filter(paused__isnull=False, **own)
        columns = rows.values_list("subscriber_id", "list_id", "paused")
        here = {(id, list_id): day or date.min for id, list_id, day in columns}
        short = sorted(key for key, day in wanted.items() if here.get(key, date.min) < day)
        return {
            key
            for some in batched(short, SLICE)
            for key in Subscription.objects.filter(subscriber__in={id for id, _list in some}).values_list(
                "subscriber_id", "list_id"
            )
            if key in some
        }


def logged_now(organization: Organization, now: datetime) -> LoggedNos:
    """What the whole log says."""
    nos = LoggedNos()
    while not nos.go_on(organization, now):
        continue
    return nos


def look(organization: Organization, now: datetime) -> None:
    """Before an import, for which the nightly comparison comes too late: who is suppressed stands on the list. Some
    20 us for each event of the suppression list, and of a choice."""
    put_right(organization, logged_now(organization, now), now)


def paused(list_id: int, ids: Sequence[int], now: datetime) -> set[int]:
    """Who of these subscribers paused this list and wants nothing yet, as the log says. Before an email, of those alone
    who ever chose something; each of their choices takes some 20 us."""
    logged, today = LoggedNos(), now.astimezone(UTC).date().isoformat()
    chosen = Event.objects.select_related("organization").filter(about__in=ids, kind=CHOSEN, at__gte=now - PAUSES)
    for event in filter(is_genuine, chosen.order_by("id")):
        logged.take_choice(event)
    return {id for id in ids if logged.pauses.get((id, list_id), "") > today}


def _entries(organization: Organization) -> set[SuppressionKey]:
    rows = Suppression.objects.filter(organization=organization).values_list("email_index", "reason")
    return {(bytes(index), reason) for index, reason in rows.iterator(chunk_size=5000)}


def put_right(organization: Organization, logged: LoggedNos, now: datetime) -> int:
    """Puts back what is missing, and writes down what nobody wrote; an event says how much, and so does the answer.
    What differs is so at a second look: another one may have been writing."""
    missing, unknown, paused = _differing(organization, logged, now)
    if not (missing or unknown or paused):
        return 0
    again = logged_now(organization, now)
    still = _differing(organization, again, now)
    missing, unknown, paused = missing & still[0], unknown & still[1], paused & still[2]
    if total := len(missing) + len(unknown) + len(paused):
        detail = {"missing": len(missing), "unknown": len(unknown), "pauses": len(paused)}
        record(ALTERED, organization, now=now, detail=detail)
    for some in batched(sorted(missing), SLICE):
        _put_back(organization, again, some, now)
    for those in batched(sorted(unknown), SLICE):
        _write_down(organization, {*those}, now)
    for keys in batched(sorted(paused), SLICE):
        _pause_again(organization, again, keys, now)
    return total


def _differing(
    organization: Organization, logged: LoggedNos, now: datetime
) -> tuple[set[SuppressionKey], set[SuppressionKey], set[tuple[int, int]]]:
    return (
        logged.missing_entries(organization),
        logged.unknown_entries(organization),
        logged.missing_pauses(organization, now),
    )


def _put_back(organization: Organization, logged: LoggedNos, keys: Sequence[SuppressionKey], now: datetime) -> None:
    indexes = [index for index, _reason in keys]
    here = Subscriber.objects.filter(organization=organization, email_index__in=indexes).values_list("id", flat=True)
    with transaction.atomic():
        people = sorted(here)
        sql.lock_subscribers(people)
        sql.insert_suppressions([(organization.id, *_row(logged, *key)) for key in keys])
        bulk_consent_writer.settle_all(organization, people, now)


def _row(logged: LoggedNos, index: bytes, reason: str) -> SuppressionRow:
    version, day = logged.entries[index, reason]
    return index, version, reason, day


def _write_down(organization: Organization, keys: set[SuppressionKey], now: datetime) -> None:
    rows = Suppression.objects.filter(organization=organization, email_index__in=[index for index, _reason in keys])
    columns = rows.values_list("email_index", "index_version", "reason", "day")
    adopted = [(bytes(index), version, why, day.isoformat()) for index, version, why, day in columns]
    say(WRITTEN, organization, [row for row in adopted if (row[0], row[2]) in keys], now)


def _pause_again(organization: Organization, logged: LoggedNos, keys: Sequence[tuple[int, int]], now: datetime) -> None:
    with transaction.atomic():
        people = sorted({id for id, _list in keys})
        sql.lock_subscribers(people)
        for id, list_id in keys:
            until = date.fromisoformat(logged.pauses[id, list_id])
            Subscription.objects.filter(subscriber=id, list=list_id).update(paused=until)
        bulk_consent_writer.settle_all(organization, people, now)

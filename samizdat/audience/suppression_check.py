"""The suppression list, pauses, and who wants one email a month, compared with what the log says of them, before each
comparison of subscriptions.

What is missing is put back, and what nobody wrote stays: a no wins.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from itertools import batched

from django.db import transaction

from samizdat.accounts.models import Organization
from samizdat.audience import bulk_consent_writer, choice_log, sql
from samizdat.audience.choice_log import CHOSEN
from samizdat.audience.models import MONTHLY, Subscriber, Subscription, Suppression, row_id
from samizdat.audience.suppression_log import DELETED, WRITTEN, SuppressionRow, rows_in, say
from samizdat.events.actions import detail_of, is_genuine, record
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event

ALTERED: EventKind = "suppressions.altered"

PAGE = 500
# Of one transaction.
SLICE = 1000

# Entries and pauses in memory at once: some 20 MB. Of more of them the log is walked again.
AT_ONCE = 100_000
# Beginnings of indexes, two bytes of each.
BEGINNINGS = 1 << 16
# Bytes of an index.
INDEX = 16


# Index and reason, one after the other: a third of the memory of a pair.
type SuppressionKey = bytes


def _key(index: bytes, reason: str) -> SuppressionKey:
    return index + reason.encode()


def _split(key: SuppressionKey) -> tuple[bytes, str]:
    return key[:INDEX], key[INDEX:].decode()


@dataclass(slots=True)
class LoggedNos:
    """What the log says by one of its events: which entries the list has, and who paused until when, by (subscriber,
    list). Of indexes that begin from `begin` on and before `end` alone, and of subscribers by the end of their number:
    where there are more than AT_ONCE of those, `end` is brought nearer."""

    begin: int = 0
    end: int = BEGINNINGS
    after: int = 0
    # The version of the index's key and the day (proleptic ordinal), in one number.
    entries: dict[SuppressionKey, int] = field(default_factory=dict)
    pauses: dict[tuple[int, int], int] = field(default_factory=dict)  # Until which day.
    monthly: dict[int, frozenset[int]] = field(default_factory=dict)  # By subscriber, of which lists one email a month.
    _paused: dict[int, list[int]] = field(default_factory=dict)  # By subscriber, which lists.

    def go_on(self, organization: Organization, now: datetime) -> bool:
        """Reads a page of events more. Whether that was the last."""
        wanted = (WRITTEN, DELETED, CHOSEN)
        rows = Event.objects.select_related("organization").filter(kind__in=wanted, organization=organization)
        events = [*rows.filter(id__gt=self.after).order_by("id")[:PAGE]]
        for event in filter(is_genuine, events):
            if event.kind == CHOSEN:
                self.take_choice(event)
            else:
                self._take_entries(event)
            self._fit()
        self.after = events[-1].id if events else self.after
        return len(events) < PAGE

    def rest(self) -> "LoggedNos | None":
        """What comes behind it, as wide; None behind the last."""
        width = self.end - self.begin
        return LoggedNos(self.end, min(self.end + width, BEGINNINGS)) if self.end < BEGINNINGS else None

    def _has(self, index: bytes) -> bool:
        return self.begin <= int.from_bytes(index[:2]) < self.end

    def _has_subscriber(self, id: int) -> bool:
        return self.begin <= id % BEGINNINGS < self.end

    def _fit(self) -> None:
        while len(self.entries) + len(self.pauses) + len(self.monthly) > AT_ONCE and self.end - self.begin > 1:
            self.end = (self.begin + self.end) // 2
            self.entries = {key: value for key, value in self.entries.items() if self._has(key)}
            self.pauses = {key: value for key, value in self.pauses.items() if self._has_subscriber(key[0])}
            self._paused = {id: lists for id, lists in self._paused.items() if self._has_subscriber(id)}
            self.monthly = {id: lists for id, lists in self.monthly.items() if self._has_subscriber(id)}

    def _take_entries(self, event: Event) -> None:
        for index, version, reason, day in rows_in(detail_of(event)):
            if not self._has(index):
                continue
            if event.kind == DELETED:
                self.entries.pop(_key(index, reason), None)
            else:
                self.entries.setdefault(_key(index, reason), version << 22 | date.fromisoformat(day).toordinal())

    def take_choice(self, event: Event) -> None:
        if event.about is None or not self._has_subscriber(event.about):
            return
        pauses = choice_log.pauses_in(event)
        for list_id in self._paused.pop(event.about, ()):
            self.pauses.pop((event.about, list_id), None)
        self.pauses |= {(event.about, list_id): until.toordinal() for list_id, until in pauses.items()}
        self._paused |= {event.about: [*pauses]} if pauses else {}
        self.monthly.pop(event.about, None)
        monthly = choice_log.monthly_in(event)
        self.monthly |= {event.about: monthly} if monthly else {}

    def entry(self, index: bytes, reason: str) -> tuple[int, date] | None:
        """(version of the index's key, day)"""
        value = self.entries.get(_key(index, reason))
        return None if value is None else (value >> 22, date.fromordinal(value & 0x3FFFFF))

    def differing_entries(self, organization: Organization) -> tuple[set[SuppressionKey], set[SuppressionKey]]:
        """(missing on the list, unknown to the log: AT_ONCE of them at most)"""
        rows = Suppression.objects.filter(organization=organization)
        if self.begin:
            rows = rows.filter(email_index__gte=self.begin.to_bytes(2))
        if self.end < BEGINNINGS:
            rows = rows.filter(email_index__lt=self.end.to_bytes(2))
        missing, unknown = {*self.entries}, set[SuppressionKey]()
        for index, reason in rows.values_list("email_index", "reason").iterator(chunk_size=5000):
            key = _key(bytes(index), reason)
            if key in self.entries:
                missing.discard(key)
            elif len(unknown) < AT_ONCE:
                unknown.add(key)
        return missing, unknown

    def missing_pauses(self, organization: Organization, now: datetime) -> set[tuple[int, int]]:
        """Pauses that go on, of subscriptions which say that they are over sooner."""
        today = now.astimezone(UTC).date().toordinal()
        wanted = {key: until for key, until in self.pauses.items() if until > today}
        own = {"subscriber__gte": row_id(organization.id, 0), "subscriber__lt": row_id(organization.id + 1, 0)}
        rows = Subscription.objects.filter(paused__isnull=False, **own)
        columns = rows.values_list("subscriber_id", "list_id", "paused")
        here = {
            (id, list_id): day.toordinal()
            for id, list_id, day in columns.iterator(chunk_size=5000)
            if day and (id, list_id) in wanted
        }
        short = sorted(key for key, until in wanted.items() if here.get(key, 0) < until)
        return {
            key
            for some in batched(short, SLICE)
            for key in Subscription.objects.filter(subscriber__in={id for id, _list in some}).values_list(
                "subscriber_id", "list_id"
            )
            if key in some
        }

    def lost_months(self, organization: Organization) -> set[tuple[int, int]]:
        """Subscriptions of those who chose one email a month, which say otherwise."""
        own = range(row_id(organization.id, 0), row_id(organization.id + 1, 0))
        return {
            (id, list_id)
            for some in batched((id for id in sorted(self.monthly) if id in own), SLICE)
            for id, list_id in Subscription.objects.filter(subscriber__in=some)
            .exclude(frequency=MONTHLY)
            .values_list("subscriber_id", "list_id")
            if list_id in self.monthly[id]
        }


def logged_now(organization: Organization, now: datetime) -> Iterator[LoggedNos]:
    """What the whole log says, a portion of the indexes after the other."""
    nos: LoggedNos | None = LoggedNos()
    while nos is not None:
        yield _walked(nos, organization, now)
        nos = nos.rest()


def _walked(nos: LoggedNos, organization: Organization, now: datetime) -> LoggedNos:
    while not nos.go_on(organization, now):
        continue
    return nos


def look(organization: Organization, now: datetime) -> None:
    """Before an import, for which the nightly comparison comes too late: who is suppressed stands on the list. Some
    20 us for each event of the suppression list, and of a choice."""
    for logged in logged_now(organization, now):
        put_right(organization, logged, now)


def _pauses_of(ids: Sequence[int]) -> dict[tuple[int, int], date]:
    return {
        (event.about, list_id): until
        for event in choice_log.believed(ids)
        if event.about is not None
        for list_id, until in choice_log.pauses_in(event).items()
    }


def put_right(organization: Organization, logged: LoggedNos, now: datetime) -> int:
    """All steps of putting_right() at once; how much was put right."""
    return sum(putting_right(organization, logged, now))


def putting_right(organization: Organization, logged: LoggedNos, now: datetime) -> Iterator[int]:
    """Puts back what is missing, and writes down what nobody wrote; an event says how much. After each step it yields
    how much that was, for whoever has other things to do meanwhile. What differs is so at a second look: another one
    may have been writing."""
    missing, unknown, paused, monthly = _differing(organization, logged, now)
    if not (missing or unknown or paused or monthly):
        return
    again = LoggedNos(logged.begin, logged.end)
    while not again.go_on(organization, now):
        yield 0
    still = _differing(organization, again, now)
    missing, unknown, paused, monthly = missing & still[0], unknown & still[1], paused & still[2], monthly & still[3]
    if missing or unknown or paused or monthly:
        detail = {"missing": len(missing), "unknown": len(unknown), "pauses": len(paused), "monthly": len(monthly)}
        record(ALTERED, organization, now=now, detail=detail)
    for entries in batched(sorted(missing), SLICE):
        for some in sql.in_light_slices(entries, partial(_people_at, organization)):
            _put_back(organization, again, some, now)
            yield len(some)
    for those in batched(sorted(unknown), SLICE):
        _write_down(organization, {*those}, now)
        yield len(those)
    for pauses in batched(sorted(paused), SLICE):
        for keys in sql.in_light_slices(pauses, _people_of):
            _pause_again(organization, keys, now)
            yield len(keys)
    for lost in batched(sorted(monthly), SLICE):
        for keys in sql.in_light_slices(lost, _people_of):
            _monthly_again(keys)
            yield len(keys)


def _differing(
    organization: Organization, logged: LoggedNos, now: datetime
) -> tuple[set[SuppressionKey], set[SuppressionKey], set[tuple[int, int]], set[tuple[int, int]]]:
    entries = logged.differing_entries(organization)
    return (*entries, logged.missing_pauses(organization, now), logged.lost_months(organization))


def _people_at(organization: Organization, keys: Sequence[SuppressionKey]) -> list[int]:
    indexes = [_split(key)[0] for key in keys]
    here = Subscriber.objects.filter(organization=organization, email_index__in=indexes)
    return sorted(here.values_list("id", flat=True))


def _people_of(keys: Sequence[tuple[int, int]]) -> list[int]:
    return sorted({id for id, _list in keys})


def _put_back(organization: Organization, logged: LoggedNos, keys: Sequence[SuppressionKey], now: datetime) -> None:
    with transaction.atomic():
        people = _people_at(organization, keys)
        sql.lock_subscribers(people)
        sql.insert_suppressions([(organization.id, *_row(logged, *_split(key))) for key in keys])
        bulk_consent_writer.settle_all(organization, people, now)


def _row(logged: LoggedNos, index: bytes, reason: str) -> SuppressionRow:
    version, day = logged.entry(index, reason) or (1, date.min)
    return index, version, reason, day.isoformat()


def _write_down(organization: Organization, keys: set[SuppressionKey], now: datetime) -> None:
    rows = Suppression.objects.filter(organization=organization, email_index__in=[_split(key)[0] for key in keys])
    columns = rows.values_list("email_index", "index_version", "reason", "day")
    adopted = [(bytes(index), version, why, day.isoformat()) for index, version, why, day in columns]
    say(WRITTEN, organization, [row for row in adopted if _key(row[0], row[2]) in keys], now)


def _pause_again(organization: Organization, keys: Sequence[tuple[int, int]], now: datetime) -> None:
    with transaction.atomic():
        people = _people_of(keys)
        sql.lock_subscribers(people)
        pauses = _pauses_of(people)  # They may have chosen otherwise since the look.
        for key in keys:
            if until := pauses.get(key):
                rows = Subscription.objects.filter(subscriber=key[0], list=key[1])
                rows.update(paused=until)
        bulk_consent_writer.settle_all(organization, people, now)


def _monthly_again(keys: Sequence[tuple[int, int]]) -> None:
    with transaction.atomic():
        people = _people_of(keys)
        sql.lock_subscribers(people)
        wanted = {event.about: choice_log.monthly_in(event) for event in choice_log.believed(people)}
        for id, list_id in keys:
            if list_id in wanted.get(id, ()):
                Subscription.objects.filter(subscriber=id, list=list_id).update(frequency=MONTHLY, digest_turn=0)

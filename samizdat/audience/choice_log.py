"""What the log says that subscribers chose of their emails.

Each event says how they stand on all lists by then, so the newest of a person is all that is ever read: as many as they
like are written by whoever has one of their links, and neither a press nor an email waits for a history.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

from django.db.models import OuterRef, Subquery

from samizdat.accounts.models import Person
from samizdat.audience.limits import CHOICES
from samizdat.audience.models import Subscriber
from samizdat.events import queries as events
from samizdat.events.actions import detail_of, is_genuine, record
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event

CHOSEN: EventKind = "subscriber.preferences_changed"


@dataclass(frozen=True, slots=True)
class LoggedChoices:
    """How somebody stands by what they chose. pauses: list -> until which day, as ISO 8601; lists without a pause are
    not in it. sent: list -> when they sent their last choice of it, likewise. monthly: lists of which they want one
    email a month. written: how many of their choices were written down on `day` (UTC)."""

    pauses: Mapping[int, str] = field(default_factory=dict)
    sent: Mapping[int, str] = field(default_factory=dict)
    day: date | None = None
    written: int = 0
    monthly: frozenset[int] = frozenset()

    def is_full(self, now: datetime) -> bool:
        """Whether today (UTC) no more is written than what ends or lessens something (limits.CHOICES)."""
        return self._written_today(now) >= CHOICES

    def _written_today(self, now: datetime) -> int:
        return self.written if self.day == now.astimezone(UTC).date() else 0

    def with_pause(self, list_id: int, until: str) -> "LoggedChoices":
        others = {id: day for id, day in self.pauses.items() if id != list_id}
        return replace(self, pauses=others | ({list_id: until} if until else {}))

    def with_monthly(self, list_id: int, is_monthly: bool) -> "LoggedChoices":
        return replace(self, monthly=self.monthly - {list_id} | ({list_id} if is_monthly else frozenset()))

    def with_sent(self, list_id: int, at: datetime) -> "LoggedChoices":
        return replace(self, sent={**self.sent, list_id: at.isoformat()})

    def write(
        self, row: Subscriber, list_id: int, changed: Sequence[str], now: datetime, by: Person | None = None
    ) -> "LoggedChoices":
        """Records a choice of a list, after which they stand so, in the transaction of the change. As last() would
        have them then."""
        written = self._written_today(now) + 1
        state = {"pauses": [*self.pauses.items()], "sent": [*self.sent.items()], "n": written}
        state |= {"monthly": sorted(self.monthly)} if self.monthly else {}
        detail = {"list": list_id, "changed": [*changed], **state}
        record(CHOSEN, row.organization, about=row.id, by=by, now=now, detail=detail)
        return replace(self, day=now.astimezone(UTC).date(), written=written)


def last(row: Subscriber) -> LoggedChoices:
    """Of a subscriber who is locked."""
    event = events.about(row.organization, CHOSEN, row.id)
    return _said(event) if event else LoggedChoices()


def _said(event: Event) -> LoggedChoices:
    detail: dict[str, Any] = detail_of(event)
    pauses, sent = dict(detail.get("pauses", ())), dict(detail.get("sent", ()))
    monthly = frozenset(detail.get("monthly", ()))
    return LoggedChoices(pauses, sent, event.at.astimezone(UTC).date(), detail.get("n", 0), monthly)


def pauses_in(event: Event) -> dict[int, date]:
    """List -> until which day they paused it, as one of our events says."""
    return {list_id: date.fromisoformat(until) for list_id, until in _said(event).pauses.items()}


def monthly_in(event: Event) -> frozenset[int]:
    """Lists of which they want one email a month, as one of our events says."""
    return _said(event).monthly


def paused(list_id: int, newest: Mapping[int, int], now: datetime) -> set[int]:
    """Who of these paused this list and wants nothing yet. newest: subscriber -> the newest event of what they chose.
    Where it is none of ours nobody can say it, and nothing is sent. Some 50 us each."""
    rows = Event.objects.select_related("organization").filter(id__in=[*newest.values()])
    today = now.astimezone(UTC).date()
    return {
        event.about
        for event in rows
        if event.about is not None and not (is_genuine(event) and pauses_in(event).get(list_id, today) <= today)
    }


def newest_of(ids: Sequence[int]) -> dict[int, int]:
    """Subscriber -> the newest event of what they chose, whoever wrote it; of those who ever did."""
    newest = Event.objects.filter(about=OuterRef("id"), kind=CHOSEN).order_by("-id").values("id")[:1]
    rows = Subscriber.objects.filter(id__in=ids).annotate(newest=Subquery(newest)).order_by()
    return dict(rows.filter(newest__isnull=False).values_list("id", "newest"))


def believed(ids: Sequence[int]) -> Iterator[Event]:
    """Of each of these subscribers the newest event of what they chose that we wrote."""
    return events.believed(newest_of(ids).values())

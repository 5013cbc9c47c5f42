"""How long a list keeps its people and its deliveries: decided once, carried out a slice at a time.

To keep something for a shorter time is to erase, with the next night: one stolen session would have everybody erased
who left more than a week ago. So it waits for another admin, or for a day (accounts/pending_changes.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from heapq import merge
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext as _

from samizdat.accounts import pending_changes
from samizdat.accounts.models import PendingChange, Person
from samizdat.audience import bulk_consent_writer
from samizdat.audience import sql as audience_sql
from samizdat.audience.models import CLEANED, NUMBER_MASK, PENDING, SUBSCRIBED, UNSUBSCRIBED, List, Subscription, row_id
from samizdat.delivery import actions as delivery
from samizdat.events import queries as events
from samizdat.events.actions import detail_of, record
from samizdat.events.kinds import EventKind
from samizdat.privacy import retention_rules
from samizdat.privacy.errors import PrivacyError
from samizdat.privacy.models import Renewal, Retention

# Subscribers of one transaction: about 100 ms on SQLite, where nobody else writes meanwhile.
PAGE = 500
# Above this a preview says "more than": nobody decides otherwise for one more.
MOST = 100_000
CHANGE = "retention"
CHANGED: EventKind = "list.retention_changed"

_OVER, _ALIVE = (UNSUBSCRIBED, CLEANED), (PENDING, SUBSCRIBED)


@dataclass(frozen=True, slots=True)
class RetentionRules:
    """What a list keeps for how long; None: no rule."""

    left_days: int | None = None
    delivery_months: int | None = None


@dataclass(frozen=True, slots=True)
class ExpiringRows:
    """What rules would take away if they were carried out now."""

    people: int = 0
    campaigns: int = 0
    deliveries: int = 0
    unsettled: int = 0  # Campaigns that stay because they have doubtful messages.

    @property
    def more(self) -> bool:
        return self.people > MOST

    @property
    def shown(self) -> int:
        return min(self.people, MOST)


def rules_of(list: List) -> RetentionRules:
    retention = Retention.objects.filter(list=list).first()
    return RetentionRules(retention.left_days, retention.delivery_months) if retention else RetentionRules()


def _believed(list: List) -> RetentionRules:
    """What is carried out: rules of a row count only as far as the log says the same of them. Whoever writes the
    database makes a row, and the night would erase people for it."""
    event = events.about(list.organization, CHANGED, list.id)
    decided, row = detail_of(event) if event else {}, rules_of(list)

    def longer(name: str, number: int | None) -> int | None:
        known = decided.get(name)
        return max(number, int(known)) if number is not None and known is not None else None

    return RetentionRules(longer("left_days", row.left_days), longer("delivery_months", row.delivery_months))


def preview(list: List, rules: RetentionRules, now: datetime) -> ExpiringRows:
    """What would go, before anybody decides."""
    people = campaigns = deliveries = unsettled = 0
    if rules.left_days is not None:
        people = len(_over(list, rules.left_days, 0, MOST + 1, now))
    if rules.delivery_months is not None:
        before = retention_rules.months_before(now, rules.delivery_months)
        rows = _foldable(list, before)
        campaigns, deliveries = rows.count(), delivery.rows_of(rows)
        unsettled = delivery.unsettled(list.id, before)
    return ExpiringRows(people, campaigns, deliveries, unsettled)


def retain(
    list: List, rules: RetentionRules, *, now: datetime, by: Person | None = None, approved: bool = False
) -> PendingChange | None:
    """From tonight on the list keeps things so long and no longer; what waits for an approval, if it does. Errors:
    PrivacyError."""
    _check(
        rules.left_days,
        retention_rules.LEFT_DAYS,
        _("Enter a number of days from %(least)s to %(most)s, or leave it empty."),
    )
    _check(
        rules.delivery_months,
        retention_rules.DELIVERY_MONTHS,
        _("Enter a number of months from %(least)s to %(most)s, or leave it empty."),
    )
    columns = {"left_days": rules.left_days, "delivery_months": rules.delivery_months}
    if not approved and needs_approval(list, rules, by):
        return pending_changes.ask(list.organization, CHANGE, rules, about=list.id, now=now, by=by)
    with transaction.atomic():
        Retention.objects.update_or_create(list=list, defaults={**columns, "changed": now.astimezone(UTC).date()})
        record(CHANGED, list.organization, about=list.id, by=by, now=now, detail=columns)
    return None


def needs_approval(list: List, rules: RetentionRules, by: Person | None) -> bool:
    """Whether it keeps anything for a shorter time, and this person may not decide that alone."""
    before = rules_of(list)
    pairs = ((before.left_days, rules.left_days), (before.delivery_months, rules.delivery_months))
    shorter = any(new is not None and (old is None or new < old) for old, new in pairs)
    return shorter and pending_changes.held(list.organization, by)


def _check(number: int | None, bounds: tuple[int, int], sentence: str) -> None:
    if number is not None and not bounds[0] <= number <= bounds[1]:
        raise PrivacyError(sentence % {"least": bounds[0], "most": bounds[1]}, "retention")


def retain_slice(list: List, after: int, now: datetime, stop: Callable[[], bool]) -> tuple[int, int, int | None]:
    """Carries a list's rules out: (people erased, deliveries folded, row to go on from; None: all is done for today).

    Whoever is on another list stays whole: what they agreed to there needs their address.
    """
    rules, erased = _believed(list), 0
    if rules.left_days is not None:
        ids = _over(list, rules.left_days, after, PAGE, now)
        erased = _erase(list, ids, rules.left_days, now)
        if len(ids) == PAGE:
            return erased, 0, ids[-1]
    folded = 0
    if rules.delivery_months is not None:
        for campaign in _foldable(list, retention_rules.months_before(now, rules.delivery_months)):
            folded += delivery.fold(campaign, now, stop)
            if stop():
                return erased, folded, max(after, 1)
    return erased, folded, None


def _foldable(list: List, before: datetime) -> Any:
    """Letters that are over, but none that may still be answered: who was reached by it decides who is moved out."""
    asking = Renewal.objects.filter(list=list, letter__isnull=False).exclude(state="closed")
    return delivery.foldable(list.id, before).exclude(pk__in=asking.values("letter"))


def _over(list: List, days: int, after: int, limit: int, now: datetime) -> list[int]:
    """Rows beyond `after` of people who left this list so long ago and are on no other."""
    # Each status apart, along its index: for both at once the databases sort everybody who ever left, for each page.
    id_pages = [
        _gone(list, status, days, now)
        .filter(subscriber__gt=max(after, row_id(list.organization_id, 0)))
        .order_by("subscriber_id")
        .values_list("subscriber_id", flat=True)[:limit]
        for status in _OVER
    ]
    return [*merge(*id_pages)][:limit]


def _gone(list: List, status: int, days: int, now: datetime) -> QuerySet[Subscription]:
    elsewhere = Subscription.objects.filter(subscriber=OuterRef("subscriber_id"), status__in=_ALIVE).exclude(list=list)
    rows = Subscription.objects.filter(list=list, status=status, since__lt=_day(days, now))
    return rows.filter(~Exists(elsewhere))


def _day(days: int, now: datetime) -> date:
    return (now.astimezone(UTC) - timedelta(days=days)).date()


def _erase(list: List, ids: Sequence[int], days: int, now: datetime) -> int:
    """Looks again under the lock: somebody may have come back since the page was read. And asks their records: statuses
    and their days stand in the open."""
    with transaction.atomic():
        ids = audience_sql.hold_subscribers(list.organization_id, ids)
        rows = [_gone(list, status, days, now).filter(subscriber__in=ids) for status in _OVER]
        over = {id for subscriptions in rows for id in subscriptions.values_list("subscriber_id", flat=True)}
        gone = bulk_consent_writer.gone_since(list, sorted(over), _day(days, now), now)
        if gone:
            erased = bulk_consent_writer.erase(list.organization, gone, now)
            detail = {"numbers": [id & NUMBER_MASK for id in erased], "count": len(gone)}
            record("subscribers.erased", list.organization, now=now, about=list.id, detail=detail)
    return len(gone)

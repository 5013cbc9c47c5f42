"""What the log says of the suppression list: every entry and every removal, with the keyed index, sealed.

The list itself stands in no chain: whoever writes the database could delete from it (suppression_check.py).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from samizdat.accounts.models import Organization
from samizdat.audience import sql
from samizdat.audience.models import Suppression
from samizdat.events.actions import detail_of, is_genuine, record, whole_day
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event

WRITTEN: EventKind = "suppressions.written"
DELETED: EventKind = "suppressions.deleted"

# (index, its key's version, reason, day)
type SuppressionRow = tuple[bytes, int, str, str]


def write(organization: Organization, rows: Sequence[SuppressionRow], now: datetime) -> None:
    """Puts them on the list, in the caller's transaction. Those that are there stay as they are."""
    if rows:
        sql.insert_suppressions([(organization.id, *row) for row in rows])
        say(WRITTEN, organization, rows, now)


def delete(organization: Organization, entries: QuerySet[Suppression], now: datetime) -> int:
    """Takes them off the list, in the caller's transaction; how many."""
    columns = entries.values_list("email_index", "index_version", "reason", "day")
    rows = [(bytes(index), version, reason, day.isoformat()) for index, version, reason, day in columns]
    if rows:
        entries.delete()
        say(DELETED, organization, rows, now)
    return len(rows)


def say(kind: EventKind, organization: Organization, rows: Sequence[SuppressionRow], now: datetime) -> None:
    together: dict[tuple[int, str, str], list[str]] = defaultdict(list)
    for index, version, reason, day in rows:
        together[version, reason, day].append(index.hex())
    detail = {"rows": [[*alike, "".join(indexes)] for alike, indexes in together.items()]}
    record(kind, organization, now=now, detail=detail)


def logged_today(organization: Organization, now: datetime) -> set[tuple[bytes, str]]:
    """(index, reason) of what we wrote down today (UTC), and did not take off again. What is there already, or seems
    to be, says nothing: whoever writes the database puts entries there before, and takes them away afterwards."""
    rows = Event.objects.select_related("organization").filter(
        organization=organization, kind__in=(WRITTEN, DELETED), at__gte=whole_day(now)
    )
    logged: set[tuple[bytes, str]] = set()
    for event in filter(is_genuine, rows.order_by("id").iterator(chunk_size=100)):
        keys = {(index, reason) for index, _version, reason, _day in rows_in(detail_of(event))}
        logged = logged - keys if event.kind == DELETED else logged | keys
    return logged


def rows_in(detail: dict[str, Any]) -> Iterable[SuppressionRow]:
    for version, reason, day, known in detail.get("rows", ()):
        for at in range(0, len(known), 32):
            yield bytes.fromhex(known[at : at + 32]), version, reason, day

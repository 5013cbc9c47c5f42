"""What the log says of the suppression list: every entry and every removal, with the keyed index, sealed.

The list itself stands in no chain: whoever writes the database could delete from it (suppression_check.py).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import batched
from typing import Any

from django.db.models import QuerySet

from samizdat.accounts.models import Organization
from samizdat.audience import sql
from samizdat.audience.models import Suppression
from samizdat.core.crypto import seal
from samizdat.core.mail import address as addresses
from samizdat.events.actions import detail_of, is_genuine, record, whole_day
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.vault import keyring
from samizdat.vault.keyring import OrganizationKeys

WRITTEN: EventKind = "suppressions.written"
DELETED: EventKind = "suppressions.deleted"

# Events of a day that are asked whether something was written down on it, and of all days for a correction: some
# 40 us each. Events in memory at once: some have thousands of entries.
LOOKED, LOOKED_BACK, AT_ONCE = 500, 2_000, 20
# Indexes that are asked for one by one.
FEW = 8

# (index, its key's version, reason, day)
type SuppressionRow = tuple[bytes, int, str, str]


# Before the reason of an entry about a mailbox however it is spelled. Its index is no address's, so it keeps nobody
# from getting anything: only a sign-up asks for it.
ROOT = "~"


def entries(keys: OrganizationKeys, address: str, reason: str, day: str) -> list[SuppressionRow]:
    """The entry of a normalized address, and one of the mailbox that it most likely leads to where that is spelled
    otherwise: who said no as ada+news@ is not asked as ada@ either. A mailbox that bounces says nothing of others."""
    rows = [(keys.blind(addresses.comparable(address)), keys.index_version, reason, day)]
    if reason != "bounce" and is_other_spelling(address):
        rows.append((keys.blind(root_text(address)), keys.index_version, ROOT + reason, day))
    return rows


def is_other_spelling(address: str) -> bool:
    return addresses.root(address) != addresses.comparable(address)


def root_indexes(keys: OrganizationKeys, address: str) -> list[bytes]:
    """Of such an entry, under every key."""
    return keys.blinds(root_text(address))


def root_text(address: str) -> str:
    return f"root\0{addresses.root(address)}"


def of_address(organization: Organization, keys: OrganizationKeys, address: str) -> QuerySet[Suppression]:
    """All entries that a normalized address has, and those of its mailbox."""
    indexes = [*keys.blinds(addresses.comparable(address)), *root_indexes(keys, address)]
    return Suppression.objects.filter(organization=organization, email_index__in=indexes)


def with_roots(reasons: Iterable[str]) -> list[str]:
    return [text for reason in reasons for text in (reason, ROOT + reason)]


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
    indexes = {row[0] for row in rows}
    about = _marks(indexes.pop())[0] if len(indexes) == 1 else _mark_of_many(organization)
    record(kind, organization, now=now, about=about, detail=detail)


def _marks(index: bytes) -> list[int]:
    """What an event of one entry is about, now and under each former instance key: no number of a row, and nothing that
    the index tells without our key."""
    keys = [keyring.derive("suppression marks"), *(former.key for former in keyring.former("suppression marks"))]
    return [-1 - int.from_bytes(seal.keyed_hash(key, index.hex())[:7]) for key in keys]


def _mark_of_many(organization: Organization) -> int:
    return -(1 << 57) - organization.id


def logged_today(organization: Organization, now: datetime, indexes: Collection[bytes]) -> set[tuple[bytes, str]]:
    """(index, reason) of what we wrote down today (UTC) of these, and did not take off again. What is there already, or
    seems to be, says nothing: whoever writes the database puts entries there before, and takes them away afterwards.

    Of the newest LOOKED events of a place alone, since it is asked where nobody else can write: what stands behind them
    is written down once more, which changes nothing.
    """
    newest = [some for place in _places(organization, indexes) for some in _ids(place, whole_day(now))]
    decided: dict[tuple[bytes, str], bool] = {}
    for event in _events(sorted(newest, reverse=True)):
        for index, _version, reason, _day in _rows_of(event, indexes):
            decided.setdefault((index, reason), event.kind == WRITTEN)
    return {key for key, stands in decided.items() if stands}


def logged_days(organization: Organization, indexes: Collection[bytes]) -> dict[tuple[bytes, str], str]:
    """(index, reason) -> the day, of what the newest LOOKED_BACK events of a place say of these: not for a transaction.
    What was written with many others before those is on the list alone, where each night's comparison puts it back."""
    ids = [id for place in _places(organization, indexes) for id in _newest(place)]
    days: dict[tuple[bytes, str], str] = {}
    for event in _events(sorted(ids)):
        for index, _version, reason, day in _rows_of(event, indexes):
            if event.kind == DELETED:
                days.pop((index, reason), None)
            else:
                days.setdefault((index, reason), day)
    return days


def _newest(place: QuerySet[Event]) -> Iterable[int]:
    return place.order_by("-id").values_list("id", flat=True)[:LOOKED_BACK]


def _places(organization: Organization, indexes: Collection[bytes]) -> list[QuerySet[Event]]:
    """The events that can name these: of few by what they are about, each by an index of its own, since SQLite walks
    through the whole log where several are asked for in order."""
    if len(indexes) > FEW:
        return [Event.objects.filter(organization=organization, kind=kind) for kind in (WRITTEN, DELETED)]
    marks = [_mark_of_many(organization), *(mark for index in indexes for mark in _marks(index))]
    return [Event.objects.filter(about=mark, kind=kind) for mark in marks for kind in (WRITTEN, DELETED)]


def _ids(place: QuerySet[Event], since: datetime) -> list[int]:
    return [id for id, at in place.order_by("-id").values_list("id", "at")[:LOOKED] if at >= since]


def _events(ids: Iterable[int]) -> Iterator[Event]:
    """Those that we wrote, in this order."""
    for some in batched(ids, AT_ONCE):
        rows = Event.objects.select_related("organization").in_bulk(some)
        yield from (rows[id] for id in some if id in rows and is_genuine(rows[id]))


def _rows_of(event: Event, indexes: Collection[bytes]) -> Iterable[SuppressionRow]:
    detail = detail_of(event)
    if len(indexes) <= FEW:  # Most events name none of a few, and some name thousands.
        texts = [index.hex() for index in indexes]
        detail = {"rows": [row for row in detail.get("rows", ()) if any(text in row[-1] for text in texts)]}
    return (row for row in rows_in(detail) if row[0] in indexes)


def rows_in(detail: dict[str, Any]) -> Iterable[SuppressionRow]:
    for version, reason, day, known in detail.get("rows", ()):
        for at in range(0, len(known), 32):
            yield bytes.fromhex(known[at : at + 32]), version, reason, day

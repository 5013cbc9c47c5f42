"""Likely typos and doubles: found by the worker in the background, looked at by a person.

Everybody is looked through once a day, a slice at a time; how far it is stands in the database. What somebody has
settled stays settled.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from django.db import transaction

from samizdat.accounts.models import Organization
from samizdat.audience import consent_writer, sealed_subscribers, sql
from samizdat.audience.models import (
    DOUBLE,
    NUMBER_MASK,
    ODDITIES,
    TYPO,
    DataQualityIssue,
    DataQualityScan,
    Subscriber,
    is_number,
    row_id,
)
from samizdat.core.crypto import seal
from samizdat.core.mail import address as addresses
from samizdat.core.mail import misspelling
from samizdat.vault import keyring
from samizdat.vault.locks import unlocked

SLICE = 500  # 32 MB at most

# So many addresses of one form are shown at most: `vic+1@`, `vic+2@` ... are as many as somebody likes to import, and
# each that is kept is read with every other of its form, and written when their pair is erased.
MOST_ALIKE = 50


def scan(now: datetime, seconds: float, stop: Callable[[], bool] = lambda: False) -> bool:
    """Looks on where it was left, for so many seconds. Whether everybody was looked through today (UTC)."""
    until, today = time.monotonic() + seconds, now.astimezone(UTC).date()
    for organization in Organization.objects.filter(unlocked()).order_by("id"):
        while not _slice(organization, today):
            if stop() or time.monotonic() > until:
                return False
    return True


def _slice(organization: Organization, today: date) -> bool:
    """The next SLICE subscribers. True when the organization is through for the day."""
    place, _made = DataQualityScan.objects.get_or_create(organization=organization)
    if place.day == today:
        return True
    start = max(place.looked, row_id(organization.id, 0))
    rows = Subscriber.objects.filter(organization=organization, id__gt=start, id__lt=row_id(organization.id + 1, 0))
    page = list(rows.order_by("id").values_list("id", "sealed")[:SLICE])
    if not page and not start & NUMBER_MASK:
        return True  # Nobody is there yet: whoever comes today is looked at today.
    with transaction.atomic():
        _look(organization, page)
        done = len(page) < SLICE
        DataQualityScan.objects.filter(organization=organization).update(
            looked=0 if done else page[-1][0], **({"day": today} if done else {})
        )
    return done


def look_again(organization: Organization) -> None:
    """Today as well, from the beginning: many came at once."""
    DataQualityScan.objects.filter(organization=organization).update(day=None, looked=0)


def _look(organization: Organization, rows: Sequence[tuple[int, Any]]) -> None:
    keys = keyring.keys(organization)
    opened = sealed_subscribers.opener(keys).open
    typos, marks = [], {}
    for id, blob in rows:
        plain = opened(bytes(blob), id & NUMBER_MASK)
        if seal.pick(plain, seal.WAITING):
            continue  # Whoever typed that was perhaps somebody else, and it goes within a week.
        address = seal.pick(plain, seal.ADDRESS)
        if misspelling.likely(addresses.domain(address)):
            typos.append(id)
        common = misspelling.canonical(address)
        if common != addresses.comparable(address):
            marks[id] = keys.blind(common)
    ids = [row[0] for row in rows]
    _keep(organization, TYPO, ids, dict.fromkeys(typos, b""))
    alike = _first_alike(organization, ids, marks)
    marks = {id: mark for id, mark in marks.items() if id in alike[mark]}
    _keep(organization, DOUBLE, ids, marks)
    _pair(organization, marks, alike)


def _keep(organization: Organization, kind: int, ids: Sequence[int], marks: dict[int, bytes]) -> None:
    """Rows for those of a slice that are odd, and none for those that are not any more."""
    there = {
        row.subscriber_id: bytes(row.mark) for row in DataQualityIssue.objects.filter(kind=kind, subscriber__in=ids)
    }
    gone = [id for id, mark in there.items() if marks.get(id) != mark]
    if gone:
        DataQualityIssue.objects.filter(kind=kind, subscriber__in=gone).delete()
    DataQualityIssue.objects.bulk_create(
        DataQualityIssue(organization=organization, subscriber_id=id, kind=kind, mark=mark)
        for id, mark in marks.items()
        if there.get(id) != mark
    )


def _first_alike(organization: Organization, ids: Sequence[int], marks: dict[int, bytes]) -> dict[bytes, list[int]]:
    """Mark -> MOST_ALIKE of those who have it, of this slice and of the others; who has it already goes first."""
    slice_ids, alike = set(ids), defaultdict[bytes, list[int]](list)
    rows = DataQualityIssue.objects.filter(organization=organization, kind=DOUBLE).order_by("subscriber_id")
    wanted = sorted({*marks.values()})
    for at in range(0, len(wanted), 500):  # SQLite takes so many values in one query everywhere.
        for mark, id in rows.filter(mark__in=wanted[at : at + 500]).values_list("mark", "subscriber_id"):
            if id not in slice_ids or marks.get(id) == bytes(mark):
                alike[bytes(mark)].append(id)
    for id, mark in marks.items():
        if id not in alike[mark]:
            alike[mark].append(id)
        del alike[mark][MOST_ALIKE:]
    return alike


def _pair(organization: Organization, marks: dict[int, bytes], alike: dict[bytes, list[int]]) -> None:
    """Writes beside those of a slice who has the form that several addresses have in common, or another address of
    that form. Beside no others: this is one transaction, and theirs is written when their own slice is looked at."""
    rows = DataQualityIssue.objects.filter(organization=organization, kind=DOUBLE, subscriber__in=[*marks])
    before = dict(rows.values_list("subscriber_id", "duplicate_of"))
    base = {bytes(blind): id for blind, id, _b, _l in sql.subscribers_by_blind(organization.id, [*marks.values()])}
    now = {
        id: base.get(mark) or next((other for other in alike[mark] if other != id), None) for id, mark in marks.items()
    }
    sql.pair_doubles([(other, id, DOUBLE) for id, other in now.items() if other != before.get(id)])


@dataclass(frozen=True, slots=True)
class OddAddress:
    """One to look at. `better`: of a typo, the address that was probably meant. `other`: of a double, the other one."""

    number: int
    address: str
    better: str = ""
    other: int | None = None
    other_address: str = ""


def newest(organization: Organization, kind: str, before: int | None = None, limit: int = 50) -> list[OddAddress]:
    """Those that nobody has settled, by falling number."""
    rows = DataQualityIssue.objects.filter(organization=organization, kind=ODDITIES.index(kind), dismissed=False)
    if kind == "double":
        rows = rows.filter(duplicate_of__isnull=False)
    if before is not None:
        rows = rows.filter(subscriber__lt=row_id(organization.id, before))
    issues = list(rows.order_by("-subscriber_id")[:limit])
    ids = {id for row in issues for id in (row.subscriber_id, row.duplicate_of) if id}
    keys = keyring.keys(organization)
    people = Subscriber.objects.filter(organization=organization, id__in=ids)
    texts = {row.id: consent_writer.address_of(keys, row) for row in people}
    return [
        OddAddress(
            number=row.subscriber_id & NUMBER_MASK,
            address=texts[row.subscriber_id],
            better=misspelling.meant(texts[row.subscriber_id]) or "",
            other=row.duplicate_of & NUMBER_MASK if row.duplicate_of else None,
            other_address=texts.get(row.duplicate_of or 0, ""),
        )
        for row in issues
        if row.subscriber_id in texts and (row.duplicate_of is None or row.duplicate_of in texts)
    ]


def count(organization: Organization) -> dict[str, int]:
    """How many of each kind nobody has settled."""
    rows = DataQualityIssue.objects.filter(organization=organization, dismissed=False)
    return {
        "typo": rows.filter(kind=TYPO).count(),
        "double": rows.filter(kind=DOUBLE).exclude(duplicate_of=None).count(),
    }


def settle(organization: Organization, number: int, kind: str) -> bool:
    """It is right as it is: not shown again."""
    if not is_number(number):
        return False
    rows = DataQualityIssue.objects.filter(
        organization=organization, subscriber=row_id(organization.id, number), kind=ODDITIES.index(kind)
    )
    return bool(rows.update(dismissed=True))


def looked_through(organization: Organization) -> date | None:
    """The day of the last look through everybody; None before the first."""
    return DataQualityScan.objects.filter(organization=organization).values_list("day", flat=True).first()

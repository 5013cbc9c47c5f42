"""Likely typos and doubles: found by the worker in the background, looked at by a person.

Everybody is looked through once a day, a slice at a time; how far it is stands in the database. What somebody has
settled stays settled.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from samizdat import dialect
from samizdat.accounts.models import Organisation
from samizdat.audience import facts, settling
from samizdat.audience.models import (
    DOUBLE,
    NUMBER_MASK,
    ODDITIES,
    TYPO,
    Oddity,
    OddityScan,
    Subscriber,
    is_number,
    row_id,
)
from samizdat.core import address as addresses
from samizdat.core import misspelling, seal
from samizdat.vault import house

SLICE = 2_000


def scan(now: datetime, seconds: float, stop: Callable[[], bool] = lambda: False) -> bool:
    """Looks on where it was left, for so many seconds. Whether everybody was looked through today (UTC)."""
    until, today = time.monotonic() + seconds, now.astimezone(UTC).date()
    for organisation in Organisation.objects.order_by("id"):
        while not _slice(organisation, today):
            if stop() or time.monotonic() > until:
                return False
    return True


def _slice(organisation: Any, today: Any) -> bool:
    """The next SLICE subscribers. True when the organisation is through for the day."""
    place, _made = OddityScan.objects.get_or_create(organisation=organisation)
    if place.day == today:
        return True
    start = max(place.looked, row_id(organisation.id, 0))
    rows = Subscriber.objects.filter(organisation=organisation, id__gt=start, id__lt=row_id(organisation.id + 1, 0))
    found = list(rows.order_by("id").values_list("id", "blob", "blind")[:SLICE])
    if not found and not start & NUMBER_MASK:
        return True  # Nobody is there yet: whoever comes today is looked at today.
    with transaction.atomic():
        _look(organisation, found)
        done = len(found) < SLICE
        OddityScan.objects.filter(organisation=organisation).update(
            looked=0 if done else found[-1][0], **({"day": today} if done else {})
        )
    return done


def look_again(organisation: Any) -> None:
    """Today as well, from the beginning: many came at once."""
    OddityScan.objects.filter(organisation=organisation).update(day=None, looked=0)


def _look(organisation: Any, found: Sequence[tuple[int, Any, Any]]) -> None:
    keys = house.keys(organisation)
    assert keys.ring is not None
    opened = keys.ring.bound(*facts.SUBSCRIBER, keys.uid).open
    typos, marks, blinds = [], {}, {}
    for id, blob, blind in found:
        address = seal.pick(opened(bytes(blob), id & NUMBER_MASK), seal.ADDRESS)
        blinds[bytes(blind)] = id
        if misspelling.likely(addresses.domain(address)):
            typos.append(id)
        common = misspelling.canonical(address)
        if common != addresses.comparable(address):
            marks[id] = keys.blind(common)
    ids = [row[0] for row in found]
    _keep(organisation, TYPO, ids, dict.fromkeys(typos, b""))
    _keep(organisation, DOUBLE, ids, marks)
    _pair(organisation, marks, blinds)


def _keep(organisation: Any, kind: int, ids: Sequence[int], marks: dict[int, bytes]) -> None:
    """Rows for those of a slice that are odd, and none for those that are not any more."""
    there = {row.subscriber_id: bytes(row.mark) for row in Oddity.objects.filter(kind=kind, subscriber__in=ids)}
    gone = [id for id, mark in there.items() if marks.get(id) != mark]
    if gone:
        Oddity.objects.filter(kind=kind, subscriber__in=gone).delete()
    Oddity.objects.bulk_create(
        Oddity(organisation=organisation, subscriber_id=id, kind=kind, mark=mark)
        for id, mark in marks.items()
        if there.get(id) != mark
    )


def _pair(organisation: Any, marks: dict[int, bytes], blinds: dict[bytes, int]) -> None:
    """Who has the form that several addresses have in common, or another address of that form."""
    rows = Oddity.objects.filter(organisation=organisation, kind=DOUBLE)
    base = {bytes(blind): id for blind, id, _b, _l in dialect.subscribers_by_blind(organisation.id, [*marks.values()])}
    # Those of this slice, and earlier ones whose common form is an address of this slice.
    base |= {blind: id for blind, id in blinds.items() if blind not in base}
    alike: dict[bytes, list[tuple[int, int | None]]] = defaultdict(list)
    wanted = sorted({*marks.values(), *blinds})
    for at in range(0, len(wanted), 500):  # SQLite takes so many values in one query everywhere.
        found = rows.filter(mark__in=wanted[at : at + 500]).values_list("mark", "subscriber_id", "other")
        for mark, id, other in found:
            alike[bytes(mark)].append((id, other))
    for mark, held in alike.items():
        for id, other in held:
            now = base.get(mark) or next((one for one, _other in held if one != id), None)
            if now != other:
                rows.filter(subscriber=id).update(other=now)


@dataclass(frozen=True, slots=True)
class Odd:
    """One to look at. `better`: of a typo, the address that was probably meant. `other`: of a double, the other one."""

    number: int
    address: str
    better: str = ""
    other: int | None = None
    other_address: str = ""


def newest(organisation: Any, kind: str, before: int | None = None, limit: int = 50) -> list[Odd]:
    """Those that nobody has settled, by falling number."""
    rows = Oddity.objects.filter(organisation=organisation, kind=ODDITIES.index(kind), settled=False)
    if kind == "double":
        rows = rows.filter(other__isnull=False)
    if before is not None:
        rows = rows.filter(subscriber__lt=row_id(organisation.id, before))
    found = list(rows.order_by("-subscriber_id")[:limit])
    ids = {id for row in found for id in (row.subscriber_id, row.other) if id}
    keys = house.keys(organisation)
    people = Subscriber.objects.filter(organisation=organisation, id__in=ids)
    texts = {row.id: settling.address_of(keys, row) for row in people}
    return [
        Odd(
            number=row.subscriber_id & NUMBER_MASK,
            address=texts[row.subscriber_id],
            better=misspelling.meant(texts[row.subscriber_id]) or "",
            other=row.other & NUMBER_MASK if row.other else None,
            other_address=texts.get(row.other or 0, ""),
        )
        for row in found
        if row.subscriber_id in texts and (row.other is None or row.other in texts)
    ]


def count(organisation: Any) -> dict[str, int]:
    """How many of each kind nobody has settled."""
    rows = Oddity.objects.filter(organisation=organisation, settled=False)
    return {"typo": rows.filter(kind=TYPO).count(), "double": rows.filter(kind=DOUBLE).exclude(other=None).count()}


def settle(organisation: Any, number: int, kind: str) -> bool:
    """It is right as it is: not shown again."""
    if not is_number(number):
        return False
    rows = Oddity.objects.filter(
        organisation=organisation, subscriber=row_id(organisation.id, number), kind=ODDITIES.index(kind)
    )
    return bool(rows.update(settled=True))


def looked_through(organisation: Any) -> Any:
    """The day of the last look through everybody; None before the first."""
    return OddityScan.objects.filter(organisation=organisation).values_list("day", flat=True).first()

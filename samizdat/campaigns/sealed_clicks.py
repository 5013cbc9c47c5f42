"""The sums of clicks and answers of an edition, sealed, and how many people it really reached.

Whoever writes the database can let one person alone get a campaign on a day: a sum in the open would say whether they
clicked. So public processes put down a box at fixed times for each organization, whether anybody clicked or not, and of
one length; and each box has the sums of all editions of the last sixty days written anew, each always as long. Before a
sum is shown or decides anything, the sender has noted so many different people who got the version.
"""

import logging
import math
import struct
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import batched

from django.db import transaction
from msgspec import Struct, structs

from samizdat.accounts.models import Organization
from samizdat.campaigns.edition_details import all_versions, counted_versions
from samizdat.campaigns.models import Edition, EditionClicks, large_of_edition
from samizdat.core import ab_test, click_sums, totals
from samizdat.core.click_sums import ClickSums
from samizdat.core.crypto import tokens
from samizdat.core.crypto.seal import SealBroken
from samizdat.vault import keyring
from samizdat.vault.keyring import OrganizationKeys

log = logging.getLogger("samizdat.campaigns")

# Editions of a transaction that adds up: of as many links as one may count they are a quarter of a second.
TOGETHER = 10


class Reached(Struct, frozen=True):
    """done: versions that as many people got as the floor asks for; core/ab_test.REST: the rest of a test. some: of the
    others, whom: version -> numbers of subscribers."""

    done: tuple[int, ...] = ()
    some: dict[int, tuple[int, ...]] = {}


@dataclass(frozen=True, slots=True)
class ClickBox:
    """What a public process put down: its name (8 bytes), when (seconds), clicks of a day by code."""

    process: bytes
    seconds: int
    day: date
    counts: Mapping[str, int]


type Press = tuple[str, int, int]  # purpose, number of core/crypto/tokens, how often
type Presses = dict[int, list[Press]]  # By edition.


def _opened(keys: OrganizationKeys, row: EditionClicks) -> ClickSums:
    """Errors: SealBroken."""
    try:
        return click_sums.load(keys.open(bytes(row.sums_sealed), "edition", "clicks", row.edition_id))
    except (struct.error, IndexError) as error:
        raise SealBroken() from error


def _sealed(keys: OrganizationKeys, edition: int, sums: ClickSums) -> bytes:
    return keys.seal(sums.dump(), "edition", "clicks", edition)


def _reached(keys: OrganizationKeys, row: EditionClicks) -> Reached:
    if not row.reached_sealed:
        return Reached()
    return keys.open_json(row.reached_sealed, "edition", "reached", row.edition_id, Reached)


def begin(edition: Edition, first: date) -> None:
    """Clicks and answers of its versions that are counted are added up from now on, anew where it is repeated."""
    counted = counted_versions(edition)
    versions = {
        place: (len(details.counted), len(details.question.answers) if details.question else 0)
        for place, details in all_versions(edition).items()
        if place in counted
    }
    if any(links or answers for links, answers in versions.values()):
        sealed = _sealed(keyring.keys(edition.organization), edition.pk, ClickSums(first, versions))
        columns = {"until": _until(first), "sums_sealed": sealed, "reached_sealed": b""}
        EditionClicks.objects.update_or_create(edition=edition, defaults=columns)


def _until(first: date) -> date:
    return first + timedelta(days=click_sums.DAYS)


@dataclass(frozen=True, slots=True)
class _Opened:
    """What is known of one edition, of the row whose two sealed values these are; None where a seal does not hold."""

    sealed: tuple[bytes, bytes]
    sums: ClickSums | None
    reached: Reached | None


def _known(edition: Edition) -> _Opened | None:
    """Opened once as long as it is not written anew: a page asks the same edition five times. None where nothing is
    counted."""
    row = EditionClicks.objects.filter(edition=edition).first()
    if row is None:
        return None
    known: _Opened | None = edition.__dict__.get("_clicks")
    sealed = bytes(row.sums_sealed), bytes(row.reached_sealed)
    if known is None or known.sealed != sealed:
        keys = keyring.keys(edition.organization)
        known = _Opened(sealed, _if_whole(_opened, keys, row), _if_whole(_reached, keys, row))
        edition.__dict__["_clicks"] = known
    return known


def _if_whole[T](
    opening: Callable[[OrganizationKeys, EditionClicks], T], keys: OrganizationKeys, row: EditionClicks
) -> T | None:
    try:
        return opening(keys, row)
    except SealBroken:
        log.error("The sums of clicks of edition %d were altered in the database by other means", row.edition_id)
        return None


def sums_of(edition: Edition) -> ClickSums | None:
    """None where nothing is counted, or not what was sealed. To be read alone."""
    known = _known(edition)
    return known.sums if known else None


def places_reached(edition: Edition) -> frozenset[int]:
    """Versions that at least so many different people got as the floor asks for: their servers said so to the sender,
    which has sealed it. The rest of a test counts for the version that won."""
    known = _known(edition)
    if known is None or known.sums is None or known.reached is None:
        return frozenset()
    winner = known.sums.winner
    return frozenset(winner if place == ab_test.REST and winner is not None else place for place in known.reached.done)


def note_reached(edition: int, people: Mapping[int, Sequence[int]]) -> bool:
    """Adds who got which version (core/ab_test.REST: the rest). In a transaction. Whether there is more to note."""
    row = EditionClicks.objects.select_for_update(of=("self",)).select_related("edition__organization")
    row = row.defer(*large_of_edition("edition__"))
    clicks = row.filter(edition=edition).first()
    if clicks is None:
        return False
    keys = keyring.keys(clicks.edition.organization)
    try:
        reached = _reached(keys, clicks)
    except SealBroken:
        reached = Reached()
    versions = {*_versions(keys, clicks)}
    some = {place: set(numbers) for place, numbers in reached.some.items()}
    for place, numbers in people.items():
        if place not in reached.done and place in versions | {ab_test.REST}:
            some.setdefault(place, set()).update(numbers)
    done = {place for place, numbers in some.items() if len(numbers) >= totals.FLOOR}
    new = Reached(
        tuple(sorted({*reached.done, *done})),
        {place: tuple(sorted(numbers)) for place, numbers in some.items() if place not in done},
    )
    if new != reached:
        clicks.reached_sealed = keys.seal_json(new, "edition", "reached", edition)
        clicks.save(update_fields=["reached_sealed"])
    return not versions <= {*new.done}


def _versions(keys: OrganizationKeys, row: EditionClicks) -> Iterable[int]:
    """Asked for each group of messages, with the cells of two thousand links behind them."""
    try:
        return click_sums.versions(keys.open(bytes(row.sums_sealed), "edition", "clicks", row.edition_id))
    except (SealBroken, struct.error, IndexError):
        return ()


def add_up(
    organization: Organization, boxes: Sequence[ClickBox], now: datetime, after: int = 0, seconds: float = math.inf
) -> int | None:
    """Adds what boxes say. Each once, whenever it is repeated; codes that are not ours, and those of versions that too
    few people get, are passed over. All editions that still count are written, also those of which no box says
    anything, some at a time: others wait for the end of a transaction.

    From the edition behind `after` on, for so many seconds at least. Returns the edition to go on behind; None: all of
    them have it.
    """
    keys, until = keyring.keys(organization), time.monotonic() + seconds
    read = [(box, _read(keys, box)) for box in sorted(boxes, key=lambda box: box.seconds)]
    today = organization.day_of(now)
    rows = EditionClicks.objects.filter(edition__organization=organization, until__gte=today, pk__gt=after)
    # Of what nobody has got yet the days begin anew each day: of a campaign that was canceled, for good.
    rows = rows.exclude(reached_sealed=b"", edition__campaign__state="cancelled")
    for some in batched(rows.order_by("pk").values_list("pk", flat=True), TOGETHER):
        with transaction.atomic():
            for row in EditionClicks.objects.select_for_update().filter(pk__in=some).order_by("pk"):
                _add_boxes(keys, row, read, today)
        if time.monotonic() >= until:
            return some[-1]
    return None


def _add_boxes(
    keys: OrganizationKeys, row: EditionClicks, read: Sequence[tuple[ClickBox, Presses]], today: date
) -> None:
    sums = _if_whole(_opened, keys, row)
    if sums is None:
        return
    if not row.reached_sealed:
        sums.first = max(sums.first, today)  # Nobody has got it yet.
    for box, presses in read:
        if sums.takes(box.process, box.seconds):
            _add(sums, presses.get(row.pk, ()), box.day)
    row.until, row.sums_sealed = _until(sums.first), _sealed(keys, row.pk, sums)
    row.save(update_fields=["until", "sums_sealed"])


def _read(keys: OrganizationKeys, box: ClickBox) -> Presses:
    presses: Presses = {}
    for code, count in box.counts.items():
        for purpose in ("click", "answer"):
            try:
                token = tokens.read(keys.links, purpose, code)
            except tokens.BadToken:
                continue
            presses.setdefault(token.edition, []).append((purpose, token.number, count))
    return presses


def _add(sums: ClickSums, presses: Iterable[Press], day: date) -> None:
    for purpose, number, count in presses:
        place, at = number >> 16, number & 0xFFFF
        if purpose == "click":
            sums.click(place, at, day, count)
        else:
            sums.answer(place, at, count)


def decide(edition: Edition, winner: int, presses: Mapping[int, int]) -> None:
    """A test of it is decided: which version won, and by how many clicks, where they were what counted. In a
    transaction."""
    keys, row = keyring.keys(edition.organization), EditionClicks.objects.select_for_update().filter(edition=edition)
    for clicks in row:
        sums = _opened(keys, clicks)
        sums.winner, sums.decided = winner, dict(presses)
        clicks.sums_sealed = _sealed(keys, edition.pk, sums)
        clicks.save(update_fields=["sums_sealed"])


def put(
    edition: Edition,
    clicks: Iterable[tuple[int, int, date, int]] = (),
    answers: Iterable[tuple[int, int, int]] = (),
    decided: Mapping[int, int] | None = None,
) -> None:
    """Sums that were added up elsewhere, of a campaign that enough people got there: (version, link, day, count), and
    (version, answer, count). In a transaction; where there are some already, they are added."""
    keys, day = keyring.keys(edition.organization), edition.created.date()
    if not EditionClicks.objects.filter(edition=edition).exists():
        begin(edition, day)
    for row in EditionClicks.objects.select_for_update().filter(edition=edition):
        sums = _opened(keys, row)
        for click in clicks:
            sums.click(*click)
        for answer in answers:
            sums.answer(*answer)
        sums.decided |= decided or {}
        reached = structs.replace(Reached(), done=tuple(sorted(sums.versions)))
        row.sums_sealed = _sealed(keys, edition.pk, sums)
        row.reached_sealed = keys.seal_json(reached, "edition", "reached", edition.pk)
        row.save(update_fields=["sums_sealed", "reached_sealed"])

"""What readers sent in, out of the public database: boxes that only the house can open.

The public process is not believed: what is in a box is text that anybody may have written. Whose it is, is proven by
the loops that take it up.
"""

import contextlib
import logging
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

import msgspec
from django.db import InterfaceError, OperationalError
from msgspec import Struct

from samizdat.accounts.models import Organization
from samizdat.core.crypto import seal, tokens
from samizdat.delivery import clock_jumps
from samizdat.logs import where_it_broke
from samizdat.publicdb import actions as publicdb
from samizdat.publicdb import intake_boxes
from samizdat.publicdb.intake_limits import KINDS
from samizdat.publicdb.models import Intake
from samizdat.vault import keyring, locks
from samizdat.vault.errors import OrganizationLocked, VaultError

log = logging.getLogger("samizdat.worker")

# What our clock may be wrong by since it last ticked.
CLOCK_SLACK = timedelta(minutes=5)
_OLDEST = timedelta(days=30)
# What breaks again and again is thrown away after this.
GIVE_UP = timedelta(days=2)


class EnvelopeWords(Struct, frozen=True):
    """What an envelope of any kind may say (public/envelopes.py)."""

    kind: str = ""
    at: str = ""
    token: str = ""
    purpose: str = "leave"
    # Of leaving; of signing up and confirming "mail", where that is done by one.
    way: str = ""
    only: str = ""
    # Of settings.
    secret: str = ""
    often: str = ""
    until: str = ""
    wishes: str = ""
    offered: tuple[int, ...] = ()
    # Of what is answered by mail, and of what is asked for by one.
    what: str = ""
    how: str = ""
    address: str = ""
    # Of a sign-up; language, topics and appeals of settings, too.
    list: str = ""
    lists: tuple[int, ...] = ()
    language: str = ""
    wording: str = ""
    appeals: str = ""
    topics: tuple[int, ...] = ()
    values: dict[str, str] = {}
    # Of links that were pressed.
    process: str = ""
    day: str = ""
    counts: dict[str, int] = {}
    # Of what a provider delivered; the body in base64.
    host: str = ""
    query: str = ""
    headers: dict[str, str] = {}
    body: str = ""


@dataclass(frozen=True, slots=True)
class OpenedEnvelope:
    """One thing a reader sent, opened."""

    row: int
    organization: Organization
    words: EnvelopeWords
    at: datetime

    @property
    def kind(self) -> str:
        return self.words.kind


# Of a box that says itself that it is none of these.
OTHER = "?"
# Seconds that a box of a kind we do not know waits: while machines are upgraded one after the other, another worker may
# know it. After that it is rubbish of a public process that was taken, and would be walked past for ever.
UNKNOWN = 3600.0
_unknown: dict[int, float] = {}
# Boxes whose key nobody here has: since when. What was promised to somebody waits as long: who has seen "You have left"
# must have left, and the key may be on its way with an export.
PROMISED = frozenset(("leave", "back", "confirm", "proven"))
_keyless: dict[int, float] = {}

# Boxes of one batch: of leaving, and of what is taken up between two looks for those who leave. On a machine that has
# ten times as much to do as it can, a setting takes a fifth of a second.
BATCH, SMALL = 100, 10
# Before everything else, and in the order they came.
LEAVING = ("leave", "back")
# People of one transaction: about 100 ms on SQLite, where nobody else writes meanwhile.
SLICE = 25
# Batches of one call; then whoever called shows that it goes on.
TURNS = 20
# Of the boxes that were put off so many are looked at for due ones each time, in turn.
STRETCH = 1000
# Rows that are remembered in memory at the most; who forgets looks again.
MOST = 100_000


class StillWaits(Protocol):
    """When a box that was put off is looked at again."""

    def due(self, row: int) -> bool: ...

    def put_off(self, row: int) -> None: ...

    def forget(self, row: int) -> None: ...


class _LongerAndLonger:
    """After as long as it has waited, a minute at most. Of this process, in memory."""

    def __init__(self) -> None:
        self._again: dict[int, tuple[float, float]] = {}

    def due(self, row: int) -> bool:
        return time.monotonic() >= self._again.get(row, (0.0, 0.0))[1]

    def put_off(self, row: int) -> None:
        now = time.monotonic()
        since, _again = self._again.get(row, (now, now))
        if len(self._again) > MOST:
            self._again.clear()
        self._again[row] = since, now + min(max(1.0, now - since), 60.0)

    def forget(self, row: int) -> None:
        self._again.pop(row, None)

    def clear(self) -> None:
        self._again.clear()


waits = _LongerAndLonger()
# Up to where boxes that were put off have been looked through, by the kinds of a loop and its place.
_walked: dict[tuple[tuple[str, ...], bytes | None], int] = {}


def forget() -> None:
    """As in a process that begins: for tests."""
    waits.clear()
    for kept in (_walked, _unknown, _keyless, _failed):
        kept.clear()


@dataclass(frozen=True, slots=True)
class InboxBatch:
    """Rows that were looked at, and of those that could be opened what they say."""

    rows: list[int]
    envelopes: list[OpenedEnvelope]


def in_batches(
    now: datetime,
    kinds: tuple[str, ...],
    take: Callable[[list[OpenedEnvelope], datetime], int],
    waits: StillWaits = waits,
    place: bytes | None = None,
    has_room: Callable[[], bool] = lambda: True,
) -> int:
    """Has `take` do what boxes of these kinds ask for, a batch at a time; returns how many it says are done with.

    place: of this one alone. No batch begins without room. While somebody waits to leave, one batch and no more: there
    is one machine for all loops.
    """
    done = 0
    for turn in range(TURNS):
        if not has_room():
            break
        with batch(now, kinds, waits, place, again=turn == 0) as some:
            if not some.rows:
                break
            done += take(some.envelopes, now)
        if kinds != LEAVING and publicdb.next_rows(LEAVING, 1, closed=locks.places()):
            break
    return done


@contextlib.contextmanager
def batch(
    now: datetime, kinds: tuple[str, ...], waits: StillWaits = waits, place: bytes | None = None, *, again: bool = True
) -> Iterator[InboxBatch]:
    """The next boxes of these kinds, opened: what nobody has looked at, and `again` what was put off and is due.

    What is left of them behind the block is put off. Nothing is where the database does not answer: sends wait for it.
    """
    most = BATCH if kinds == LEAVING else SMALL
    rows = publicdb.next_rows(kinds, most, place, locks.places())
    rows += _due_again(kinds, waits, most - len(rows), place) if again else []
    yield InboxBatch(rows, _opened(rows, now))
    _put_off(rows, waits)


def _put_off(rows: list[int], waits: StillWaits) -> None:
    """Those of them that are still there."""
    stay = publicdb.put_off(rows) if rows else set()
    for row in rows:
        if row in stay:
            waits.put_off(row)
        else:
            waits.forget(row)
            _keyless.pop(row, None)


def places_of(kinds: tuple[str, ...], waits: StillWaits) -> set[bytes]:
    """Those that have a box of these kinds to be taken up now."""
    return publicdb.places_of(kinds) | publicdb.places_of_rows(_due_again(kinds, waits, STRETCH))


def _due_again(kinds: tuple[str, ...], waits: StillWaits, limit: int, place: bytes | None = None) -> list[int]:
    rows = publicdb.rows_put_off(kinds, _walked.get((kinds, place), 0), STRETCH, place)
    _walked[kinds, place] = rows[-1] if len(rows) == STRETCH else 0
    return [row for row in rows if waits.due(row)][: max(0, limit)]


def _opened(rows: list[int], now: datetime) -> list[OpenedEnvelope]:
    # Once something waits: six loops look every second, mostly at nothing.
    here = {bytes(item.uid): item for item in Organization.objects.all()} if rows else {}
    envelopes = (_read(row, here.get(bytes(row.place_id)), now) for row in publicdb.take_up(rows))
    return [item for item in envelopes if item is not None]


def sort_in(now: datetime) -> None:
    """Looks into boxes whose kind nobody has said, and throws away what nobody takes up."""
    _throw_away_unknown()
    rows = publicdb.next_rows(("",), BATCH, closed=locks.places())
    rows += _due_again(("",), waits, BATCH - len(rows))
    if not rows:
        return
    envelopes = _opened(rows, now)
    for envelope in envelopes:
        publicdb.say_kind(envelope.row, envelope.kind if envelope.kind in KINDS else OTHER)
    known = {envelope.row for envelope in envelopes}
    _put_off([row for row in rows if row not in known], waits)


def _throw_away_unknown() -> None:
    now, rows = time.monotonic(), publicdb.rows_unlike(("", *KINDS), STRETCH)
    if len(_unknown) > MOST:
        _unknown.clear()
    if gone := [row for row in rows if now - _unknown.setdefault(row, now) > UNKNOWN]:
        log.warning("The public database held something that nobody takes up; it was thrown away.")
        publicdb.done_with(gone)


def _read(row: Intake, organization: Organization | None, now: datetime) -> OpenedEnvelope | None:
    """As _wanted(). One that breaks stays for GIVE_UP, and keeps neither the boxes behind it nor the sends that wait
    for them. While the keys can't be had it stays as long as that takes: then it is not the box that is broken."""
    try:
        return _wanted(row, organization, now)
    except (OperationalError, InterfaceError):
        raise
    except OrganizationLocked:
        return None  # It stays until that is unlocked.
    except Exception as error:
        log.error("What a reader sent could not be opened: %s", where_it_broke(error))
        if not isinstance(error, VaultError) and _has_failed_for(row.id, now, GIVE_UP):
            publicdb.done_with([row.id])
        return None


def _wanted(row: Intake, organization: Organization | None, now: datetime) -> OpenedEnvelope | None:
    """A box when no key of it may still come. One that does not open goes, and one that says to be another kind."""
    # Also where its organization isn't here: whoever writes the database gives it another uid for a moment.
    if not (organization and _has_box_key(organization, bytes(row.box))) and _keep_waiting(row.id):
        return None
    envelope = _open(row, organization, now)
    if envelope is not None and row.kind not in ("", envelope.kind):
        log.warning("The public database held something that is not what it said it is; it was thrown away.")
        envelope = None
    if envelope is None:
        publicdb.done_with([row.id])
        return None
    if envelope.kind in PROMISED and not _has_link_key(envelope) and _keep_waiting(row.id):
        return None
    return envelope


def each(
    deed: Callable[[list[OpenedEnvelope], datetime], None], envelopes: list[OpenedEnvelope], now: datetime
) -> None:
    """Does it for all of them at once. Where that breaks each is tried alone, so that what one of them says keeps
    nobody else waiting; what breaks alone is tried again for GIVE_UP. A database that does not answer breaks for all.
    """
    try:
        deed(envelopes, now)
    except (OperationalError, InterfaceError):
        raise
    except OrganizationLocked:
        return  # They stay until that is unlocked.
    except Exception as error:
        if len(envelopes) > 1:
            for envelope in envelopes:
                each(deed, [envelope], now)
            return
        log.error("What a reader sent could not be taken up: %s", where_it_broke(error))
        if given_up(envelopes[0], now):
            publicdb.done_with([envelopes[0].row])


# Row -> when it failed first. In this process alone: after a start it counts anew.
_failed: dict[int, datetime] = {}


def given_up(envelope: OpenedEnvelope, now: datetime, after: timedelta = GIVE_UP) -> bool:
    """Has it failed for so long that it is thrown away? Since we tried it first: what the public pages say of the time
    may be wrong, and after a worker that stood still for days the first failure would be the last. Not by a clock that
    was just set."""
    return _has_failed_for(envelope.row, now, after)


def _has_failed_for(row: int, now: datetime, after: timedelta) -> bool:
    if len(_failed) > MOST:
        _failed.clear()
    if now - _failed.setdefault(row, now) <= after or clock_jumps.patient(now):
        return False
    del _failed[row]
    return True


def _keep_waiting(row: int) -> bool:
    """Whether a box without a key still waits."""
    now = time.monotonic()
    if len(_keyless) > MOST:
        _keyless.clear()
    if now - _keyless.setdefault(row, now) <= UNKNOWN:
        return True
    log.warning("The public database held something whose key never came; it was thrown away.")
    return False


def _has_box_key(organization: Organization, box: bytes) -> bool:
    """A box too short to name its key is left to _open."""
    if len(box) < 37:
        return True
    number = int.from_bytes(box[:4])
    return number in keyring.keys(organization).boxes or (
        keyring.look_again(organization) and number in keyring.keys(organization).boxes
    )


def _has_link_key(envelope: OpenedEnvelope) -> bool:
    """Whether the key that its token names is here, or came since the keys were loaded. Without a token: yes."""
    try:
        number = tokens.key_number(envelope.words.token)
    except tokens.BadToken:
        return True
    return number in keyring.keys(envelope.organization).links or (
        keyring.look_again(envelope.organization) and number in keyring.keys(envelope.organization).links
    )


def _open(row: Intake, organization: Organization | None, now: datetime) -> OpenedEnvelope | None:
    if organization is None:
        log.warning("The public database held something for an organization that is not here; it was thrown away.")
        return None
    box = bytes(row.box)
    try:
        private = keyring.keys(organization).boxes[struct.unpack(">I", box[:4])[0]]
        text = seal.open_sealed(private, box[4:], intake_boxes.info(bytes(row.place_id)))
        words = msgspec.json.decode(text, type=EnvelopeWords)
        return OpenedEnvelope(row.id, organization, words, _time(words.at, now))
    # RecursionError: JSON of a thousand brackets.
    except (KeyError, ValueError, RecursionError, struct.error, seal.SealError, msgspec.DecodeError):
        log.warning("The public database held something that does not open; it was thrown away.")
        return None


def _time(text: str, now: datetime) -> datetime:
    """When it was sent, as far as that can be believed."""
    try:
        at = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):  # The year 1, an hour east of here.
        return now
    return at if now - _OLDEST <= at <= now else now

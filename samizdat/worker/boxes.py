"""What readers sent in, out of the gate: boxes that only the house can open.

The public process is not believed: what is in a box is text that anybody may have written. Whose it is, is proven by
the loops that take it up.
"""

import json
import logging
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import InterfaceError, OperationalError

from samizdat.accounts.models import Organisation
from samizdat.core import link, seal
from samizdat.delivery import jumps
from samizdat.gate import actions as gate
from samizdat.logs import where_it_broke
from samizdat.vault import house

log = logging.getLogger("samizdat.worker")

# What a clock may be wrong by: the public process's before ours is believed instead, and ours since it last ticked.
CLOCK_SLACK = timedelta(minutes=5)
_OLDEST = timedelta(days=30)
# What breaks again and again is thrown away after this.
GIVE_UP = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Said:
    """One thing a reader sent, opened."""

    row: int
    organisation: Any
    words: dict[str, Any]
    at: datetime

    @property
    def kind(self) -> str:
        return str(self.words.get("kind", ""))


# What readers send; each kind is taken up by one of the loops.
KINDS = frozenset(
    (
        *("leave", "back", "confirm", "signup", "show", "prefer", "proven", "ask", "move", "allowed", "stay"),
        "pressed",
    )
)
# Seconds that a box of a kind we do not know waits: while machines are upgraded one after the other, another worker may
# know it. After that it is rubbish of a public process that was taken, and would be walked past for ever.
UNKNOWN = 3600.0
_unknown: dict[bytes, float] = {}
# Boxes whose key nobody here has: since when, and when to look again. What was promised to somebody waits as long: who
# has seen "You have left" must have left, and the key may be on its way with an export.
PROMISED = frozenset(("leave", "back", "confirm", "proven"))
_keyless: dict[bytes, tuple[float, float]] = {}

# Kinds of boxes that were opened before, by their ephemeral key: six loops look at what waits, every second, and
# each wants its own.
_kinds: dict[bytes, str] = {}


def opened(now: datetime, kinds: tuple[str, ...], skip: Callable[[int], bool] = lambda _row: False) -> list[Said]:
    """What waits in the gate, of these kinds. A box that does not open is thrown away and said in the log.

    `skip(row)`: boxes that need not be opened now.
    """
    return [one for _last, said in pages(now, kinds, skip) for one in said]


def pages(
    now: datetime, kinds: tuple[str, ...], skip: Callable[[int], bool] = lambda _row: False
) -> Iterator[tuple[int, list[Said]]]:
    """As opened(), a page at a time, each with its last row: what one page asks for need not wait for the next."""
    if len(_kinds) > 100_000:
        _kinds.clear()
        _unknown.clear()
        _keyless.clear()
    here: dict[bytes, Organisation] = {}
    after = 0
    while rows := gate.take_up(after):
        after = rows[-1].id
        # Once something waits: six loops look every second, mostly at nothing.
        here = here or {bytes(one.uid): one for one in Organisation.objects.all()}
        found: list[Said] = []
        for row in rows:
            name = bytes(row.box)[:37]
            if _is_rubbish(name):
                log.warning("The gate held something that nobody takes up; it was thrown away.")
                gate.done_with([row.id])
            elif not skip(row.id) and _kinds.get(name, kinds[0]) in kinds and not _waits(name):
                said = _read(row, name, here.get(bytes(row.place_id)), kinds, now)
                found += [said] if said is not None else []
        yield after, found


def _read(
    row: Any, name: bytes, organisation: Organisation | None, kinds: tuple[str, ...], now: datetime
) -> Said | None:
    """As _wanted(). One that breaks stays, and keeps neither the boxes behind it nor the sends that wait for them."""
    try:
        return _wanted(row, name, organisation, kinds, now)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        log.error("What a reader sent could not be opened: %s", where_it_broke(error))
        return None


def _wanted(
    row: Any, name: bytes, organisation: Organisation | None, kinds: tuple[str, ...], now: datetime
) -> Said | None:
    """A box when it is of these kinds and no key of it may still come. One that does not open goes."""
    if organisation and not _has_box_key(organisation, name) and _keep_waiting(name):
        return None
    said = _open(row, organisation, now)
    if said is None:
        gate.done_with([row.id])
        return None
    _kinds[name] = said.kind
    if said.kind not in kinds:
        return None
    if said.kind in PROMISED and not _has_link_key(said) and _keep_waiting(name):
        return None
    return said


def each(deed: Callable[[list[Said], datetime], None], said: list[Said], now: datetime) -> None:
    """Does it for all of them at once. Where that breaks each is tried alone, so that what one of them says keeps
    nobody else waiting; what breaks alone is tried again for GIVE_UP. A database that does not answer breaks for all.
    """
    try:
        deed(said, now)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        if len(said) > 1:
            for one in said:
                each(deed, [one], now)
            return
        log.error("What a reader sent could not be taken up: %s", where_it_broke(error))
        if given_up(said[0], now):
            gate.done_with([said[0].row])


def given_up(said: Said, now: datetime, after: timedelta = GIVE_UP) -> bool:
    """Has it failed for so long that it is thrown away? Not by a clock that was just set."""
    return now - said.at > after and not jumps.patient(now)


def _is_rubbish(name: bytes) -> bool:
    """Of a kind that nobody takes up, and there for long."""
    if name not in _kinds or _kinds[name] in KINDS:
        return False
    return time.monotonic() - _unknown.setdefault(name, time.monotonic()) > UNKNOWN


def _waits(name: bytes) -> bool:
    return name in _keyless and time.monotonic() < _keyless[name][1]


def _keep_waiting(name: bytes) -> bool:
    """Whether a box without a key still waits; ever more rarely, so that a heap of forged ones costs little."""
    now = time.monotonic()
    since, _again = _keyless.get(name, (now, now))
    _keyless[name] = (since, now + min(max(1.0, now - since), 60.0))
    if now - since <= UNKNOWN:
        return True
    log.warning("The gate held something whose key never came; it was thrown away.")
    return False


def _has_box_key(organisation: Organisation, name: bytes) -> bool:
    """A box too short to name its key is left to _open."""
    if len(name) < 37:
        return True
    number = int.from_bytes(name[:4])
    return number in house.keys(organisation).boxes or (
        house.look_again(organisation) and number in house.keys(organisation).boxes
    )


def _has_link_key(said: Said) -> bool:
    """Whether the key that its token names is here, or came since the keys were loaded. Without a token: yes."""
    try:
        number = link.key_number(str(said.words.get("token", "")))
    except link.BadToken:
        return True
    return number in house.keys(said.organisation).links or (
        house.look_again(said.organisation) and number in house.keys(said.organisation).links
    )


def _open(row: Any, organisation: Organisation | None, now: datetime) -> Said | None:
    if organisation is None:
        log.warning("The gate held something for an organisation that is not here; it was thrown away.")
        return None
    box = bytes(row.box)
    try:
        private = house.keys(organisation).boxes[struct.unpack(">I", box[:4])[0]]
        words = json.loads(seal.open_sealed(private, box[4:], b"intake\0" + bytes(row.place_id)))
        return Said(row.id, organisation, words, _time(str(words.get("at", "")), now))
    # RecursionError: JSON of a thousand brackets.
    except (KeyError, ValueError, AttributeError, RecursionError, struct.error, seal.SealError):
        log.warning("The gate held something that does not open; it was thrown away.")
        return None


def _time(text: str, now: datetime) -> datetime:
    """When it was sent, as far as that can be believed."""
    try:
        at = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):  # The year 1, an hour east of here.
        return now
    return at if now - _OLDEST <= at <= now + CLOCK_SLACK else now

"""How far the database had come, noted beside it: one that was put back from a copy is behind the note.

Journals know what was sent; who left, objected or was erased since the copy was made stood in the database alone. The
newest row of the log and of the consent records, which nobody deletes, and the end of each organization's chain over
both (events/chain.py) are noted once a second after their commit, so the note is never ahead of the database. A
database that does not know that row, by number and keyed hash, or whose chain does not lead through that end has gone
back, until a person releases it. How often that was done is counted in the database, under a key and in the log:
whoever writes the database alone releases nothing. The end of a chain is noted by the organization's number and never
falls, whatever the database says meanwhile.

The note says in which file it was written, and is written anew while something is sent, too. A copy of the whole data
folder that was written over the original brings its own note along, which knows of nothing later; but it stands in
another file.
"""

import hmac
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import Max, Sum

from samizdat import modes
from samizdat.accounts import settings_note
from samizdat.accounts.models import Organization
from samizdat.audience import sql as audience_sql
from samizdat.audience.models import ConsentRecord
from samizdat.core.crypto import seal
from samizdat.delivery import file_identity
from samizdat.delivery.models import Location, Worker
from samizdat.events import chain
from samizdat.events import sql as events_sql
from samizdat.events.actions import is_genuine
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.options import data_folder
from samizdat.vault import keyring

# Said among the parts of a place (copied_installation.PARTS) that differ: the database is older than the note, or the
# note is a copy.
REWOUND, COPIED = "rewound", "note"
# Counts releases in the database, so that those on one machine count for the notes of the others.
RELEASES = "releases"
RELEASED: EventKind = "installation.released"
TABLES: dict[str, Any] = {"records": ConsentRecord, "events": Event}


class Missing(NamedTuple):
    """At most so many rows; 0 where others have taken their numbers since, or earlier ones were deleted."""

    records: int
    events: int


def _path() -> Path:
    return data_folder() / "newest"


def _noted() -> dict[str, Any]:
    return _read()[0]


def _read() -> tuple[dict[str, Any], bool]:
    """The note, and whether it stands in the file that it was written in. Empty: there is none."""
    try:
        with open(_path(), "rb") as file:
            payload, here = json.loads(file.read()), [*file_identity.of_descriptor(file.fileno())]
    except (FileNotFoundError, ValueError):
        return {}, True
    if not isinstance(payload, dict):
        return {}, True
    return payload, payload.pop("file", here) == here


def is_copied() -> bool:
    """Whether the note was copied, and nobody has released the installation since."""
    noted, is_original = _read()
    return not is_original and not is_of_another() and not _released_since(noted)


def _releases() -> int:
    row = Location.objects.filter(folder=b"", part=RELEASES).first()
    return _counted(bytes(row.digest)) if row else 0


def _digest(count: int) -> bytes:
    """What is kept of a count: itself, and half of a MAC."""
    return count.to_bytes(4) + _mark(str(count))[:12]


def _mark(text: str) -> bytes:
    return seal.keyed_hash(keyring.derive("releases"), text)


def _keys() -> str:
    """Tells the keys that a note was written with from others, and nothing about them."""
    return _mark("keys").hex()


def _counted(kept: bytes) -> int:
    """The count; -1 where it was written by somebody without keys."""
    count = int.from_bytes(kept[:4])
    return count if not kept or hmac.compare_digest(kept, _digest(count)) else -1


def _released_since(noted: Mapping[str, Any], releases: int | None = None) -> bool:
    """releases: how many the database counts, where that was asked."""
    releases = _releases() if releases is None else releases
    return bool(releases > noted["releases"]) and _is_in_log(releases)


def _is_in_log(count: int) -> bool:
    return any(map(is_genuine, Event.objects.filter(kind=RELEASED, about=count)))


def is_of_another() -> bool:
    """Whether the note tells of another database, which was in this folder before: it was written with other keys,
    and a key file opens no database but its own. What the database says of itself is not asked."""
    return bool(_noted().get("keys", _keys()) != _keys())


def _ends() -> dict[str, list[Any]]:
    """Organization's number -> (position, link) at the end of its chain."""
    return {str(number): [position, link.hex()] for number, position, link in events_sql.chain_ends()}


def organizations() -> set[int]:
    """Numbers of those that had a log when it was last noted."""
    return {int(number) for number in _noted().get("chains", {})}


def _left_chains(noted: dict[str, Any]) -> bool:
    """Whether a chain does not lead through the end that was noted. One that ends there still is asked nothing more:
    its rows are looked at each night."""
    ends = _ends()
    if all(end == ends.get(number) for number, end in noted.get("chains", {}).items()):
        return False
    return any(map(left_end, Organization.objects.all()))


def left_end(organization: Organization) -> int:
    """The position that was noted as the end of its chain, which ends before it or does not lead through it; 0: it
    does."""
    number = str(organization.pk)
    position, link = _noted().get("chains", {}).get(number, (0, ""))
    is_there = _ends().get(number, [0])[0] >= position
    return position if position and not (is_there and chain.link_at(organization, position).hex() == link) else 0


def _newest() -> dict[str, Any]:
    noted, chains = _noted(), _ends()
    newest: dict[str, Any] = {"releases": _releases(), "keys": _keys(), "chains": chains}
    # Until a person releases it: an end that is not here, or a shorter one, may be put back with less.
    if all(noted.get(name) == newest[name] for name in ("releases", "keys")):
        for number, end in noted.get("chains", {}).items():
            chains[number] = max(end, chains.get(number, end), key=lambda end: end[0])
    for name, table in TABLES.items():
        row = table.objects.order_by("-id").values_list("id", "digest").first()
        newest[name] = [row[0], bytes(row[1]).hex()] if row else None
    newest["results"] = [*Worker.objects.aggregate(Max("id"), Sum("written")).values()]
    return newest


# One statement: a sender asks before each claim.
_KNOWN = (
    "SELECT (SELECT digest FROM delivery_location WHERE folder = %s AND part = %s), "
    f"({audience_sql.RECORD_DIGEST}), ({events_sql.EVENT_DIGEST})"
)


def missing() -> Missing | None:
    """What a database that has gone back has forgotten; None: it has not, or was released since."""
    noted = _noted()
    if not noted:
        return None
    rows = {name: noted[name] or (0, "") for name in TABLES}
    with connection.cursor() as cursor:
        cursor.execute(_KNOWN, [b"", RELEASES, *(number for number, _digest in rows.values())])
        released, *digests = (bytes(value or b"") for value in cursor.fetchone())
    releases = _counted(released)
    same = all(bytes.fromhex(row[1]) == digest for row, digest in zip(rows.values(), digests, strict=True))
    if same and releases == noted["releases"] >= 0 and not _left_chains(noted):
        return None
    if _released_since(noted, releases):
        return None
    counts = {}
    for name, table in TABLES.items():
        newest = table.objects.order_by("-id").values_list("id", flat=True).first() or 0
        counts[name] = max(0, rows[name][0] - newest)
    return Missing(**counts)


def note() -> None:
    """This is how far it has come."""
    newest, (noted, is_original) = _newest(), _read()
    if newest == noted and is_original:
        return
    if noted and any(noted.get(name) != newest[name] for name in ("releases", "keys")):
        settings_note.forget()
    modes.replace_file(_path(), lambda file: json.dumps({**newest, "file": file_identity.of_descriptor(file)}).encode())


def renew() -> Iterator[None]:
    """A Renewal (instance_exchange.py). The note says what it did, of the database with its new key: one that was
    copied still is."""
    count, is_ours = _releases(), not is_of_another()
    yield
    if count > 0:
        Location.objects.filter(folder=b"", part=RELEASES).update(digest=_digest(count))
    if is_ours:
        transaction.on_commit(_note_keys)


def _note_keys() -> None:
    noted, is_original = _read()
    if noted:
        noted["keys"] = _keys()
        where = file_identity.of_descriptor if is_original else _nowhere
        modes.replace_file(_path(), lambda file: json.dumps({**noted, "file": where(file)}).encode())


def _nowhere(_file: int) -> tuple[int, ...]:
    return (0, 0)


def release() -> int:
    """A person has decided: the database is taken as it is, on every machine that finds the number in the log."""
    count: int = max(_releases(), _noted().get("releases", 0)) + 1
    Location.objects.update_or_create(folder=b"", part=RELEASES, defaults={"digest": _digest(count)})
    transaction.on_commit(note)
    return count

"""How far the database had come, noted beside it: one that was put back from a copy is behind the note.

Journals know what was sent; who left, objected or was erased since the copy was made stood in the database alone. The
newest row of the log and of the consent records, which nobody deletes, and the end of each organization's chain over
both (events/chain.py) are noted once a second after their commit, so the note is never ahead of the database. A
database that does not know that row, by number and keyed hash, or whose chain does not lead through that end has gone
back, until a person releases it. How often that was done is counted in the database, under a key and in the log:
whoever writes the database alone releases nothing.
"""

import hmac
import json
import os
import threading
from pathlib import Path
from typing import Any, NamedTuple

from django.db import connection, transaction

from samizdat.accounts.models import Organization
from samizdat.audience import sql as audience_sql
from samizdat.audience.models import ConsentRecord
from samizdat.core.crypto import seal
from samizdat.delivery.models import Location
from samizdat.events import chain
from samizdat.events import sql as events_sql
from samizdat.events.actions import is_genuine
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.options import data_folder
from samizdat.vault import keyring

# Said among the parts of a place (copied_installation.PARTS) that differ.
REWOUND = "rewound"
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
    try:
        payload = json.loads(_path().read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return payload if isinstance(payload, dict) else {}


def _releases() -> int:
    row = Location.objects.filter(folder=b"", part=RELEASES).first()
    return _counted(bytes(row.digest)) if row else 0


def _digest(count: int) -> bytes:
    """What is kept of a count: itself, and half of a MAC."""
    return count.to_bytes(4) + seal.keyed_hash(keyring.derive("releases"), str(count))[:12]


def _counted(kept: bytes) -> int:
    """The count; -1 where it was written by somebody without keys."""
    count = int.from_bytes(kept[:4])
    return count if not kept or hmac.compare_digest(kept, _digest(count)) else -1


def _is_in_log(count: int) -> bool:
    return any(map(is_genuine, Event.objects.filter(kind=RELEASED, about=count)))


def _organizations() -> dict[str, int]:
    """uid -> number."""
    return {bytes(uid).hex(): number for uid, number in Organization.objects.values_list("uid", "pk")}


def is_of_another() -> bool:
    """Whether the note tells of another database, which was in this folder before: none of its organizations is here.
    Nobody who writes the database gives one another number: nothing of it would open."""
    noted = _noted()
    return "organizations" in noted and not {*noted["organizations"]} & _organizations().keys()


def _ends() -> dict[int, list[Any]]:
    """Organization -> its number, and (position, link) at the end of its chain."""
    return {row[0]: [row[0], row[1], row[2].hex()] for row in events_sql.chain_ends()}


def _left_chains(noted: dict[str, Any]) -> bool:
    """Whether a chain does not lead through the end that was noted. One that ends there still is asked nothing more:
    its rows are looked at each night."""
    ends = _ends()
    if all(end == ends.get(end[0]) for end in noted.get("chains", {}).values()):
        return False
    return any(map(left_end, Organization.objects.all()))


def left_end(organization: Organization) -> int:
    """The position that was noted as the end of its chain and that it does not lead through; 0: it does."""
    _number, position, link = _noted().get("chains", {}).get(bytes(organization.uid).hex(), (0, 0, ""))
    return position if position and chain.link_at(organization, position).hex() != link else 0


def _newest() -> dict[str, Any]:
    here = _organizations()
    newest: dict[str, Any] = {"releases": _releases(), "organizations": sorted(here)}
    # By the uid. One that is not here is noted on: its row could be put back with less.
    away = {uid: end for uid, end in _noted().get("chains", {}).items() if uid not in here}
    ends = _ends()
    newest["chains"] = away | {uid: end for uid, number in here.items() if (end := ends.get(number))}
    for name, table in TABLES.items():
        row = table.objects.order_by("-id").values_list("id", "digest").first()
        newest[name] = [row[0], bytes(row[1]).hex()] if row else None
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
    if releases > noted["releases"] and _is_in_log(releases):
        return None
    counts = {}
    for name, table in TABLES.items():
        newest = table.objects.order_by("-id").values_list("id", flat=True).first() or 0
        counts[name] = max(0, rows[name][0] - newest)
    return Missing(**counts)


def note() -> None:
    """This is how far it has come."""
    newest = _newest()
    if newest == _noted():
        return
    # A sender and the guard beside it are threads of one process.
    draft = _path().with_name(f"newest.{os.getpid()}.{threading.get_ident()}")
    with draft.open("w") as file:
        json.dump(newest, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(_path())


def release() -> int:
    """A person has decided: the database is taken as it is, on every machine that finds the number in the log."""
    count: int = max(_releases(), _noted().get("releases", 0)) + 1
    Location.objects.update_or_create(folder=b"", part=RELEASES, defaults={"digest": _digest(count)})
    transaction.on_commit(note)
    return count

"""Backups to the places that the installation keeps (delivery/backup_places.py)."""

import contextlib
import logging
import secrets
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from msgspec import structs

from samizdat import plugins
from samizdat.accounts.models import Person
from samizdat.backup import recipients, retention, writing
from samizdat.backup.errors import BackupRefused
from samizdat.backup.kept_keys import all_keys
from samizdat.backup.key_along import key_along
from samizdat.backup.restore_test import records
from samizdat.backup.retention import Kept
from samizdat.backup.sets import WritablePlace
from samizdat.backup.writing import Tell, WrittenCopy
from samizdat.core.backup.manifest import FULL
from samizdat.delivery import backup_places, clock_jumps
from samizdat.delivery.backup_places import CopyDetails, KeptPlace, PlaceDetails, PlaceState
from samizdat.events.kinds import EventKind
from samizdat.logs import where_it_broke
from samizdat.options import data_folder
from samizdat.vault import keyring

ADDED: EventKind = "installation.backup_place_added"
CHANGED: EventKind = "installation.backup_place_changed"
REMOVED: EventKind = "installation.backup_place_removed"

log = logging.getLogger("samizdat.worker")

# Where what a place is tried with lies, for a moment.
PROBES = "probes"
_PROBE = b"Samizdat tried whether this place keeps what it is given. This file can be deleted.\n"


def try_place(place: WritablePlace) -> bool:
    """Writes, reads and deletes a small file: False where it can't be deleted. Errors: PlaceError, BackupRefused."""
    name, content = f"{PROBES}/{secrets.token_hex(8)}", _PROBE + secrets.token_hex(16).encode()
    place.write(name, content)
    if (name, len(content)) not in set(place.names(PROBES)) or place.read(name) != content:
        raise BackupRefused(
            "not_kept", "The place gave back something else than what was written. Don't use it before you know why."
        )
    try:
        place.delete(name)
    except plugins.PlaceError:
        return False
    return name not in {there for there, _size in place.names(PROBES)}


def add(details: PlaceDetails, *, by: Person | None = None) -> KeptPlace:
    """Tries the place, then keeps it. details.key: where it is known; else it's made for its recipients. Errors:
    PlaceError, BackupRefused, ExportRefused, VaultError."""
    chosen = recipients.cleaned(details.recipients)
    _refuse_own_folder(details.url)
    if any(isinstance(kept, KeptPlace) and kept.details.url == details.url for kept in backup_places.all_places()):
        raise BackupRefused(
            "place_exists", "This backup place was added before. Remove it first: samizdat backup place remove."
        )
    with opened(details) as place:
        deletes = try_place(place)
    key = details.key or key_along(chosen)
    kept = backup_places.add(structs.replace(details, recipients=chosen, key=key, append_only=not deletes))
    _record(ADDED, kept, details.added, by)
    return kept


def _refuse_own_folder(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "file" and Path(unquote(parts.path)).resolve().is_relative_to(data_folder().resolve()):
        raise BackupRefused(
            "inside_data",
            "A folder inside the data folder is lost together with it. Choose one on another disk or server.",
        )


def change(kept: KeptPlace, *, now: datetime, by: Person | None = None, **new: object) -> KeptPlace:
    """new: fields of its details."""
    changed = backup_places.change(kept, **new)
    _record(CHANGED, changed, now, by)
    return changed


def remove(number: int, *, now: datetime, by: Person | None = None) -> bool:
    """What was written there stays there. Also of a row that doesn't open."""
    if not backup_places.remove(number):
        return False
    records.record_in_all(REMOVED, now, {"number": number}, by)
    return True


def _record(kind: EventKind, kept: KeptPlace, now: datetime, by: Person | None) -> None:
    records.record_in_all(kind, now, {"number": kept.number, "place": records.mark(kept.details.url)}, by)


@contextlib.contextmanager
def opened(details: PlaceDetails) -> Iterator[WritablePlace]:
    """Errors: PlaceError."""
    place = details.open()
    try:
        yield place
    finally:
        place.close()


def back_up(
    kept: KeptPlace,
    *,
    databases: Sequence[str],
    now: datetime,
    kind: str = FULL,
    jobs: int = writing.JOBS,
    tell: Tell = lambda _rows: None,
) -> WrittenCopy:
    """A copy to this place; then what is kept there no longer goes. Both are noted, as is what goes wrong. Errors:
    PlaceError, BackupRefused, VaultError."""
    try:
        with opened(kept.details) as place:
            written = writing.write_copy(
                place,
                databases=databases,
                now=now,
                to=kept.details.recipients,
                key=kept.details.key,
                kind=kind,
                doubted=records.damaged(kept.details.url),
                jobs=jobs,
                tell=tell,
            )
    except Exception as error:
        if getattr(error, "code", "") != "backup_runs":
            backup_places.set_state(kept.number, _failed(kept.state, now, error))
        raise
    facts = written.copy.manifest
    copy = CopyDetails(
        path=written.copy.path,
        made=written.copy.time,
        kind=facts.kind,
        bytes=written.bytes,
        rows=facts.rows,
        pieces=written.pieces,
        written_bytes=written.written_bytes,
        recipients=facts.recipients,
        key=keyring.instance_number(),
    )
    backup_places.note_copy(kept.number, copy)
    backup_places.set_state(kept.number, PlaceState(tried=now, undeleted=kept.state.undeleted))
    with contextlib.suppress(BackupRefused):  # Somebody else backs up already, and does this then.
        _prune(kept, now)
    return written


def _prune(kept: KeptPlace, now: datetime) -> None:
    """That it failed is said by doctor, and makes no backup worse. Nothing is thrown away for its age in the hour after
    the clock was set."""
    details = kept.details
    if clock_jumps.patient(now):
        return
    keep = Kept(details.daily, details.weekly, details.monthly, details.days)
    try:
        with writing.only_backup(), opened(details) as place:
            pruned = retention.prune(place, all_keys(), now, keep)
    except plugins.PlaceError as error:
        log.warning("Old backups could not be deleted: %s", where_it_broke(error))
        return
    backup_places.forget_copies(kept.number, pruned.copies)
    backup_places.set_state(kept.number, PlaceState(tried=now, undeleted=pruned.undeleted))


def _failed(state: PlaceState, now: datetime, error: Exception) -> PlaceState:
    sentence = str(error) if hasattr(error, "code") else type(error).__name__
    code, values = (error.code, dict(error.values)) if isinstance(error, plugins.PlaceError) else ("", {})
    return structs.replace(
        state,
        tried=now,
        failures=state.failures + 1,
        failing=state.failing or now,
        error=sentence[:500],
        code=code,
        values=values,
    )

"""Where the installation runs: what tells a copy of it from the original (docs/architecture.md, Decisions).

A part is a fact about the place, kept as a keyed hash. A database that was copied carries the hashes of the place it
was copied from. Nothing here changes with a reboot, an upgrade or a container that starts anew on the same volume.
"""

import hashlib
import hmac
from functools import cache
from pathlib import Path

from django.db import ProgrammingError, connection, transaction

from samizdat.delivery import database_progress, sql
from samizdat.delivery.engine import journal
from samizdat.delivery.models import Location
from samizdat.options import data_folder
from samizdat.vault import keyring

# Of a data folder: the machine's own id, the folder's real path, the inodes of folder and database.
# Of a PostgreSQL database: the id that its cluster was made with, and its number there.
PARTS = ("machine", "path", "file", "server", "database")

_MACHINE_IDS = ("/etc/machine-id", "/var/lib/dbus/machine-id", "/etc/hostid")

Marks = dict[tuple[bytes, str], bytes]


class MovedInstallation(RuntimeError):
    """The database or its folder is another one than at the start of this process."""


@cache
def _machine() -> str:
    """Empty in most containers: then path and files tell alone."""
    for name in _MACHINE_IDS:
        try:
            machine_id = Path(name).read_bytes().strip().hex()
        except OSError:
            continue
        if machine_id and machine_id != b"uninitialized".hex():
            return machine_id
    return ""


def _files() -> str:
    """A copy has other inodes. Device numbers are left out: the kernel gives them out anew at a reboot."""
    folder = data_folder()
    inside = Path(connection.settings_dict["NAME"]) if connection.vendor == "sqlite" else journal.folder()
    return f"{folder.stat().st_ino} {inside.stat().st_ino}"


def _hashed(part: str, text: str) -> bytes:
    return hmac.digest(keyring.derive("location"), f"{part}\0{text}".encode(), hashlib.sha256)[:16]


def _of_folder() -> Marks:
    """On SQLite the database lies in the folder; on PostgreSQL each machine has a folder of its own."""
    folder = b"" if connection.vendor == "sqlite" else journal.folder_id()
    texts = {"machine": _machine(), "path": str(data_folder().resolve()), "file": _files()}
    return {(folder, part): _hashed(part, text) for part, text in texts.items() if text}


def _of_server() -> Marks:
    if connection.vendor == "sqlite":
        return {}
    queries = {"database": "SELECT oid FROM pg_database WHERE datname = current_database()"}
    queries["server"] = "SELECT system_identifier FROM pg_control_system()"
    marks = {}
    for part, query in queries.items():
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(query)
                marks[b"", part] = _hashed(part, str(cursor.fetchone()[0]))
        except ProgrammingError:
            continue  # A provider that hides its server's id: the database's number tells alone.
    return marks


def here() -> Marks:
    """What is true of this process's place now."""
    return _of_server() | _of_folder()


def known() -> Marks:
    """What the database says of where it last ran."""
    rows = sql.locations(PARTS)  # Asked before each claim: a query of Django's is five times the work.
    return {(bytes(folder), part): bytes(digest) for folder, part, digest in rows}


def differing(now: Marks, then: Marks) -> list[tuple[bytes, str]]:
    """Parts of the place that are others now. A part that was not known before is no difference; one that is gone is,
    but for the folders of other machines."""
    mine = {folder for folder, _part in now}
    return [key for key, digest in then.items() if key[0] in mine and now.get(key) != digest]


def remember(marks: Marks) -> None:
    """This is its place from now on."""
    for (folder, part), digest in marks.items():
        Location.objects.update_or_create(folder=folder, part=part, defaults={"digest": digest})
    for folder, part in differing(marks, known()):
        Location.objects.filter(folder=folder, part=part).delete()


class CopyGuard:
    """A sender's look before each claim: is everything still where it was when it began?

    Two stats, a small file and seven rows by number. A copy that is put in place under a running process has other
    inodes, or does not know what was noted last; one that was released elsewhere has changed the rows.
    """

    def __init__(self) -> None:
        self._marks = here()
        self._files = _files()

    def check(self) -> None:
        """Errors: Moved."""
        if self._files != _files() or differing(self._marks, known()):
            raise MovedInstallation("The data folder or its database is another one than before.")
        if database_progress.missing():
            raise MovedInstallation("The database has gone back in time.")

"""Where the installation runs: what tells a copy of it from the original (docs/architecture.md, Decisions).

A part is a fact about the place, kept as a keyed hash. A database that was copied carries the hashes of the place it
was copied from. Nothing here changes with a reboot, an upgrade or a container that starts anew on the same volume.
"""

import hashlib
import hmac
import os
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from django.db import ProgrammingError, connection, transaction

from samizdat.delivery import database_progress, file_identity, sql
from samizdat.delivery.engine import journal, locks
from samizdat.delivery.models import Location
from samizdat.options import data_folder
from samizdat.vault import keyring

# Of a data folder: the machine's own id, the number that its provider gave it, the folder's real path, its file
# system's own number, the inodes of folder and database, and when these were born. Of a PostgreSQL database: the id
# that its cluster was made with, its number there, and that of a table.
PARTS = ("machine", "instance", "path", "file", "born", "filesystem", "server", "database", "table")

_MACHINE_IDS = ("/etc/machine-id", "/var/lib/dbus/machine-id", "/etc/hostid")
# cloud-init: another one for each server that was made from a snapshot of the whole disk. It can be uninstalled.
_INSTANCE_ID = Path("/var/lib/cloud/data/instance-id")
_MAY_GO = ("instance",)
# Said among these parts: nobody is at work on any server that it ran on, and this is none of them. All that a copy of a
# whole PostgreSQL server says of itself is as in the original; but whoever joins the original finds somebody there.
ALONE = "alone"
# Seconds until a server that was started at the same moment is at work.
STARTED, LOOK = 20.0, 0.5

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


@cache
def _instance() -> str:
    """Empty where nothing like it is."""
    try:
        return _INSTANCE_ID.read_bytes().strip().hex()
    except OSError:
        return ""


def _filesystem() -> str:
    """Of ext4, btrfs and ZFS it stands on the disk, and each btrfs snapshot has another one; of XFS it is the device's,
    which the kernel gives out anew at a reboot, and of others nothing."""
    number, device = os.statvfs(data_folder()).f_fsid, data_folder().stat().st_dev
    return str(number) if number not in (0, device) else ""


def _inside() -> Path:
    return Path(connection.settings_dict["NAME"]) if connection.vendor == "sqlite" else journal.folder()


def _files() -> str:
    """A copy has other inodes. Device numbers are left out: the kernel gives them out anew at a reboot."""
    return f"{data_folder().stat().st_ino} {_inside().stat().st_ino}"


def _births() -> str:
    """Of a copy in the inodes of an original that was deleted before. Empty where the file system keeps none."""
    births = [file_identity.of_path(path)[1] for path in (data_folder(), _inside())]
    return " ".join(map(str, births)) if all(births) else ""


def _hashed(part: str, text: str) -> bytes:
    return hmac.digest(keyring.derive("location"), f"{part}\0{text}".encode(), hashlib.sha256)[:16]


def _of_folder() -> Marks:
    """On SQLite the database lies in the folder; on PostgreSQL each machine has a folder of its own."""
    folder = b"" if connection.vendor == "sqlite" else journal.folder_id()
    texts = {"machine": _machine(), "instance": _instance(), "path": str(data_folder().resolve())}
    texts |= {"filesystem": _filesystem(), "file": _files(), "born": _births()}
    return {(folder, part): _hashed(part, text) for part, text in texts.items() if text}


# A provider may hide its cluster's id, and in new clusters the first database has the same number everywhere: tables
# that a dump brings are numbered in its order.
_OF_SERVER = {
    "server": "SELECT system_identifier FROM pg_control_system()",
    "database": "SELECT oid FROM pg_database WHERE datname = current_database()",
    "table": "SELECT 'delivery_location'::regclass::oid",
}


def _of_server() -> Marks:
    if connection.vendor == "sqlite":
        return {}
    marks = {}
    for part, query in _OF_SERVER.items():
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(query)
                marks[b"", part] = _hashed(part, str(cursor.fetchone()[0]))
        except ProgrammingError:
            continue  # A provider that hides its server's id.
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
    but for the folders of other machines, and what can be uninstalled."""
    mine = {folder for folder, _part in now}
    return [
        key
        for key, digest in then.items()
        if key[0] in mine and now.get(key) != digest and not (key[1] in _MAY_GO and key not in now)
    ]


def is_alone(seconds: float = 0.0) -> bool:
    """seconds: how long somebody else is waited for."""
    if connection.vendor != "postgresql":
        return False
    folders = {folder for folder, _part in known() if folder}
    if not folders or journal.folder_id() in folders:
        return False
    until = time.monotonic() + seconds
    while not locks.held_workers():
        if time.monotonic() >= until:
            return True
        time.sleep(LOOK)
    return False


def remember(marks: Marks) -> None:
    """This is its place from now on."""
    for (folder, part), digest in marks.items():
        Location.objects.update_or_create(folder=folder, part=part, defaults={"digest": digest})
    mine = {folder for folder, _part in marks}
    for folder, part in known():
        if folder in mine and (folder, part) not in marks:
            Location.objects.filter(folder=folder, part=part).delete()


def renew() -> Iterator[None]:
    """A Renewal (instance_exchange.py): of an installation that is where it was. A copy stays one: what its rows say
    fits nothing under the new key. Other machines are met as new ones when they start again."""
    now, then = here(), known()
    is_here = bool(then) and not differing(now, then) and not is_alone()
    yield
    if is_here:
        Location.objects.filter(part__in=PARTS).exclude(folder__in={folder for folder, _part in now}).delete()
        remember(here())


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
        if database_progress.is_copied():
            raise MovedInstallation("The data folder was overwritten with a copy.")

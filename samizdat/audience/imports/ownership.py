"""Who is at an import: taken by a guarded UPDATE, held by a beat, and given up by whoever is dead.

Same machine: the process is looked up by number and start, so that an import killed a second ago goes on at once.
Another machine: an owner silent for a minute is gone.
"""

import hashlib
import os
import socket
from datetime import datetime, timedelta
from pathlib import Path

from django.db.models import F, Q

from samizdat.audience.errors import ImportTaken
from samizdat.audience.models import Import

SILENCE = timedelta(minutes=1)


def myself() -> str:
    """This process, distinguishable from any other that had its number before."""
    return f"{_machine()}-{os.getpid()}-{_started(os.getpid())}"


def take(import_id: int, states: tuple[str, ...], now: datetime) -> Import:
    """Makes this process the owner, and counts the try. Errors: ImportTaken."""
    me = myself()
    row = Import.objects.get(id=import_id)
    if row.owner and row.owner != me and is_alive(row, now):
        raise ImportTaken
    free = Q(owner="") | Q(owner=row.owner)
    mine = Import.objects.filter(free, id=import_id, state__in=states)
    taken = mine.update(owner=me, heartbeat=now, tries=F("tries") + 1)
    if not taken:
        raise ImportTaken
    row.refresh_from_db()
    return row


def is_alive(row: Import, now: datetime) -> bool:
    """Whether the owner of an import is still at it, as far as can be known from here."""
    if not row.owner:
        return False
    machine, pid, started = row.owner.split("-")
    if machine == _machine():
        return _started(int(pid)) == started
    return row.heartbeat is not None and now - row.heartbeat < SILENCE


def _machine() -> str:
    """This boot of this machine, and inside a container this container."""
    parts = [socket.gethostname()]
    for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        try:
            parts.append(os.readlink(path) if path.endswith("pid") else Path(path).read_text().strip())
        except OSError:
            continue  # Not Linux: the host's name has to do.
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def _started(pid: int) -> str:
    """When a process was started, in ticks since boot; empty when there is none (or, away from Linux, "0")."""
    try:
        # The name in brackets may hold blanks; start is the 20th value after it.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        if Path("/proc/self/stat").exists():
            return ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        pass
    return "0"

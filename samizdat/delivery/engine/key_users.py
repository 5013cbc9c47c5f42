"""Who may have keys: a command while it runs, a `serve` until it listens for commands. The one command that replaces
the instance key waits until there is nobody, and who comes meanwhile waits for it.

On this server by a lock on the data folder, which ends with its process. On PostgreSQL by two advisory locks as well,
for all servers: who has keys shares one, then looks whether somebody has the other; who replaces the key takes the
other, then looks who shares the first. So one of the two sees the other. Nobody waits for a lock of the database: the
public process may take any, and its own count for nothing.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator

from django.db import connection

from samizdat.delivery.engine import locks
from samizdat.options import data_folder
from samizdat.vault.errors import KeyRefused

# Seconds to wait for the command that replaces the instance key; it needs some.
PATIENCE = 120.0
_SOON = 0.05
# First half of the advisory locks' key, "SMZ5"; the second is one of these.
_KIND, _HAS_KEYS, _REPLACES = 0x534D5A35, 1, 2

_folder: int | None = None


def share() -> None:
    """Until release(), or this process ends. Errors: KeyRefused, OSError of the data folder."""
    with contextlib.suppress(PermissionError):  # The folder is another user's: then the key file is, too.
        fcntl.flock(_opened_folder(), fcntl.LOCK_SH)
    if connection.vendor != "postgresql":
        return
    until = time.monotonic() + PATIENCE
    while not _is_shared():
        if time.monotonic() > until:
            raise KeyRefused("The instance key is being replaced. Wait until that command ends, and run this again.")
        time.sleep(_SOON)


def _is_shared() -> bool:
    if not locks.share_advisory(_KIND, _HAS_KEYS):
        return False
    if locks.is_held(_REPLACES, kind=_KIND):
        locks.release_advisory(_KIND, _HAS_KEYS, shared=True)
        return False
    return True


def release() -> None:
    """The database's lock goes with its session."""
    global _folder
    if _folder is not None:
        os.close(_folder)
        _folder = None


@contextlib.contextmanager
def replacing() -> Iterator[None]:
    """One command at a time replaces the instance key, from its first look at it to the last. Errors: KeyRefused."""
    file = locks.FileLock(data_folder() / "instance-key.lock")
    if not file.take():
        raise _is_replaced()
    try:
        with _replacing_everywhere():
            yield
    finally:
        file.release()


@contextlib.contextmanager
def _replacing_everywhere() -> Iterator[None]:
    if connection.vendor != "postgresql":
        yield
        return
    if not locks.try_advisory(_KIND, _REPLACES):
        raise _is_replaced()
    try:
        yield
    finally:
        locks.release_advisory(_KIND, _REPLACES)


def _is_replaced() -> KeyRefused:
    return KeyRefused("The instance key is being replaced already. Wait until the other command ends.")


def is_alone_here() -> bool:
    """In replacing(): whether nobody else on this server has keys; from then on nobody begins, until share()."""
    try:
        fcntl.flock(_opened_folder(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:  # Ours is lost where it isn't changed, and nobody else takes it alone.
        fcntl.flock(_opened_folder(), fcntl.LOCK_SH)
        return False


def is_alone() -> bool:
    """In replacing(): whether no other server has keys: no command, no worker and no sender."""
    if connection.vendor != "postgresql":
        return True
    return not locks.is_held(_HAS_KEYS, kind=_KIND) and not locks.held_workers()


def _opened_folder() -> int:
    global _folder
    if _folder is None:
        _folder = os.open(data_folder(), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    return _folder

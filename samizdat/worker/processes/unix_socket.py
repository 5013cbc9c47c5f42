"""The Unix socket at which a mail server hands mail over: whose file it is, who may connect, and when it goes."""

import contextlib
import errno
import grp
import os
import pwd
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from django.utils.translation import gettext as _

from samizdat.options import UnixSocketPlace
from samizdat.vault.socket_source import short
from samizdat.worker.processes.users import CannotServe

# Seconds to wait for a socket: the children of a supervisor that was just killed may still be letting go of it.
PATIENCE = 3.0
# Connecting needs the right to write. umask: for a group alone, and for everybody that reaches the folder.
_FOR_GROUP, _FOR_EVERYBODY = 0o117, 0o111


@contextlib.contextmanager
def listening_at(place: UnixSocketPlace, owner: pwd.struct_passwd | None) -> Iterator[socket.socket]:
    """A bound and listening socket that belongs to `owner`, None for us. Its file goes when this ends. Errors:
    CannotServe."""
    group = _group(place.group)
    with socket.socket(socket.AF_UNIX) as listener:
        try:
            with _creating_as(owner, group):
                _make_room(place.path)
                listener.bind(short(place.path))
                if group is not None:
                    os.chown(place.path, -1, group, follow_symlinks=False)
            ours = _identity(place.path)
        except OSError as error:
            raise CannotServe(
                _("Can’t use %(path)s (%(why)s). Choose another path in SAMIZDAT_LMTP.")
                % {"path": place.path, "why": os.strerror(error.errno or 0)}
            ) from error
        listener.listen(512)
        try:
            yield listener
        finally:
            with contextlib.suppress(OSError):
                if _identity(place.path) == ours:  # Else another supervisor has put its own there.
                    place.path.unlink()


def _group(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid if name else None
    except KeyError:
        raise CannotServe(
            _("Group %(name)s doesn’t exist on this server. Create it or set another one in SAMIZDAT_LMTP.")
            % {"name": name}
        ) from None


@contextlib.contextmanager
def _creating_as(owner: pwd.struct_passwd | None, group: int | None) -> Iterator[None]:
    """With the rights of the owner even as root: they may have put a link in the place of any file of theirs."""
    before = os.umask(_FOR_EVERYBODY if group is None else _FOR_GROUP)
    try:
        if owner:
            os.setegid(owner.pw_gid if group is None else group)
            os.seteuid(owner.pw_uid)
        yield
    finally:
        if owner:
            os.seteuid(0)
            os.setegid(0)
        os.umask(before)


def _make_room(path: Path) -> None:
    """Removes the socket that a killed supervisor has left. Errors: CannotServe where it's another file; OSError,
    EADDRINUSE where somebody listens there."""
    deadline = time.monotonic() + PATIENCE
    while os.path.lexists(path):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise CannotServe(
                _("%(path)s is there already and isn’t a socket. Choose another path in SAMIZDAT_LMTP.")
                % {"path": path}
            )
        if not _is_listening(path):
            path.unlink()
        elif time.monotonic() > deadline:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        else:
            time.sleep(0.1)


def _is_listening(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as asking:
        asking.setblocking(False)
        try:
            asking.connect(short(path))
        except ConnectionRefusedError:
            return False
        except BlockingIOError:  # Many wait there.
            return True
    return True


def _identity(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_dev, status.st_ino

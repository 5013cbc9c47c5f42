"""Who `serve` runs as: started as root it becomes the user that the data belong to, and the public process another one
that may read the public database and nothing else."""

import contextlib
import json
import os
import pwd
import signal
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import connection, connections
from django.utils.translation import gettext as _

from samizdat import processes
from samizdat.options import data_folder, option
from samizdat.worker.processes import output_relay

# Seconds that the one who starts the public process has to answer, and to start.
PATIENCE, FIRST_PATIENCE, LAST_PATIENCE = 10.0, 60.0, 2.0


class CannotServe(Exception):
    """Nothing was started. The text says what to do."""

    code = "cannot_serve"


class StarterGone(Exception):
    """Who starts the public process is gone. The text is for the log and for `doctor`."""


@dataclass(frozen=True, slots=True)
class Users:
    """Whom we become, and whom the public process; None: nobody else."""

    become: pwd.struct_passwd | None = None
    public: pwd.struct_passwd | None = None


def users(pages: bool) -> Users:
    """By the options. pages: whether there are public ones. Errors: CannotServe."""
    own, public = option("SAMIZDAT_USER"), option("SAMIZDAT_PUBLIC_USER") if pages else ""
    if os.geteuid() != 0:
        return Users()
    if not own or (pages and own != "root" and not public):
        raise CannotServe(
            _(
                "Samizdat was started as root. Set SAMIZDAT_USER to the owner of the data folder and "
                "SAMIZDAT_PUBLIC_USER to a user for the public pages, as in `docs/small-server.md`, or start it as "
                "the owner."
            )
        )
    result = Users(_known(own) if own != "root" else None, _known(public) if public else None)
    if result.public and result.public.pw_uid == (result.become.pw_uid if result.become else 0):
        raise CannotServe(_("SAMIZDAT_PUBLIC_USER is the owner of the data. Set another user for the public pages."))
    return result


def no_boundary() -> str:
    return _(
        "Note: the public pages run as the same user as everything else and aren’t isolated. To isolate them, "
        "start as root and set SAMIZDAT_USER and SAMIZDAT_PUBLIC_USER."
    )


def _known(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise CannotServe(
            _("User %(name)s doesn’t exist on this server. Create it or set another one.") % {"name": name}
        ) from None


def become(users: Users) -> "Starters | None":
    """From here on we are who the data belong to. Returns who starts the public process where that is somebody else, to
    be checked. Errors: CannotServe."""
    folder = data_folder()
    if not folder.exists():
        return None  # Whoever opens it says so.
    owner = users.become.pw_uid if users.become else os.geteuid()
    if users.become and folder.stat().st_uid != owner:
        raise _not_ours(folder, users.become.pw_name)
    split_before = bool(folder.stat().st_mode & stat.S_ISGID)
    if users.public or (split_before and owner == folder.stat().st_uid):
        connections.close_all()
        os.umask(0o077)
        if not _open_to(folder, owner, users.public.pw_gid if users.public else None):
            raise _not_ours(folder, users.become.pw_name if users.become else "root")
    starter = Starters(users.public) if users.public else None
    if users.become:
        connections.close_all()  # What is opened from here on is the new user's.
        os.environ |= {"HOME": users.become.pw_dir, "USER": users.become.pw_name, "LOGNAME": users.become.pw_name}
        os.setgroups(os.getgrouplist(users.become.pw_name, users.become.pw_gid))
        os.setresgid(*[users.become.pw_gid] * 3)
        os.setresuid(*[users.become.pw_uid] * 3)
    return starter


def _not_ours(folder: Path, user: str) -> CannotServe:
    return CannotServe(
        _("The data folder belongs to another user. Run: `chown -R %(user)s %(folder)s`")
        % {"user": user, "folder": folder}
    )


def _open_to(folder: Path, owner: int, group: int | None) -> bool:
    """The data folder may be passed through by this group, not listed; of its files only the public database's may be
    read by it, and written by us alone. Its s bit gives files that are made later to the group as well: SQLite gives
    the log and the index the mode of the database. None: it is for us alone.

    Whoever owns the folder may put a link in a file's place while we look, and we may be root: what was opened is
    looked at, and changed by its descriptor, never by its name. False: the folder is not this owner's."""
    with _opened(folder, os.O_DIRECTORY) as inside:
        if os.fstat(inside).st_uid != owner:
            return False
        if group is not None:
            os.fchown(inside, -1, group)
        os.fchmod(inside, 0o700 if group is None else 0o2710)
        for name in os.listdir(inside):
            with contextlib.suppress(OSError), _opened(name, os.O_NOFOLLOW, inside) as descriptor:
                status = os.fstat(descriptor)
                regular = stat.S_ISREG(status.st_mode)
                # A second name may be of a file elsewhere.
                if status.st_uid != owner or not (stat.S_ISDIR(status.st_mode) or (regular and status.st_nlink == 1)):
                    continue
                publicdb = regular and name.startswith("public.sqlite3")
                if publicdb and group is not None:
                    os.fchown(descriptor, -1, group)
                own = stat.S_IMODE(status.st_mode) & 0o700
                os.fchmod(descriptor, own if not publicdb else 0o600 if group is None else 0o640)
    return True


@contextlib.contextmanager
def _opened(name: Path | str, flags: int, inside: int | None = None) -> Iterator[int]:
    descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | flags, dir_fd=inside)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


class Starters:
    """Those that can start the public process, one after the other: no more can be made once we are root no more."""

    # One that the kernel ends when memory runs out is no reason to stop. Each costs 9.5 MB.
    COUNT = 2

    def __init__(self, user: pwd.struct_passwd) -> None:
        self._left = [PublicStarter(user) for _number in range(self.COUNT)]

    def check(self) -> None:
        for starter in self._left:
            starter.check()

    def start(self, environment: dict[str, str], files: tuple[int, ...]) -> "StartedProcess":
        """Errors: StarterGone, once no one is left, and OSError where the system gives no process."""
        while self._left:
            try:
                return self._left[0].start(environment, files)
            except StarterGone:
                self._left.pop(0)
        raise StarterGone(_GONE)

    def end(self) -> None:
        while self._left:
            self._left.pop().end()


class PublicStarter:
    """The process that starts the public one (worker/processes/public_starter.py), as the supervisor sees it."""

    def __init__(self, user: pwd.struct_passwd) -> None:
        self._user = user
        self._publicdb = "" if connection.vendor == "postgresql" else str(data_folder() / "public.sqlite3")
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line.settimeout(FIRST_PATIENCE)
        life, self._life = os.pipe()
        self._said, says = os.pipe()
        try:
            self._process = subprocess.Popen(
                processes.command(
                    "samizdat.worker.processes.public_starter", str(theirs.fileno()), str(life), self._publicdb
                ),
                env=processes.public_environment(),
                pass_fds=[theirs.fileno(), life],
                stdin=subprocess.DEVNULL,
                # No terminal of ours, to type into or to write its own signs on, and no session that has one.
                stdout=says,
                stderr=says,
                start_new_session=True,
                user=user.pw_uid,
                group=user.pw_gid,
                extra_groups=[],
            )
        finally:
            theirs.close()
            os.close(life)
            os.close(says)

    def check(self) -> None:
        """Errors: CannotServe, where it may not read what it needs."""
        threading.Thread(target=output_relay.relay, args=(self._said,), daemon=True).start()
        try:
            reads = self._hear().get("reads", False)
        except StarterGone:
            raise CannotServe(
                _(
                    "%(user)s can’t read the program in %(folder)s. Give other users read access to it and its "
                    "parent folders."
                )
                % {"user": self._user.pw_name, "folder": processes.ROOT}
            ) from None
        self._line.settimeout(PATIENCE)
        if not reads and Path(self._publicdb).exists():
            raise CannotServe(
                _("%(user)s can’t reach %(file)s. Give other users access to the folders above the data: `chmod o+x`")
                % {"user": self._user.pw_name, "file": self._publicdb}
            )

    def start(self, environment: dict[str, str], files: tuple[int, ...]) -> "StartedProcess":
        """Errors: StarterGone, and OSError where the system gives no process."""
        answer = self.ask({"environment": environment}, files)
        if failed := answer.get("failed"):
            raise OSError(int(failed), os.strerror(int(failed)))
        return StartedProcess(self, int(answer.get("pid", 0)))

    def ask(self, what: dict[str, object], files: tuple[int, ...] = ()) -> dict[str, Any]:
        try:
            socket.send_fds(self._line, [json.dumps(what).encode()], files)
        except OSError as error:
            self.end()
            raise StarterGone(_LOST) from error
        return self._hear()

    def hurry(self) -> None:
        """From now on it has little time: everything ends."""
        self._line.settimeout(LAST_PATIENCE)

    def end(self) -> None:
        """However it hangs, and with it the public process."""
        self._line.close()
        if self._life >= 0:
            os.close(self._life)
            self._life = -1

    def _hear(self) -> dict[str, object]:
        """Whoever has taken the public process may stop it, or answer in its place: not for long, and with no more."""
        try:
            answer = json.loads(self._line.recv(1024))
            if not isinstance(answer, dict):
                raise ValueError
        except (OSError, ValueError) as error:
            self.end()
            raise StarterGone(_LOST) from error
        return answer


_LOST = "The process that starts the public pages was ended, or hangs. Another one takes its place if there is one."
_GONE = (
    "The public pages can't be started: both processes that start them were ended, or hang. Everything else goes on. "
    "Somebody may have the public process in hand: look at that machine, then start serve again."
)


class StartedProcess:
    """The public process: what subprocess.Popen is, as far as the supervisor needs it."""

    def __init__(self, starter: PublicStarter, pid: int) -> None:
        self._starter, self.pid = starter, pid

    def poll(self) -> int | None:
        code = self._starter.ask({}).get("code")
        return code if isinstance(code, int) else None

    def terminate(self) -> None:
        self._starter.hurry()
        self._starter.ask({"signal": signal.SIGTERM})

    def kill(self) -> None:
        self._starter.ask({"signal": signal.SIGKILL})

    def wait(self, timeout: float = PATIENCE) -> int:
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("public", timeout)
            time.sleep(0.02)
        return code

"""`samizdat serve`: one process tree. The supervisor alone holds the instance key; it starts the others, hands each
what it may have over a pair of sockets, and starts the dead again (design.md, section 7)."""

import contextlib
import errno
import fcntl
import logging
import os
import pwd
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from django.conf import settings
from django.db import DatabaseError, connection, connections
from django.utils.translation import gettext as _

from samizdat import dbclock, mail_spool, modes, processes, wakeups
from samizdat.delivery.actions import copied_installation, key_locks, strict_keys
from samizdat.delivery.engine import key_users
from samizdat.delivery.engine.locks import check_sessions
from samizdat.logs import where_it_broke
from samizdat.options import BadOption, UnixSocketPlace, data_folder, listening_place, option
from samizdat.publicdb import actions
from samizdat.vault import instance_exchange, keyring, locks
from samizdat.vault.errors import KeyRefused
from samizdat.vault.keyserver import KEY_SERVICE, LISTENERS, KeyServer, stop_listening
from samizdat.vault.socket_source import FD_VARIABLE
from samizdat.vault.source import InstanceSource, KeySource
from samizdat.vault.sources import key_service, passphrase
from samizdat.worker.inbox.link_keys import box_key, has_to_send, own_mailboxes, reader_links
from samizdat.worker.processes import stand_in
from samizdat.worker.processes import users as becoming
from samizdat.worker.processes.child import PULSE_VARIABLE
from samizdat.worker.processes.key_lease import KeyLease
from samizdat.worker.processes.unix_socket import listening_at
from samizdat.worker.processes.users import CannotServe, StartedProcess, StarterGone, Starters
from samizdat.worker.processes.zygote import ForkedProcess, Zygote

if TYPE_CHECKING:
    import psycopg

log = logging.getLogger("samizdat.worker")

LOCK_NAME = "serve.lock"

# Seconds before a dead child is started again, doubling from the second time on; from the beginning once it has lived
# for LIVED.
FIRST_WAIT, SECOND_WAIT, LAST_WAIT, LIVED = 0.02, 0.5, 30.0, 60.0

# Seconds between two starts above which `doctor` calls it trouble: four ends in a row.
TROUBLE = 2.0

# Seconds between two looks while a child is on its way out.
SOON = 0.02

# Seconds without a sign of life after which a process that has given some is killed: it hangs. What a worker or sender
# had in hand is in its journal, and the one that is started next reads it; desk and public pages have nothing in hand.
SILENT = 30.0

# Seconds for everybody to finish after TERM; a child ends itself half a second before.
STOP_SECONDS = 9.7

# Seconds for those that hold keys to finish once an organization was locked. It is seen within 1.1 s, and the keys are
# out of every process within 10.
LOCK_SECONDS = 7.0
# Seconds for all of them to be gone before the instance key is replaced.
EXCHANGE_SECONDS = 30.0
HOLDERS = ("desk", "worker", "sender")

# Seconds to wait for a port: a supervisor that was just killed may still be letting go of it.
PORT_SECONDS = 3.0

Say = Callable[[str], object]


def _print_places(desk: str, public: str) -> None:
    print(_("Samizdat is at %(url)s") % {"url": desk}, flush=True)
    print(_("Public pages are at %(url)s") % {"url": public}, flush=True)


def _print_note(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@dataclass(slots=True)
class Child:
    """One process and what is needed to start it again."""

    role: str
    descriptors: tuple[int, ...] = ()
    environment: dict[str, str] | None = None  # None: that of a process that holds keys.
    starter: Starters | None = None  # Of one that runs as another user.
    process: subprocess.Popen[bytes] | StartedProcess | ForkedProcess | None = None
    started: float = 0.0
    wait: float = FIRST_WAIT
    again: float = 0.0
    pulse: int = -1  # Our end of the pipe of its signs of life.
    heard: float | None = None  # When the last one came; None before the first.
    keys: socket.socket | None = None  # Our end of the line over which it asks for keys.
    trouble: str = ""  # Why it does not run, or not for long: a sentence.
    ends_by: float = 0.0  # When it is killed, since an organization was locked; 0.0: it goes on.


def serve(
    port: int = 8000,
    public_port: int = 8001,
    host: str = "127.0.0.1",
    *,
    ready: Callable[[str, str], object] = _print_places,
    note: Say = _print_note,
    opened: Callable[[], object] = lambda: None,
) -> int:
    """Everything, until TERM or INT: exit code 0. Errors: CannotServe, VaultError; then nothing was started.

    Django is set up by the caller. `opened` looks at the schema and opens the keys, as the user that we are from then
    on: PostgreSQL may let that one in and root not. ready(desk, public) is told where both listen.
    """
    users = becoming.users(pages=True)
    passphrase.hold_file()
    with contextlib.ExitStack() as stack:
        sockets = []
        if users.become:  # Root alone gives ports below 1024; everything else is for who we are then.
            sockets = [stack.enter_context(listening(host, port_number)) for port_number in (port, public_port)]
        doors = _listeners(stack, users.become)
        starter = becoming.become(users)
        zygote = stack.enter_context(_zygote())
        if starter is not None:
            starter.check()
        opened()
        source = stack.enter_context(_the_house())
        desk, public = sockets or [
            stack.enter_context(listening(host, port_number)) for port_number in (port, public_port)
        ]
        children = [
            Child("public", (public.fileno(),), _public_environment(source, note), starter),
            Child("desk", (desk.fileno(),)),
            *_background(None),
            *(Child(role, (door.fileno(),), processes.listener_environment()) for role, door in doors.items()),
        ]
        if doors:
            modes.make_folder(mail_spool.folder())
        if starter is None:
            note(becoming.no_boundary())
        ready(_url(desk), _url(public))
        return Supervisor(children, source, zygote).run()


def work(senders: int | None = None, *, opened: Callable[[], object] = lambda: None) -> int:
    """The same without desk and public pages, for further machines on PostgreSQL. Errors as of `serve`."""
    users = becoming.users(pages=False)
    passphrase.hold_file()
    becoming.become(users)
    with _zygote() as zygote:
        opened()
        with _the_house() as source:
            return Supervisor(_background(senders), source, zygote).run()


def _listeners(stack: contextlib.ExitStack, owner: pwd.struct_passwd | None) -> dict[str, socket.socket]:
    """Sockets at which mail is taken in, by the role of the process that does. owner: of files, whom we become. Errors:
    CannotServe."""
    doors = {}
    for role in LISTENERS:
        try:
            where = listening_place(f"SAMIZDAT_{role.upper()}")
        except BadOption as error:
            raise CannotServe(str(error)) from None
        if isinstance(where, UnixSocketPlace):
            doors[role] = stack.enter_context(listening_at(where, owner))
        elif where is not None:
            doors[role] = stack.enter_context(listening(*where))
    return doors


@contextlib.contextmanager
def _zygote() -> Iterator[Zygote | None]:
    """None where a process can't have the children of its children: there each is started as a program."""
    if sys.platform != "linux":
        yield None
        return
    zygote = Zygote()
    try:
        yield zygote
    finally:
        zygote.end()


def _background(senders: int | None) -> list[Child]:
    """One sender on SQLite, since one at a time may send from a data folder; else one a core."""
    if connection.vendor != "postgresql":
        senders = 1
    elif senders is None:
        senders = os.cpu_count() or 1
    return [Child("worker"), *(Child("sender") for _number in range(senders))]


# -- what must be ours before anything starts -------------------------------------------------------------------


@contextlib.contextmanager
def _the_house() -> Iterator[KeySource]:
    """The lock on the data folder and the opened key source."""
    folder = data_folder()
    with _private_files(), locked(folder):
        _close(folder)
        # Whoever served here is gone, for the lock is ours; so is its socket.
        stop_listening(folder)
        keyring.use(keyring.opened_here())
        try:
            key_users.share()  # Until commands that replace the instance key find us.
            source = keyring.open_again()
            check_sessions()
            instance_exchange.sign_public_rows()
            copied_installation.look(dbclock.asked())
            copied_installation.ask_places(dbclock.asked())
            yield source
        finally:
            stop_listening(folder)
            key_users.release()
            keyring.use(None)
            _complete_files()


def _complete_files() -> None:
    """Everybody has stopped: what stands in SQLite's write-ahead logs goes into the databases, so that each file alone
    is whole, and a backup that is put in its place is not written over by what was there before."""
    for database in connections.all():
        if database.vendor == "sqlite":
            with contextlib.suppress(DatabaseError):
                with database.cursor() as cursor:
                    cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()


@contextlib.contextmanager
def _private_files() -> Iterator[None]:
    """What we and our children make is for this user alone."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def _close(folder: Path) -> None:
    """A folder that was there before, or came from a backup, may be open to everybody on the machine."""
    try:
        modes.close(folder)
    except modes.NotOurs as left:
        raise CannotServe(
            _(
                "Other users of this server can open %(path)s, and this user can’t change that. Run as its owner: "
                "%(command)s"
            )
            % {"path": left.path, "command": f"chmod -R go-rwx {folder}"}
        ) from None


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[IO[str]]:
    """One supervisor a data folder. The kernel lets go of the lock however the process ends."""
    try:
        file = (folder / LOCK_NAME).open("a+")
    except OSError as error:
        raise CannotServe(
            _("Can’t write to the data folder %(folder)s (%(why)s). Make it writable or choose another one.")
            % {"folder": folder, "why": os.strerror(error.errno or 0)}
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            raise CannotServe(
                _("samizdat is already running on %(folder)s (process %(pid)s). Stop it first.")
                % {"folder": folder, "pid": file.read().strip() or "?"}
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield file


@contextlib.contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A bound and listening socket. It is ours and the children inherit it, so nobody is turned away while one of
    them is started again, and a port below 1024 can be used by a child that is not root."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    deadline = time.monotonic() + PORT_SECONDS
    with listener:
        while True:
            try:
                listener.bind((host, port))
                break
            except OSError as error:
                if time.monotonic() > deadline or error.errno != errno.EADDRINUSE:
                    raise CannotServe(
                        _("Can’t use port %(port)s of %(host)s (%(why)s). Choose another one.")
                        % {"port": port, "host": host, "why": os.strerror(error.errno or 0)}
                    ) from error
                time.sleep(0.1)
        listener.listen(512)
        yield listener


def _url(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


# -- the public process is a stranger in the house --------------------------------------------------------------


def _public_environment(source: KeySource, note: Say) -> dict[str, str]:
    """It may know the public database, and nothing of the main database."""
    variables = {"DJANGO_SETTINGS_MODULE": "samizdat.public.settings", "DATABASE_URL": ""}
    surroundings = processes.public_environment()
    if url := option("DATABASE_URL"):
        variables["SAMIZDAT_GATE_URL"] = _named_publicdb_url(url) or _publicdb_url(source, note)
        if variables["SAMIZDAT_GATE_URL"] == url:
            surroundings = processes.environment()  # It signs in as the house does, maybe with PGPASSWORD.
    return surroundings | variables | processes.FORGETFUL


def _named_publicdb_url(house_url: str) -> str:
    """Where the administrator says that the public database is; "": nowhere. Errors: CannotServe."""
    import psycopg

    url = option("SAMIZDAT_GATE_URL")
    if url and url != house_url and not _lets_in(lambda: psycopg.connect(url, connect_timeout=5)):
        raise CannotServe(
            _(
                "The database role of SAMIZDAT_GATE_URL can’t write to the intake, so no one could unsubscribe. "
                "Check its rights and its settings: `ALTER ROLE … RESET ALL`."
            )
        )
    return url


def _publicdb_url(source: KeySource, note: Say) -> str:
    """Where the public process reaches the public database: with a role of its own where we may make one that can sign
    in.

    Its password is derived from the instance key, so it is stored nowhere.
    """
    url, publicdb = option("DATABASE_URL"), connections["publicdb"]
    password = source.derive("public database role password").hex()
    role = f"samizdat_public_{source.derive('public database role name')[:4].hex()}"
    if actions.make_public_role(publicdb, password, role):
        enter = partial(_as_role, role, password)
        if not _lets_in(enter):
            actions.end_sessions(publicdb, role)
            if not _lets_in(enter):
                # Never with our own role instead: whoever has the public process in hand could bring that about.
                raise CannotServe(
                    _(
                        "The database role %(role)s, created for the public pages, can’t sign in with its password "
                        "or can’t write to the intake. Allow it in `pg_hba.conf`, check for triggers with "
                        "`samizdat doctor`, or set another role with SAMIZDAT_GATE_URL."
                    )
                    % {"role": role}
                )
        return _with_role(url, role, password)
    note(
        _(
            "Note: the public pages use the same database role as everything else and aren’t isolated. Give our "
            "role CREATEROLE, or set a separate role with SAMIZDAT_GATE_URL."
        )
    )
    return url


def _drop_former_roles(environment: dict[str, str]) -> None:
    """Those that public processes had before this one, of which none runs any more: until it ends, it writes presses of
    links with the former one. None where its role is the administrator's or our own. Errors: DatabaseError."""
    role = unquote(urlsplit(environment.get("SAMIZDAT_GATE_URL", "")).username or "")
    if role.startswith(actions.ROLES):
        with contextlib.closing(connections["publicdb"]) as publicdb:  # The server counts sessions.
            actions.drop_former_roles(publicdb, role)


def _as_role(role: str, password: str) -> "psycopg.Connection":
    """A session of it, where ours are. Errors: psycopg.Error."""
    import psycopg

    wanted = connections["publicdb"].get_connection_params() | {"user": role, "password": password}
    wanted = {
        name: value for name, value in wanted.items() if name not in ("cursor_factory", "context", "prepare_threshold")
    }
    return psycopg.connect(**wanted, connect_timeout=5)


def _lets_in(enter: "Callable[[], psycopg.Connection]") -> bool:
    """A server may ask for a certificate or the user's own name where we have a password."""
    import psycopg

    try:
        with contextlib.closing(enter()) as session:
            return actions.may_drop_in(session)
    except psycopg.Error:
        return False


def _with_role(url: str, role: str, password: str) -> str:
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    query = urlencode([pair for pair in parse_qsl(parts.query) if pair[0] != "user"])
    return urlunsplit(parts._replace(netloc=f"{quote(role, safe='')}:{quote(password, safe='')}@{place}", query=query))


def _keep_publicdb_open() -> None:
    """Its log and index files are there as long as somebody has it open: who may only read can make none. Made anew,
    it is opened anew."""
    if connection.vendor != "postgresql":
        with contextlib.suppress(DatabaseError):
            connections["publicdb"].ensure_connection()


# -- the tree ---------------------------------------------------------------------------------------------------


class Supervisor:
    """Starts children, starts the dead again, and stops them all."""

    def __init__(self, children: list[Child], source: KeySource, zygote: Zygote | None = None) -> None:
        self._children, self._zygote = children, zygote
        self._bell, self._rope = os.pipe()
        for end in (self._bell, self._rope):
            os.set_blocking(end, False)
        self._locks, self._source = locks.LockState(source), source
        self._was_locked = threading.Event()
        self._destroyed: frozenset[locks.Owner] = frozenset()
        self._lock_seen = 0.0
        self._lock_took: float | None = None  # Seconds, from the moment at which a lock was seen.
        lease = self._lease = self._leased(source)
        remembered = lease.remembered if lease else None
        self._keys = KeyServer(
            source,
            remembered.links if remembered else partial(reader_links, source),
            remembered.box_key if remembered else partial(box_key, source),
            has_to_send,
            self.troubles,
            remembered.mailboxes if remembered else own_mailboxes,
            self._is_locked,
            self.last_lock,
            remembered.checks if remembered else None,
            lease.refusal if lease else lambda: None,
            self._exchange if isinstance(source, InstanceSource) else None,
        )
        self._exchanging = False
        self._is_new_key = False  # Known to us, and what is derived from it isn't in place yet.
        # Held by the threads that watch locks and the lease, while they do: none is at it once an exchange has begun.
        self._watching = threading.Lock(), threading.Lock()
        self._public: dict[str, str] | None = None  # What the public process starts again with.
        self._may_drop_roles = True  # No public process of ours signs in with a former one any more.
        self._stopping = False

    def _leased(self, source: KeySource) -> KeyLease | None:
        """Of a key that a key service gives; None where it comes from elsewhere. Errors: VaultError."""
        standing = key_service.at_start
        if standing is None or not key_service.is_set() or not isinstance(source, InstanceSource):
            return None
        return KeyLease(
            source, key_service.services(), standing, dbclock.now, self._on_lease, lambda: self._while_watching(1)
        )

    @contextlib.contextmanager
    def _while_watching(self, thread: int) -> Iterator[bool]:
        """Whether a thread may look and write down what it sees: not while the instance key is being replaced, since
        nobody knows then which one the rows want."""
        with self._watching[thread]:
            yield not self._exchanging

    @property
    def _is_held(self) -> bool:
        """Whether nobody who has keys starts."""
        return self._is_lost or self._exchanging

    def _exchange(self, begins: bool) -> None:
        """In a thread that talks with the command which replaces the instance key. Errors: KeyRefused."""
        if begins:
            self._begin_exchange()
            return
        while not self._end_exchange() and not self._stopping:  # As without a database: nobody gets a key before.
            time.sleep(wakeups.until_next())
        connections.close_all()

    def _begin_exchange(self) -> None:
        locks, lease = self._watching
        with locks, lease:
            if self._is_lost:
                raise KeyRefused("The key service doesn't give the key any more. Nothing was changed.")
            self._exchanging = True
        self._was_locked.set()
        os.write(self._rope, b"x")
        until = time.monotonic() + EXCHANGE_SECONDS
        while self._was_locked.is_set() or self._has_holders():  # One may be on its way while the signal stands.
            if time.monotonic() > until or self._stopping:
                self._exchanging = False
                raise KeyRefused("The processes that have keys didn't end. Nothing was changed. Run: samizdat doctor")
            time.sleep(SOON)

    def _has_holders(self) -> bool:
        return any(child.process is not None for child in self._children if child.role in HOLDERS)

    def _end_exchange(self) -> bool:
        """Whether it is known which key is the present one."""
        try:
            self._learn_next()
        except Exception as error:
            log.error("The key server can't go on with the present instance key: %s", where_it_broke(error))
            connections.close_all()
            return False
        self._exchanging = False
        os.write(self._rope, b"x")
        return True

    def _learn_next(self) -> None:
        """The key that replaced ours, if one did. Whoever has keys begins again with it, and the public process with
        what is derived from it. After an error it is to be called again. Errors: any of the database or its role."""
        assert isinstance(self._source, InstanceSource)
        if (key := keyring.next_key(self._source, strict=True)) is not None:
            self._source.remember_next(key)
            keyring.use(self._source)
            self._is_new_key = True
            self._was_locked.set()
        if self._is_new_key:
            instance_exchange.sign_public_rows()
            self._public = self._next_public()
            self._is_new_key = False

    def _next_public(self) -> dict[str, str] | None:
        """What the public process starts again with."""
        import psycopg

        try:
            return _public_environment(self._source, log.warning)
        except (CannotServe, psycopg.Error) as error:
            why = error if isinstance(error, CannotServe) else where_it_broke(error)
            log.error("The public pages go on with the former database role: %s", why)
            return self._present_public()

    def _present_public(self) -> dict[str, str] | None:
        """What the public process runs with. It checks with a key that it is given at its start."""
        return next((child.environment for child in self._children if child.role == "public"), None)

    def _renew_public(self) -> None:
        public, self._public = self._public, None
        for child in self._children:
            if child.role == "public" and public is not None:
                child.environment = public
                self._may_drop_roles = child.process is None
                if child.process is not None and not child.ends_by:
                    child.ends_by = time.monotonic() + LOCK_SECONDS
                    with contextlib.suppress(StarterGone):
                        child.process.terminate()

    def _on_lease(self) -> None:
        """The key is gone, or back."""
        if self._is_lost:
            self._lock_seen, self._lock_took = time.monotonic(), None
            self._was_locked.set()
        os.write(self._rope, b"k")

    @property
    def _is_lost(self) -> bool:
        return self._lease is not None and bool(self._lease.lost)

    def run(self) -> int:
        processes.close_memory()
        processes.lock_memory()
        processes.forget_freed()
        strict_keys.lock_all(dbclock.now())
        if self._lease is not None:
            self._lease.catch_up()
        self._locks.begin(key_locks.serials())
        self._destroyed = self._locks.destroyed
        self._keys.listen(data_folder())
        key_users.release()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # It rings, and no more.
        signal.set_wakeup_fd(self._rope, warn_on_full_buffer=False)
        if connection.vendor == "postgresql":
            connections.close_all()  # Ours are of no more use, and the server counts sessions.
        threading.Thread(target=self._watch_locks, name="locks", daemon=True).start()
        if self._lease is not None:
            self._lease.start()
            desk = next((child.descriptors[0] for child in self._children if child.role == "desk"), None)
            if desk is not None:
                stand_in.start(desk, lambda: self._is_lost)
        notify("READY=1")
        looked = time.monotonic()
        while not self._stopping:
            if time.monotonic() - looked > SILENT / 2:
                self._forgive()
            looked = time.monotonic()
            if self._was_locked.is_set():
                self._was_locked.clear()
                self._take_keys()
            if self._public is not None:
                self._renew_public()
            for child in self._children:
                self._see_to(child)
            if self._zygote is not None:
                self._zygote.reap_others({child.process.pid for child in self._children if child.process is not None})
            _keep_publicdb_open()
            self._rest()
        notify("STOPPING=1")
        return self._end()

    def _rest(self) -> None:
        """Until a signal or a sign of life comes, a child is due, or for a moment."""
        now = time.monotonic()
        due = [
            child.again - now
            for child in self._children
            if child.process is None and not (self._is_held and child.role in HOLDERS)
        ]
        if any(child.process is not None and child.pulse < 0 for child in self._children):
            due.append(SOON)  # Its pipe is shut, so it ends.
        due += [child.ends_by - now for child in self._children if child.ends_by]
        seconds = min([wakeups.until_next(), *(max(0.0, left) for left in due)])
        poll = select.poll()
        for descriptor in (self._bell, *(child.pulse for child in self._children)):
            if descriptor >= 0:
                poll.register(descriptor, select.POLLIN)
        poll.poll(seconds * 1000)
        with contextlib.suppress(BlockingIOError):
            os.read(self._bell, 4096)

    def _stop(self, _signal: int, _frame: object) -> None:
        self._stopping = True

    def _watch_locks(self) -> None:
        """In a thread: where the database does not answer, children are looked after all the same."""
        while not self._stopping:
            try:
                with self._while_watching(0) as may_look:
                    if may_look and not self._is_lost:
                        self._look_at_locks()
            except Exception as error:
                if not self._is_lost:
                    log.error("The key server can't see whose keys are locked: %s", where_it_broke(error))
                connections.close_all()
            finally:
                time.sleep(wakeups.until_next())
        connections.close_all()

    def _look_at_locks(self) -> None:
        self._look_at_key()
        self._drop_former_role()
        self._lock_strict()
        if news := self._locks.look():
            log.warning("An organization was locked. Processes that may have its keys start again without them.")
            keyring.drop(news)
            self._lock_seen, self._lock_took = time.monotonic(), None
            self._let_go(news)
            self._was_locked.set()
            os.write(self._rope, b"l")

    def _look_at_key(self) -> None:
        """Where another server replaced it: that looks for us before it does, and we may have started at that moment.
        Errors: DatabaseError."""
        if connection.vendor != "postgresql":
            return
        if not self._is_new_key and keyring.belongs(self._source) is not False:
            return
        self._learn_next()
        if keyring.belongs(self._source) is False:
            log.error(
                "The instance key was replaced on another server. Copy the new key file to this one, then start again."
            )
            self._stopping = True
        os.write(self._rope, b"x")

    def _drop_former_role(self) -> None:
        """Whoever has the former instance key would still sign in. Errors: DatabaseError."""
        if self._may_drop_roles:
            self._may_drop_roles = False  # Before: the public process may end once more meanwhile.
            try:
                _drop_former_roles(self._present_public() or {})
            except DatabaseError:
                self._may_drop_roles = True
                raise

    def _lock_strict(self) -> None:
        """Strict organizations whose time is over: from then on nobody gets their keys, and whoever has them ends."""
        if isinstance(self._source, InstanceSource) and (over := self._source.over()):
            strict_keys.lock_all(dbclock.now(), [number for number, _uid in over])
            self._source.let_go(over)

    def _let_go(self, owners: Collection[locks.Owner]) -> None:
        if isinstance(self._source, InstanceSource):
            self._source.let_go(owners)

    def _is_locked(self, number: int, uid: bytes) -> bool:
        """Asked again before anybody is refused: whoever has unlocked it waits for the keys."""
        owner = number, uid
        if self._locks.has(owner):
            try:
                self._locks.look()
            finally:
                connections.close_all()  # Of this thread, which lives as long as its child.
        return self._locks.has(owner)

    def _take_keys(self) -> None:
        """Whoever may have keys of an organization that was locked ends, as for a stop, and begins again without them.
        What Python forgets stays in memory until it is used anew; a process that ends leaves nothing."""
        # The public pages keep what reads the links of an organization that is locked, and of none whose keys are gone.
        before, self._destroyed = self._destroyed, self._locks.destroyed
        holders = (*HOLDERS, "public") if self._destroyed - before else HOLDERS
        for child in self._children:
            if child.role in holders and child.process is not None and not child.ends_by:
                child.ends_by = time.monotonic() + LOCK_SECONDS
                with contextlib.suppress(StarterGone):
                    child.process.terminate()

    def _see_to(self, child: Child) -> None:
        """Starts a child that is due; notes one that has died."""
        now = time.monotonic()
        if child.process is None:
            if now >= child.again and not self._stopping and not (self._is_held and child.role in HOLDERS):
                self._start(child)
            return
        try:
            code = child.process.poll()
            why = f"The {child.role} process ended ({code})"
        except StarterGone as gone:
            code, why = -1, str(gone)
        if code is None:
            self._listen(child, now)
            return
        if now - child.started >= LIVED or child.ends_by:
            child.wait, child.trouble = FIRST_WAIT, ""
        child.process = None
        self._shut(child)
        if child.ends_by:
            child.ends_by, child.again = 0.0, now
            self._may_drop_roles |= child.role == "public"
            self._lock_took = now - self._lock_seen
        else:
            self._put_off(child, why)

    def _put_off(self, child: Child, why: str) -> None:
        """Each time for longer."""
        log.warning("%s; it starts again in %g s.", why.rstrip("."), child.wait)
        child.again, child.trouble = time.monotonic() + child.wait, why
        child.wait = min(max(child.wait * 2, SECOND_WAIT), LAST_WAIT)

    def _shut(self, child: Child) -> None:
        """Whatever it has left behind asks for nothing over its line any more."""
        if child.keys is not None:
            with contextlib.suppress(OSError):
                child.keys.shutdown(socket.SHUT_RDWR)
            child.keys = None

    def last_lock(self) -> dict[str, object]:
        """How far the processes are that may have keys of an organization that was locked: "ending" has roles of those
        that live, "seconds" how long the last of those took that ended."""
        ending = {child.role for child in self._children if child.ends_by}
        if self._was_locked.is_set():
            ending |= {*HOLDERS}
        return {"ending": sorted(ending), "seconds": self._lock_took}

    def troubles(self) -> dict[str, str]:
        """role -> why it does not run, for `doctor`. One that is started again once is no trouble."""
        now = time.monotonic()
        lasting = (
            child
            for child in self._children
            if child.trouble and child.wait > TROUBLE and (child.process is None or now - child.started < LIVED)
        )
        troubles = {child.role: child.trouble for child in lasting}
        if self._lease is not None and (trouble := str(self._lease.refusal() or self._lease.trouble)):
            troubles[KEY_SERVICE] = trouble
        return troubles

    def _listen(self, child: Child, now: float) -> None:
        """Takes its signs of life; kills it when they have stopped coming."""
        if child.pulse >= 0:
            with contextlib.suppress(BlockingIOError):
                if not os.read(child.pulse, 4096):  # It ends; one that has shut its pipe and does not end hangs.
                    os.close(child.pulse)
                    child.pulse = -1
                child.heard = now
        if child.ends_by and now >= child.ends_by and child.process is not None:
            with contextlib.suppress(StarterGone):
                child.process.kill()
        if child.heard is not None and now - child.heard > SILENT and child.process is not None:
            log.warning("The %s process hangs; it is killed.", child.role)
            child.heard = None
            with contextlib.suppress(StarterGone):  # Then the next look finds it ended.
                child.process.kill()

    def _forgive(self) -> None:
        """We were asleep ourselves, and the children with us, or nobody took their signs."""
        for child in self._children:
            child.heard = None

    def _start(self, child: Child) -> None:
        """From this thread alone: the kernel ends children when the thread that started them ends."""
        ours, theirs = socket.socketpair()
        child.pulse, pipe = self._new_pipe(child)
        try:
            child.process = self._process(child, (theirs.fileno(), pipe, *child.descriptors))
        except (StarterGone, OSError) as error:  # No process to be had: others go on, and this one is tried again.
            ours.close()
            self._put_off(child, str(error) if isinstance(error, StarterGone) else _no_process(child, error))
            return
        finally:
            theirs.close()
            os.close(pipe)
        child.started, child.keys = time.monotonic(), ours
        self._keys.serve(ours, child.role)

    def _process(
        self, child: Child, files: tuple[int, ...]
    ) -> subprocess.Popen[bytes] | StartedProcess | ForkedProcess:
        surroundings = child.environment or processes.environment() | _settings_name()
        if child.starter:
            return child.starter.start(surroundings, files)
        if self._zygote is not None and child.environment is None:
            return self._zygote.start(child.role, files)
        with processes.no_terminal() as errors:
            return subprocess.Popen(
                processes.command("samizdat.worker.processes.child", child.role, *map(str, child.descriptors)),
                env=surroundings | {FD_VARIABLE: str(files[0]), PULSE_VARIABLE: str(files[1])},
                pass_fds=files,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                start_new_session=True,
            )

    def _new_pipe(self, child: Child) -> tuple[int, int]:
        """Our end and the child's. The end of the one before it is closed."""
        if child.pulse >= 0:
            os.close(child.pulse)
        child.heard = None
        ours, theirs = os.pipe()
        os.set_blocking(ours, False)
        return ours, theirs

    def _end(self) -> int:
        """TERM to all; KILL to whoever is not done in time. What a killed one had in hand is in the journal."""
        running = [child.process for child in self._children if child.process is not None]
        running.sort(key=lambda process: isinstance(process, StartedProcess))  # Who starts that one may hang.
        for process in running:
            with contextlib.suppress(StarterGone):
                process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in running:
            with contextlib.suppress(StarterGone):
                try:
                    process.wait(max(0.0, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        for child in self._children:
            if child.starter:
                child.starter.end()
        if self._zygote is not None:
            self._zygote.end()
        return 0


def _no_process(child: Child, error: OSError) -> str:
    return (
        f"The {child.role} process can't be started: the system gives no more ({os.strerror(error.errno or 0)}). Look "
        "what else runs on this machine, and at TasksMax of the unit."
    )


def _settings_name() -> dict[str, str]:
    return {"DJANGO_SETTINGS_MODULE": os.environ.get("DJANGO_SETTINGS_MODULE", settings.SETTINGS_MODULE)}


def notify(state: str) -> None:
    """sd_notify: one datagram to the socket that systemd names."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.connect("\0" + address[1:] if address.startswith("@") else address)
            sender.send(state.encode())

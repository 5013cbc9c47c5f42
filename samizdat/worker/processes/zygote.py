"""The process that desk, worker and sender are forked from: it has imported all that they run, and holds nothing.

It begins before any key is opened, with no connection, one thread and no descriptor but its line to the supervisor.
What was imported is in memory once for all of them, and a child is there at once. It is a copy of the supervisor, which
imports everything for it, before that one opens anything; once there are keys, and it was ended, one is started anew as
a program.

A child is forked by a process in between that ends at once, so that it belongs to the supervisor (a subreaper): that
one hears of its end, and the end of this process ends nobody. The public process has other settings, other rights and
often another user, so it is started as a program of its own: forked from here, it would know where in their memory the
others keep what.
"""

import contextlib
import ctypes
import errno
import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from itertools import batched
from types import CodeType
from typing import Any

import django
from django.apps import apps
from django.conf import settings
from django.db import connections

from samizdat import processes
from samizdat.logs import where_it_broke
from samizdat.options import option
from samizdat.worker.processes.users import StarterGone

# What each role begins with; what these import comes with them.
MODULES = (
    "uvicorn",
    "uvicorn.lifespan.on",
    "uvicorn.loops.auto",
    "samizdat.asgi",
    "samizdat.connections",
    "samizdat.urls",
    "samizdat.web.asgi",
    "django.contrib.auth.context_processors",
    "django.contrib.messages.context_processors",
    "django.contrib.messages.storage.cookie",
    "django.contrib.messages.storage.session",
    "django.contrib.sessions.serializers",
    "django.contrib.staticfiles.storage",
    "django.db.models.sql.compiler",
    "django.template.context_processors",
    "django_tasks_db.management.commands.db_worker",
    "samizdat.delivery.engine.sender",
    "samizdat.web.context",
    "whitenoise.middleware",
    "samizdat.worker.processes.background",
    "samizdat.worker.processes.child",
    "samizdat.worker.processes.sender",
)
# Seconds that it has to answer: it may still be importing, on a machine that is busy.
PATIENCE = 60.0
# Bytes of a message, and descriptors with it: keys, signs of life, and the socket to listen on.
MOST, MOST_FILES = 4096, 3
# Bytes that fill the gaps of each size; more than any gap of malloc has, and less than it gives elsewhere; and what
# fills those of Python, for as long as we live.
SMALL, LARGE = 16 << 10, 120 << 10
_filling: list[bytes] = []
# The count of what CPython counts no references of (PEP 683); all above COUNTED are of that kind.
UNCOUNTED, COUNTED = 0xFFFFFFFF, 1 << 31
_GONE = "The process that the others are forked from was ended, or hangs. Another one takes its place."


class ForkedProcess:
    """A child that was forked for us: what subprocess.Popen is, as far as the supervisor needs it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None

    def poll(self) -> int | None:
        if self._code is None:
            try:
                number, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                number, status = self.pid, 0
            if number:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def wait(self, timeout: float = PATIENCE) -> int:
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("child", timeout)
            time.sleep(0.02)
        return code

    def _send(self, number: int) -> None:
        if self.poll() is None:  # Its number is ours until we have heard of its end.
            os.kill(self.pid, number)


class Zygote:
    """That process, as the supervisor sees it. Made before any key is opened, by the only thread."""

    def __init__(self) -> None:
        _forget()
        import_everything()
        processes.prctl(processes.PR_SET_CHILD_SUBREAPER, 1)
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        supervisor = os.getpid()
        with processes.no_terminal() as errors, theirs:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            with warnings.catch_warnings():
                # Of threads that tests have: what they hold is not used in the copy.
                warnings.simplefilter("ignore", DeprecationWarning)
                number = os.fork()
            if number == 0:
                _end_as(_begin, theirs.detach(), supervisor, errors)
        self._process: ForkedProcess | subprocess.Popen[bytes] = ForkedProcess(number)
        self._line.settimeout(PATIENCE)

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self, role: str, files: tuple[int, ...]) -> ForkedProcess:
        """Errors: OSError where the system gives no process; StarterGone where this one was ended: the next call begins
        another one. A child that it had forked before it could say so gets no key, and ends."""
        if self._process.poll() is not None:
            self._start_anew()
        try:
            socket.send_fds(self._line, [json.dumps({"role": role}).encode()], files)
            answer = json.loads(self._line.recv(MOST))
        except (OSError, ValueError) as error:
            self._process.kill()  # It may hang.
            self._process.wait()
            raise StarterGone(_GONE) from error
        if "failed" in answer:
            raise OSError(answer["failed"], "")
        return ForkedProcess(answer["pid"])

    def _start_anew(self) -> None:
        """From the disk: a copy of us would hold keys."""
        self._line.close()
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line.settimeout(PATIENCE)
        with processes.no_terminal() as errors, theirs:
            self._process = subprocess.Popen(
                processes.command("samizdat.worker.processes.zygote", str(theirs.fileno())),
                env=_environment(),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                start_new_session=True,
            )

    def end(self) -> None:
        self._line.close()
        self._process.kill()
        self._process.wait()
        processes.prctl(processes.PR_SET_CHILD_SUBREAPER, 0)

    def reap_others(self, ours: set[int]) -> None:
        """What children have left behind belongs to us as well, as to every subreaper."""
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                if ended is None or ended.si_pid in {self.pid, *ours}:
                    return
                os.waitid(os.P_PID, ended.si_pid, os.WEXITED | os.WNOHANG)
            except ChildProcessError:
                return


# -- its own side -----------------------------------------------------------------------------------------------------


def _environment() -> dict[str, str]:
    name = os.environ.get("DJANGO_SETTINGS_MODULE", settings.SETTINGS_MODULE)
    return processes.environment() | {"DJANGO_SETTINGS_MODULE": name}


def _begin(line: int, supervisor: int, errors: int | None) -> int:
    """In the copy of the supervisor: what a program that was started would not have goes first."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    if errors is not None:
        os.dup2(errors, 1)
        os.dup2(errors, 2)
    _keep_open({line})
    chosen = _environment()
    os.environ.clear()
    os.environ.update(chosen)
    processes.wipe_environment()
    return serve(line, supervisor)


def _forget() -> None:
    """Keys and connections, of which there are none where `serve` is called as it is meant to be."""
    from samizdat.vault import keyring

    keyring.use(None)
    connections.close_all()


def _keep_open(kept: set[int]) -> None:
    folder = "/proc/self/fd"
    for number in map(int, os.listdir(folder)):
        if number > 2 and number not in kept:
            with contextlib.suppress(OSError):
                os.close(number)


def serve(number: int, supervisor: int) -> int:
    """Forks a child for each question until the supervisor is gone."""
    processes.prctl(processes.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != supervisor:
        return 1
    os.umask(0o077)
    processes.close_memory()
    processes.name("zygote")
    line = socket.socket(fileno=number)
    while True:
        message, files, _flags, _address = socket.recv_fds(line, MOST, MOST_FILES, _CLOSE_ON_EXEC)
        if not message:
            return 0
        try:
            answer = {"pid": _fork(json.loads(message)["role"], files, supervisor)}
        except OSError as error:
            answer = {"failed": error.errno or 0}
        for file in files:
            os.close(file)
        line.send(json.dumps(answer).encode())


_CLOSE_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


def import_everything() -> None:
    """So that a child imports nothing more: what it does, it would have for itself."""
    django.setup()  # Of a program; `serve` has done it.
    for name in MODULES:
        importlib.import_module(name)
    providers = importlib.import_module("samizdat.transports.providers")
    for module in pkgutil.iter_modules(providers.__path__, f"{providers.__name__}."):
        importlib.import_module(module.name)
    if option("DATABASE_URL"):
        importlib.import_module("procrastinate.worker")
    with contextlib.suppress(ImportError):
        importlib.import_module("uvloop")
        importlib.import_module("uvicorn.loops.uvloop")
    _warm()
    share()


def share() -> None:
    """What there is stays as it is, and so in memory once, however many are forked from us and use it."""
    gc.collect()
    _count_no_more()
    _fill_gaps()
    gc.freeze()  # Who looks for garbage writes to every page, and has it for itself then.
    processes.let_go_of_code()


def _warm() -> None:
    """What is made when it is first asked for, and stays: each child would make its own."""
    from django.core.handlers.wsgi import WSGIHandler
    from django.template import Engine
    from django.urls import get_resolver

    from samizdat.core.segment import registry

    WSGIHandler()
    registry.forms()
    Engine.get_default().template_loaders  # noqa: B018
    get_resolver().reverse_dict  # noqa: B018
    for model in apps.get_models():
        str(model._default_manager.filter(pk__isnull=True).order_by("pk").query)


def _count_no_more() -> None:
    """Of all that there is by now. Python keeps the count of references in the object itself, so who only uses one
    would write to its page, and have that for itself then: 35 MB of all processes together. What is not counted is not
    freed either, and all of this stays for as long as we live; but not what stands in the environment, of which the
    copies are to keep what is theirs alone."""
    if sys.maxsize < 1 << 32:
        return
    counts = (ctypes.c_uint32 * (1 << 50)).from_address(0)  # The whole memory; a count stands first in its object.
    if not _can_be_uncounted(counts):
        return
    spared = set(map(id, os.environb.values()))
    reached = gc.get_objects()
    while reached:
        fresh = []
        for each in reached:
            if sys.getrefcount(each) < COUNTED and id(each) not in spared:
                counts[id(each) >> 2] = UNCOUNTED
                fresh.append(each)
        reached = [part for each in fresh if type(each) is CodeType for part in _parts(each)]
        for some in batched(fresh, 1000):
            reached += [part for part in gc.get_referents(*some) if sys.getrefcount(part) < COUNTED]


def _can_be_uncounted(counts: "ctypes.Array[ctypes.c_uint32]") -> bool:
    """Not with every build of Python, nor on every machine."""
    tried = object()
    place = id(tried) >> 2
    if counts[place] != sys.getrefcount(tried) - 1:
        return False
    counts[place] = UNCOUNTED
    more = [tried] * 3
    return counts[place] == UNCOUNTED and len(more) == 3


def _parts(code: CodeType) -> tuple[object, ...]:
    """What code holds, of which the collector knows nothing."""
    return code.co_consts, code.co_names, code.co_filename, code.co_name, code.co_qualname


def _fill_gaps() -> None:
    """What a child makes would else go into the gaps that are left between what was imported, some in each page, and
    each of these pages it would have for itself: 6 MB. Up to 512 bytes Python keeps pages for objects of one size, and
    asks malloc for pages and for all that is larger; libraries ask it for all."""
    head = sys.getsizeof(b"")
    _filling.extend(bytes(size - head) for size in range(48, 513, 16) for _number in range(SMALL // size))
    with contextlib.suppress(AttributeError):  # No sbrk: not a malloc that grows so.
        libc = ctypes.CDLL(None)
        libc.malloc_trim(0)  # Whole pages of a gap are given back: nobody has them then.
        libc.malloc.restype = libc.sbrk.restype = ctypes.c_void_p
        end = libc.sbrk(0)
        while (libc.malloc(LARGE) or end) < end:  # Behind all that there is.
            pass
        for size in (4000, 2000, 1000, 500, 250, 120, 56, 24):
            while (libc.malloc(size) or end) < end:
                pass


def _fork(role: str, files: list[int], supervisor: int) -> int:
    """The number of the child. Errors: OSError."""
    answers, tells = os.pipe()
    with open(answers, "rb") as pipe:
        try:
            between = os.fork()
            if between == 0:
                _end_as(_fork_again, role, files, supervisor, tells)
        finally:
            os.close(tells)
        number = int(pipe.read() or -errno.EAGAIN)
    os.waitpid(between, 0)  # From now on the child is the supervisor's.
    if number < 0:
        raise OSError(-number, "")
    return number


def _fork_again(role: str, files: list[int], supervisor: int, tells: int) -> int:
    try:
        number = os.fork()
    except OSError as error:
        number = -(error.errno or errno.EAGAIN)
    if number == 0:
        _end_as(_become, role, files, supervisor)
    os.write(tells, b"%d" % number)
    return 0


def _become(role: str, files: list[int], supervisor: int) -> int:
    from samizdat.worker.processes import child

    os.setsid()
    _keep_open(set(files))
    until = time.monotonic() + PATIENCE
    while os.getppid() != supervisor:  # Until the process between us has ended.
        if time.monotonic() > until:
            return 1
        time.sleep(0.001)
    keys, pulse, *listening = files
    os.environ |= {child.KEYS_VARIABLE: str(keys), child.PULSE_VARIABLE: str(pulse)}
    return child.main(role, *listening)


def _end_as(
    work: Callable[[int, int, int | None], int]
    | Callable[[str, list[int], int, int], int]
    | Callable[[str, list[int], int], int],
    *given: Any,
) -> None:
    """In a fork: nothing of what it was forked from is gone on with. Never returns."""
    code = 1
    try:
        code = work(*given)
    except BaseException as error:
        print(where_it_broke(error), file=sys.stderr)
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    import_everything()
    sys.exit(serve(int(sys.argv[1]), os.getppid()))

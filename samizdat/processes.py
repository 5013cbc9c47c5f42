"""Starting Python processes of our own, and what each of them is kept from."""

import contextlib
import ctypes
import fcntl
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from samizdat import sandbox
from samizdat.options import OPTIONS

ROOT = Path(__file__).parent.parent

# Where the program lies, and how names and hours are written: for every process.
_NEEDED = frozenset(["PATH", "LD_LIBRARY_PATH", "PYTHONDONTWRITEBYTECODE", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TZDIR"])
# What tests under a moved clock need (`./run test --clock`): a library that is loaded here is loaded there.
_CLOCK = frozenset(["LD_PRELOAD", "FAKETIME", "FAKETIME_DONT_FAKE_MONOTONIC", "FAKETIME_DISABLE_SHM"])
# For the processes that hold keys. PG…: how libpq finds the database, its password included.
_PRIVATE = frozenset(["HOME", "USER", "LOGNAME", "TMPDIR", "DICPATH", "SSL_CERT_FILE", "SSL_CERT_DIR"])
_PRIVATE_OPTIONS = frozenset(option.name for option in OPTIONS)
# For the public process. Of PG… only what says where the database is: who signs in stands in SAMIZDAT_GATE_URL.
_PUBLIC = frozenset(
    [
        "PGHOST",
        "PGPORT",
        "PGSSLMODE",
        "PGSSLROOTCERT",
        "SAMIZDAT_DATA",
        "SAMIZDAT_LANGUAGE",
        "SAMIZDAT_WORDS",
        "SAMIZDAT_CONFIRMATIONS",
        "SAMIZDAT_LOG",
    ]
)
# For the listener for mail, which opens no database.
_LISTENER = frozenset(["SAMIZDAT_DATA", "SAMIZDAT_LOG", "SAMIZDAT_MAIL_NAME", "SAMIZDAT_MAIL_CERTIFICATE"])

# What fits between a reading process and whoever waits for it: the most that Linux gives those without privileges.
PIPE_BYTES = 1 << 20

# By how much what strangers can flood is less urgent; 19 is the least urgent of all.
NICENESS = 5

_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4
_MADV_DONTNEED = 4
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
_PR_SET_DUMPABLE, _PR_SET_NAME, _PR_SET_NO_NEW_PRIVS = 4, 15, 38
_M_PERTURB = -6
# Of /proc/self/stat after the name: where words and environment begin and end that we were started with.
_WORDS, _ENVIRONMENT = slice(45, 47), slice(47, 49)


def command(module: str, *words: str) -> list[str]:
    """`python -m module WORDS`. -P: nothing is imported from the working folder, which is the caller's; a csv.py among
    somebody's exports would be run there instead of Python's own, with our keys in hand.
    """
    return [sys.executable, "-P", "-m", module, *words]


def reader(module: str) -> subprocess.Popen[bytes]:
    """A process that works on what strangers wrote: it is asked on standard input and answers on standard output."""
    with no_terminal() as errors:
        process = subprocess.Popen(
            command(module),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=bare_environment(),
            start_new_session=True,
        )
    assert process.stdout is not None
    # Answers have megabytes: by 64 KB each of the two would wake the other fifty times for one.
    with contextlib.suppress(OSError, AttributeError):
        fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return process


@contextlib.contextmanager
def no_terminal() -> Iterator[int | None]:
    """Where a process of ours writes errors to, as in Popen(stderr=). Of a terminal it gets no more than that, beside a
    session of its own: else it reads what is typed there, and types."""
    descriptor = None
    if os.isatty(2) and fcntl.fcntl(2, fcntl.F_GETFL) & os.O_ACCMODE != os.O_WRONLY:
        descriptor = _to_write_only("/dev/tty", os.ttyname(2), os.devnull)
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def begin_reading(given: Iterable[Path] = ()) -> BinaryIO:
    """In such a process, first of all: it is closed off from all files but those it was given. Where its answers go:
    what a library prints by mistake does not stand between two of them."""
    out = os.fdopen(os.dup(1), "wb", buffering=1 << 20)
    os.dup2(2, 1)
    close_memory()
    keep_privileges_low()
    sandbox.read_only_program(given)
    return out


def confined(program: str, folders: Iterable[Path]) -> list[str]:
    """How a program of the system is started that works on what strangers wrote: it opens the files in these folders
    and the system's libraries, and no others."""
    return command("samizdat.confined", os.pathsep.join(map(str, folders)), program)


def _to_write_only(*places: str) -> int | None:
    """The first of them that can be opened: the terminal of our session by its name alone may be another user's."""
    for place in places:
        with contextlib.suppress(OSError):
            return os.open(place, os.O_WRONLY | os.O_NOCTTY)
    return None


# An environment is read by whoever takes its process, and somebody's passwords for other things may stand in ours. So
# a process gets what it needs by name, and nothing else.


# Freed memory is written over, by glibc's own tool for that: what a visitor typed in would lie there for long.
# Python's allocator and the lists of each thread would keep small pieces as they are, so they are left out.
FORGETFUL = {
    "PYTHONMALLOC": "malloc",
    "GLIBC_TUNABLES": "glibc.malloc.perturb=165:glibc.malloc.tcache_count=0",
}


def environment() -> dict[str, str]:
    """For a process that holds keys."""
    libpq = {name for name in os.environ if name.startswith("PG")}
    return _chosen(_NEEDED | _PRIVATE | _PRIVATE_OPTIONS | libpq)


def public_environment() -> dict[str, str]:
    """For the public process."""
    return _chosen(_NEEDED | _PUBLIC)


def listener_environment() -> dict[str, str]:
    """For the listener for mail."""
    return _chosen(_NEEDED | _LISTENER)


def bare_environment() -> dict[str, str]:
    """For a process that reads what strangers wrote, and is told the rest."""
    return _chosen(_NEEDED)


def _chosen(names: frozenset[str] | set[str]) -> dict[str, str]:
    """Of our own environment; with the place where this package lies, since without the working folder it may be found
    nowhere else."""
    path = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    chosen = {name: value for name, value in os.environ.items() if name in names | _CLOCK}
    if zones := sys.modules.get("zoneinfo"):
        # Else Python looks for it in all that it was built with, 0.7 MB of each process.
        chosen["PYTHONTZPATH"] = os.pathsep.join(zones.TZPATH)
    return chosen | {"PYTHONPATH": os.pathsep.join(dict.fromkeys([str(ROOT), *path])), "PYTHONSAFEPATH": "1"}


def close_memory() -> None:
    """No image of our memory on the disk, and no other process of this user looks into it: keys are in there. Each
    process has to say it for itself: starting a program takes it back."""
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    prctl(_PR_SET_DUMPABLE, 0)


def forget_freed() -> None:
    """glibc writes over larger pieces of memory once they are freed, in a process that runs already: buffers of
    sockets, where keys of others went through. Not the whole of FORGETFUL, which only a new process takes."""
    with contextlib.suppress(OSError, AttributeError):  # No glibc.
        ctypes.CDLL(None).mallopt(_M_PERTURB, 165)


def begin_forgetful() -> None:
    """Starts our program once more, in this process, with FORGETFUL, unless it runs so. Before it has any secret: what
    it has in memory is gone."""
    if any(os.environ.get(name) != value for name, value in FORGETFUL.items()):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **FORGETFUL})


def name(role: str) -> None:
    """What `ps` and `top` show: a process that was forked has the words of the one that it was forked from."""
    prctl(_PR_SET_NAME, f"samizdat-{role}".encode())
    _overwrite(_WORDS, f"samizdat\0{role}".encode())


def wipe_environment() -> None:
    """That we were started with. After os.environ was made anew: what is in there now lies elsewhere."""
    _overwrite(_ENVIRONMENT, b"")


def _overwrite(place: slice, text: bytes) -> None:
    with contextlib.suppress(OSError, ValueError):  # Linux only.
        stat = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        start, end = map(int, stat[place])
        if start:  # Else the kernel does not say.
            ctypes.memmove(start, text.ljust(end - start, b"\0"), end - start)


def let_go_of_code() -> None:
    """What is in memory of programs and libraries as it is on the disk: most was used once, to import it. Whatever is
    used again comes back from the system's cache. Called where there is one thread."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # Linux only.
        libc = ctypes.CDLL(None)
        for start, end in _unwritten():
            libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _MADV_DONTNEED)


def _unwritten() -> list[tuple[int, int]]:
    """Where files are mapped that no one may write to by it, and of which nothing was changed in memory, as a loader
    does with addresses."""
    unwritten, place = [], None
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, *rest = line.split()
        if not name.endswith(":"):
            start, _minus, end = name.partition("-")
            is_file = len(rest) > 4 and rest[4].startswith("/") and rest[0] in ("r--p", "r-xp")
            place = (int(start, 16), int(end, 16)) if is_file else None
        elif name == "Anonymous:" and rest[0] == "0" and place is not None:
            unwritten.append(place)
    return unwritten


def limit(kind: int, most: int) -> None:
    """Of this process and all that it starts, for good; one that is lower already stays."""
    with contextlib.suppress(ValueError, OSError):
        allowed = resource.getrlimit(kind)[1]
        most = most if allowed == resource.RLIM_INFINITY else min(most, allowed)
        resource.setrlimit(kind, (most, most))


def raise_open_files(needed: int) -> int:
    """This process may have so many files open, as far as the system lets it; returns how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft


def write_over_freed() -> None:
    """Small pieces that Python has freed and keeps for the next ones: keys that went through this process lie there as
    they were. What is handed out now is written to, and is more than what usually lies there."""
    for size in range(48, 272, 16):
        pieces = [bytes(size - bytes.__basicsize__) for _number in range(20_000)]
        del pieces


def lock_memory() -> None:
    """Nothing of ours is written to the swap. Not under a limit: there, whatever asked for more memory later would be
    refused it. Pages are locked as they are used; what is only mapped costs nothing."""
    if resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY:
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT)


def keep_privileges_low() -> None:
    """Whatever this process starts has no more rights than it has: no sudo, no setuid. For good, and from the first
    thread on. Not for workers and senders: the sendmail command of Postfix and of Exim needs its own."""
    prctl(_PR_SET_NO_NEW_PRIVS, 1)


def come_behind() -> None:
    """This thread, and what it starts, gets what others leave of the processors. On Linux alone has each thread a
    priority of its own."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICENESS)


def prctl(what: int, value: int | bytes) -> None:
    with contextlib.suppress(OSError, AttributeError):  # Linux only.
        ctypes.CDLL(None).prctl(what, value, 0, 0, 0)

"""What the kernel keeps a process of ours from, whatever code runs in it: files, sockets, other processes.

Landlock and seccomp, Linux alone; a kernel that knows less keeps it from less. Each is for good, for the thread that
asks and whatever it starts, so it is asked for before the first thread, and after processes.keep_privileges_low().
"""

import contextlib
import ctypes
import mimetypes
import os
import struct
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from samizdat import system_calls

PACKAGE = Path(__file__).parent

# landlock_create_ruleset and the two behind it have these numbers on every machine.
_CREATE, _ADD, _RESTRICT = 444, 445, 446
# Rights on files: all that we know of, and those that change something.
_EXECUTE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 2, 1 << 3
# Writing files of a folder, making and removing them.
_KEEP_FILES = 1 << 1 | 1 << 5 | 1 << 8
_ALL = (1 << 16) - 1
_CHANGE = _ALL & ~(_EXECUTE | _READ_FILE | _READ_DIR)
# How many of them a version of Landlock knows. The fourth knows TCP too, the sixth signals and abstract sockets.
_KNOWN = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_TCP, _SCOPED = 0b11, 0b11

# Where a library or Python itself looks things up.
_SYSTEM = (
    *("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share/zoneinfo"),
    *("/etc/ld.so.cache", "/etc/localtime", "/dev/null", "/dev/urandom"),
    *mimetypes.knownfiles,  # openpyxl asks for them, and takes a refusal for one of the workbook.
)

_PR_SET_SECCOMP, _FILTER = 22, 2


def read_only_program(also: Iterable[Path] = ()) -> None:
    """For who works on what strangers made: it opens the program's own files and what it was given for reading, and no
    others, no socket, and starts and ends no process."""
    _landlock(_ALL, [*_program(), *also], tcp=_TCP)
    _seccomp(system_calls.program())


def one_program(program: Path, also: Iterable[Path]) -> None:
    """For who becomes this program of the system, which works on what strangers made: it opens the system's libraries
    and what it was given, and starts no other program and no process."""
    libraries = [*map(Path, _SYSTEM), *_own_libraries()]
    _landlock(_ALL, [*libraries, *also], tcp=_TCP, started=[program, *Path("/").glob("lib*/ld-*.so*")])
    _seccomp(system_calls.program(starts=True))


def change_no_file() -> None:
    """It makes and changes no file, and ends none but the processes that it starts."""
    _landlock(_CHANGE)


def write_one_folder(folder: Path, also: Iterable[Path] = ()) -> None:
    """For who answers strangers at a socket that it has: it opens the program's own files and what it was given for
    reading, makes files in this folder, opens no others, connects to nobody, and starts and ends no process."""
    _landlock(_ALL, [*_program(), *also], tcp=_TCP, kept=[folder])
    _seccomp(system_calls.program(listens=True))


def signal_own_alone() -> None:
    """It ends none but the processes that it starts."""
    _landlock(0)


def version() -> int:
    """Of Landlock; 0 where the kernel has none."""
    return max(0, _call(_CREATE, None, 0, 1))


def keeps_signals() -> bool:
    """Whether a process that asked for it reaches nobody else with a signal."""
    return version() >= 6


def _program() -> Iterable[Path]:
    """The package, not the folder around it: a data folder may lie there, and its key."""
    installed = (Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    site_packages = (Path(part) for part in sys.path if Path(part).name in ("site-packages", "dist-packages"))
    return {PACKAGE, Path(sys.base_prefix, "lib"), *installed, *site_packages, *_own_libraries(), *map(Path, _SYSTEM)}


def _own_libraries() -> Iterable[Path]:
    return (Path(part) for part in os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep) if part)


def _landlock(
    files: int,
    readable: Iterable[Path] = (),
    tcp: int = 0,
    started: Iterable[Path] = (),
    kept: Iterable[Path] = (),
) -> None:
    """Takes these rights on files, and on TCP; what lies beneath `readable` may be read all the same, `started` be
    started, and files in `kept` be written."""
    known = version()
    if not known:
        return
    files &= (1 << _KNOWN[min(known, 5)]) - 1
    net, scoped = tcp if known >= 4 else 0, _SCOPED if known >= 6 else 0
    if not (files or net or scoped):
        return
    asked = struct.pack("QQQ", files, net, scoped)[: 8 if known < 4 else 16 if known < 6 else 24]
    rules = _call(_CREATE, asked, len(asked), 0)
    if rules < 0:
        return
    given = ((readable, 0), (started, _EXECUTE), (kept, _KEEP_FILES))
    for path, more in [(path, more) for paths, more in given for path in paths]:
        with contextlib.suppress(OSError):
            opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
            right = _READ_FILE | (_READ_DIR if path.is_dir() else 0) | more
            _call(_ADD, rules, 1, struct.pack("=Qi", right, opened), 0)
            os.close(opened)
    _call(_RESTRICT, rules, 0)
    os.close(rules)


def _seccomp(program: bytes) -> None:
    if not program:
        return
    held = ctypes.create_string_buffer(program, len(program))
    filter_program = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(held))
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_SECCOMP, _FILTER, ctypes.c_char_p(filter_program), 0, 0)


def _call(number: int, *words: object) -> int:
    """-1 where the system knows no such call."""
    if sys.platform != "linux":
        return -1
    try:
        return int(ctypes.CDLL(None).syscall(number, *map(_word, words)))
    except (OSError, AttributeError):
        return -1


def _word(value: object) -> object:
    return (
        ctypes.c_char_p(value) if isinstance(value, bytes) else ctypes.c_long(value) if isinstance(value, int) else None
    )

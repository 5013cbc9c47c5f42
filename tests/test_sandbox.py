"""A process that reads what strangers made is kept by the kernel from everything that it does not need."""

import errno
import re
import subprocess
import sys
from pathlib import Path

import pytest

from samizdat import processes, sandbox, system_calls

needs_landlock = pytest.mark.skipif(sandbox.version() < 1, reason="this kernel has no Landlock")
needs_seccomp = pytest.mark.skipif(not system_calls.known(), reason="system calls of this machine are not known")

TRIES = """
import ctypes, fcntl, os, resource, signal, socket, sys, threading, zoneinfo
from pathlib import Path
from samizdat import processes, sandbox
here = sandbox.version()
sandbox.version = lambda: min(here, 5)  # As before Linux 6.12, where Landlock knows no signals.
out = processes.begin_reading()
def told(name, what):
    try:
        what()
        said = "done"
    except OSError as error:
        said = str(error.errno)
    out.write(f"{name} {said}\\n".encode())
folder = Path(sys.argv[1])
told("read", (folder / "data.key").read_bytes)
told("list", lambda: os.listdir(folder))
told("write", (folder / "new").touch)
told("chmod", lambda: (folder / "data.key").chmod(0o644))
other = int(sys.argv[2])
told("kill", lambda: os.kill(other, 0))
told("everybody", lambda: os.kill(-1, 0))
told("limit", lambda: resource.prlimit(other, resource.RLIMIT_NOFILE))
told("priority", lambda: os.setpriority(os.PRIO_PROCESS, other, 1))
told("processors", lambda: os.sched_setaffinity(other, [0]))
told("pidfd", lambda: os.pidfd_open(other))
told("owner", lambda: fcntl.fcntl(os.pipe()[0], fcntl.F_SETOWN, other))
told("signal_of", lambda: fcntl.fcntl(os.pipe()[0], 10, signal.SIGKILL))  # F_SETSIG
told("own_signal", lambda: signal.raise_signal(signal.SIGCHLD) or os.kill(os.getpid(), 0))
told("own_limit", lambda: resource.setrlimit(resource.RLIMIT_CPU, (60, 60)))
told("unix", lambda: socket.socket(socket.AF_UNIX))
told("internet", socket.socket)
told("start", lambda: os.posix_spawn("/bin/true", ["true"], {}))
told("fork", lambda: os.fork() or os._exit(0))
calls = ctypes.CDLL(None, use_errno=True)
def lower(number, *words):
    if calls.syscall(number, *words) < 0:
        raise OSError(ctypes.get_errno(), "")
told("io_uring", lambda: lower(425, 1, 0))
memory = ctypes.create_string_buffer(16)
ptrace, process_vm_readv = (101, 310) if os.uname().machine == "x86_64" else (117, 270)
told("trace", lambda: lower(ptrace, 16, other, 0, 0))
told("memory", lambda: lower(process_vm_readv, other, memory, 1, memory, 1, 0))
def thread():
    one = threading.Thread(target=lambda: None)
    one.start()
    one.join()
told("thread", thread)
told("program", Path(processes.__file__).read_bytes)
told("zone", lambda: zoneinfo.ZoneInfo("Europe/Berlin"))
import decimal, PIL.Image, pyrage
out.flush()
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What became of each try."""
    folder = tmp_path_factory.mktemp("house")
    (folder / "data.key").write_text("secret")
    with subprocess.Popen(["sleep", "600"]) as other:
        try:
            done = subprocess.run(
                [sys.executable, "-c", TRIES, str(folder), str(other.pid)],
                env=processes.bare_environment(),
                capture_output=True,
                text=True,
                check=True,
            )
        finally:
            other.kill()
    return dict(line.split() for line in done.stdout.splitlines())


@needs_landlock
def test_whoever_takes_a_reader_of_files_reads_no_key_file_and_writes_nothing(told: dict[str, str]) -> None:
    assert {told[name] for name in ("read", "list", "write")} == {str(errno.EACCES)}


@needs_seccomp
def test_whoever_takes_a_reader_of_files_reaches_no_socket_and_starts_nothing(told: dict[str, str]) -> None:
    assert refused(told, "unix", "internet", "start", "fork", "io_uring")


@needs_seccomp
def test_whoever_takes_a_reader_of_files_neither_ends_nor_slows_another_process(told: dict[str, str]) -> None:
    assert refused(told, "kill", "everybody", "pidfd", "owner", "signal_of", "trace", "memory")
    assert refused(told, "limit", "priority", "processors")


@needs_seccomp
def test_whoever_takes_a_reader_of_files_opens_no_file_to_other_users(told: dict[str, str]) -> None:
    assert refused(told, "chmod")


def refused(told: dict[str, str], *names: str) -> bool:
    return {told[name] for name in names} <= {str(errno.EPERM), str(errno.ENOSYS)}


@pytest.mark.parametrize(
    ("machine", "header"), [("x86_64", "x86_64-linux-gnu/asm/unistd_64.h"), ("aarch64", "asm-generic/unistd.h")]
)
def test_system_calls_have_the_numbers_that_the_kernel_gave_them(machine: str, header: str) -> None:
    known = Path("/usr/include", header)
    if not known.exists():
        pytest.skip("this machine has no headers of the kernel")
    theirs = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", known.read_text()))
    theirs.setdefault("newfstatat", theirs.get("fstatat"))
    ours = system_calls.numbers(machine, listens=True)
    ours |= {name: of[0] for name, of in system_calls.limited(machine, listens=True).items()}
    ours |= dict(zip(("clone", "execve"), system_calls.apart(machine), strict=True))
    assert ours == {name: int(theirs[name]) for name in ours}


def test_a_reader_of_files_finds_what_it_needs(told: dict[str, str]) -> None:
    assert {told[name] for name in ("thread", "program", "zone", "own_signal", "own_limit")} == {"done"}


def test_a_data_folder_beside_the_program_is_not_the_readers() -> None:
    assert not any(Path(processes.ROOT, "data").is_relative_to(path) for path in sandbox._program())


def confined(program: str, folder: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        [*processes.confined(program, [folder]), *words],
        env=processes.bare_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


@needs_landlock
def test_a_program_of_the_system_reads_the_folders_it_is_given_and_starts_no_other(tmp_path: Path) -> None:
    given, kept = tmp_path / "given", tmp_path / "kept"
    for folder in (given, kept):
        folder.mkdir()
        (folder / "words").write_text("speling")
    assert confined("/bin/cat", given, str(given / "words"), str(kept / "words")) == (1, "speling")
    assert confined("/bin/sh", given, "-c", "exec /bin/cat") == (126, "")


@needs_seccomp
def test_a_program_of_the_system_neither_starts_nor_ends_a_process(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "600"]) as other:
        try:
            tries = f"kill -0 {other.pid} || echo kept; (echo begun)"
            assert confined("/bin/sh", tmp_path, "-c", tries) == (2, "kept\n")
        finally:
            other.kill()

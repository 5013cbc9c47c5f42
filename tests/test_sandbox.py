"""A process that reads what strangers made is kept by the kernel from everything that it does not need."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from samizdat import processes, sandbox

needs_landlock = pytest.mark.skipif(sandbox.version() < 1, reason="this kernel has no Landlock")
needs_seccomp = pytest.mark.skipif(not sandbox.refuses_calls(), reason="system calls of this machine are not known")

TRIES = """
import ctypes, os, socket, sys, threading, zoneinfo
from pathlib import Path
from samizdat import processes
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
told("kill", lambda: os.kill(int(sys.argv[2]), 0))
told("unix", lambda: socket.socket(socket.AF_UNIX))
told("internet", socket.socket)
told("start", lambda: os.posix_spawn("/bin/true", ["true"], {}))
told("fork", lambda: os.fork() or os._exit(0))
def lower():
    calls = ctypes.CDLL(None, use_errno=True)
    if calls.syscall(425, 1, 0) < 0:  # io_uring_setup
        raise OSError(ctypes.get_errno(), "")
told("io_uring", lower)
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
    assert {told[name] for name in ("unix", "internet", "start", "fork", "io_uring")} == {str(errno.EPERM)}


@pytest.mark.skipif(not sandbox.keeps_signals(), reason="Landlock of this kernel knows no signals")
def test_whoever_takes_a_reader_of_files_ends_no_other_process(told: dict[str, str]) -> None:
    assert told["kill"] == str(errno.EPERM)


def test_a_reader_of_files_finds_what_it_needs(told: dict[str, str]) -> None:
    assert {told[name] for name in ("thread", "program", "zone")} == {"done"}


def test_a_data_folder_beside_the_program_is_not_the_readers() -> None:
    assert not any(Path(processes.ROOT, "data").is_relative_to(path) for path in sandbox._program())

"""Starts the public process as the user that it has to itself: the supervisor, once it is root no more, cannot.

It became that user itself before anything else, knows no key, and has no more rights than the process that it starts.
Where the kernel keeps signals in (samizdat/sandbox.py), whoever takes that one can neither end nor stop this one;
elsewhere the supervisor ends what does not answer, and takes the other one of these that it has.
"""

import contextlib
import fcntl
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from samizdat import processes, sandbox
from samizdat.worker.processes import child

# Bytes of a message, and descriptors with it: keys, signs of life, and the socket to listen on.
MOST, MOST_FILES = 65536, 3

# The public process has some ten threads, with 1,000 connections 70 MB of data, and writes no file. Of a user: threads;
# of a process: bytes of data, and of any file.
LIMITS = {resource.RLIMIT_NPROC: 256, resource.RLIMIT_DATA: 512 << 20, resource.RLIMIT_FSIZE: 0}
# What the kernel ends first of all when memory runs out: it holds nothing that would be lost.
FIRST_TO_GO = 500
# Seconds to end what the public process has left behind.
LEFT_BEHIND = 5.0
_F_SETSIG = 10


def main(number: int, life: int, publicdb: str) -> int:
    """`publicdb`: a file that has to be readable; "" for none."""
    with contextlib.suppress(OSError):  # Before our memory is closed: then this is root's to write.
        Path("/proc/self/oom_score_adj").write_text(str(FIRST_TO_GO))
    processes.close_memory()
    processes.keep_privileges_low()
    for kind, most in LIMITS.items():
        processes.limit(kind, most)
    _end_with(life)
    processes.prctl(processes.PR_SET_CHILD_SUBREAPER, 1)
    sandbox.change_no_file()
    line = socket.socket(fileno=number)
    line.send(json.dumps({"reads": not publicdb or os.access(publicdb, os.R_OK)}).encode())
    started: subprocess.Popen[bytes] | None = None
    while True:
        message, files, _flags, _address = socket.recv_fds(line, MOST, MOST_FILES)
        if not message:
            return 0
        ask, failed = json.loads(message), 0
        if "environment" in ask:
            end_left_behind()
            try:
                started = _start(ask["environment"], files)
            except OSError as error:
                started, failed = None, error.errno or 0
        elif started is not None and ask.get("signal") and started.poll() is None:
            started.send_signal(ask["signal"])
        line.send(json.dumps(_state(started) if not failed else {"failed": failed}).encode())


def _state(started: subprocess.Popen[bytes] | None) -> dict[str, object]:
    if started is None:
        return {}
    code = started.poll()
    if code is not None:
        end_left_behind()
    return {"pid": started.pid, "code": code}


def _end_with(life: int) -> None:
    """The kernel ends us when the supervisor lets go of its end of this pipe, or is gone: also where somebody has
    stopped us, who then could not read it. PR_SET_PDEATHSIG does not: the supervisor is another user, who may not send
    us a signal, and so neither does its end."""
    fcntl.fcntl(life, _F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(life, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC)
    with os.fdopen(os.dup(life), "rb", buffering=0) as pipe:
        os.set_blocking(pipe.fileno(), False)
        if pipe.read(1) == b"":  # It was gone before.
            os._exit(1)


def _start(environment: dict[str, str], files: list[int]) -> subprocess.Popen[bytes]:
    keys, pulse, listening = files
    variables: dict[str, Any] = {child.KEYS_VARIABLE: str(keys), child.PULSE_VARIABLE: str(pulse)}
    try:
        return subprocess.Popen(
            processes.command("samizdat.worker.processes.child", "public", str(listening)),
            env=environment | variables,
            pass_fds=files,
            start_new_session=True,
        )
    finally:
        for file in files:
            os.close(file)


def end_left_behind() -> None:
    """Ends whatever the public process had started before it ended itself: it has its sockets. However that was begun,
    it is our child now. Called while none of ours that may live does."""
    until = time.monotonic() + LEFT_BEHIND
    while time.monotonic() < until:
        for number in _to_end():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(number, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.01)


def _to_end() -> list[int]:
    """All at once where our signals reach none but what we have started: nobody forks faster than that."""
    if sandbox.keeps_signals():
        return [-1]
    children: list[int] = []
    for thread in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            children += map(int, thread.read_text().split())
    return children


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))

"""Starts the public process as the user that it has to itself: the supervisor, once it is root no more, cannot.

It became that user itself before anything else, knows no key, and has no more rights than the process that it starts.
Whoever takes that one can end this one too; then the supervisor ends, and whoever started that starts all of it anew.
"""

import json
import os
import socket
import subprocess
import sys
from typing import Any

from samizdat import processes
from samizdat.worker import child

# Bytes of a message, and descriptors with it: keys, signs of life, and the socket to listen on.
MOST, MOST_FILES = 65536, 3


def main(number: int, gate: str) -> int:
    """`gate`: a file that has to be readable; "" for none."""
    processes.close_memory()
    processes.keep_privileges_low()
    child.end_with_parent("public")
    line = socket.socket(fileno=number)
    line.send(json.dumps({"reads": not gate or os.access(gate, os.R_OK)}).encode())
    started: subprocess.Popen[bytes] | None = None
    while True:
        message, files, _flags, _address = socket.recv_fds(line, MOST, MOST_FILES)
        if not message:
            return 0
        ask = json.loads(message)
        if "environment" in ask:
            started = _start(ask["environment"], files)
        elif started is not None and ask.get("signal") and started.poll() is None:
            started.send_signal(ask["signal"])
        line.send(json.dumps({"pid": started.pid, "code": started.poll()} if started else {}).encode())


def _start(environment: dict[str, str], files: list[int]) -> subprocess.Popen[bytes]:
    keys, pulse, listening = files
    told: dict[str, Any] = {child.KEYS_VARIABLE: str(keys), child.PULSE_VARIABLE: str(pulse)}
    started = subprocess.Popen(
        processes.command("samizdat.worker.child", "public", str(listening)),
        env=environment | told,
        pass_fds=files,
        stdin=subprocess.DEVNULL,
    )
    for file in files:
        os.close(file)
    return started


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2]))

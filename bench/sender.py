"""A sender in a process of its own, as the supervisor runs it: told when to begin, ended from outside."""

import json
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from bench import common


class Sender:
    """Begins at `go`, sends whatever is due until `end`, and then tells what it cost."""

    def __init__(self, data: Path) -> None:
        self.process = common.child("bench.sender", str(data), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._hear()

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def end(self) -> dict[str, Any]:
        """cpu and system in seconds since `go`; memory: the most it ever held, in MB."""
        self.process.send_signal(signal.SIGTERM)
        told: dict[str, Any] = json.loads(self._hear())
        self.process.wait(30)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()
        return told

    def _hear(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("A sender ended by itself.")
        return line


def main() -> int:
    common.reopen_data(Path(sys.argv[1]))
    from samizdat.delivery.engine.sender import SenderFailed, run_sender

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    print("ready", flush=True)
    sys.stdin.readline()
    before = resource.getrusage(resource.RUSAGE_SELF)
    while not stop.is_set():
        try:
            run_sender(stop)
        except SenderFailed:
            stop.wait(0.5)  # The supervisor begins it anew.
    after = resource.getrusage(resource.RUSAGE_SELF)
    system = after.ru_stime - before.ru_stime
    told = {"cpu": after.ru_utime - before.ru_utime + system, "system": system, "memory": common.peak_memory()}
    print(json.dumps(told), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

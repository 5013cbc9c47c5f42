"""The process that tests a copy (running.py starts it): with little memory, of low priority, and with the databases of
an empty folder alone.

    in   J  the job
    out  T  how far it is: step, done, of
    out  K  a key is needed: what, and of what; whoever started us asks for it
    in   K  the key
    in   E  there is none: code, sentence
    out  R  what was found, when all is well
    out  F  what is wrong: code, sentence, and what it is about
"""

import base64
import os
import resource
import signal
import sys
from typing import BinaryIO

import django
import msgspec

from samizdat import child_frames, processes
from samizdat.backup.restore_test.job import RestoreTestJob, TestFailed
from samizdat.vault.errors import KeyRefused, OrganizationLocked

# Bytes: a piece has at most 128 MB unpacked, and SQLite keeps 64 of the file.
MEMORY = 1 << 30
NICENESS = 10


class _AskedSource:
    """Keys, asked of whoever started us."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def unwrap(self, label: str, wrapped: bytes | memoryview) -> bytes:
        return self._ask("unwrap", label, base64.b64encode(wrapped).decode())

    def derive(self, purpose: str) -> bytes:
        return self._ask("derive", purpose, "")

    def wrap(self, label: str, secret: bytes) -> bytes:
        raise NotImplementedError("a test makes no key")

    def _ask(self, what: str, label: str, wrapped: str) -> bytes:
        child_frames.send(self._out, b"K", [what, label, wrapped])
        answer = child_frames.receive(sys.stdin.buffer)
        if answer is None:
            sys.exit(1)
        if answer.kind == b"K":
            return answer.data
        code, sentence = answer.value()
        raise OrganizationLocked(sentence) if code == OrganizationLocked.code else KeyRefused(sentence)


def main() -> int:
    processes.prctl(processes.PR_SET_PDEATHSIG, signal.SIGKILL)
    processes.close_memory()
    processes.keep_privileges_low()
    processes.limit(resource.RLIMIT_DATA, MEMORY)
    os.nice(NICENESS)
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # What a library prints does not stand between two answers.
    frame = child_frames.receive(sys.stdin.buffer)
    if frame is None:
        return 1
    django.setup()
    from samizdat.backup.restore_test import checks

    def tell(step: str, done: int, whole: int) -> None:
        child_frames.send(out, b"T", [step, done, whole])

    try:
        facts = checks.test(msgspec.convert(frame.value(), RestoreTestJob), _AskedSource(out), tell)
    except TestFailed as failed:
        child_frames.send(out, b"F", [failed.code, failed.what])
    except MemoryError:
        return 1
    else:
        child_frames.send(out, b"R", facts)
    return 0


if __name__ == "__main__":
    sys.exit(main())

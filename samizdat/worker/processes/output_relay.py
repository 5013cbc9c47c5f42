"""What the public process says goes through us: whoever takes it writes no signs to somebody's terminal, and no logs
without end."""

import contextlib
import os
import time

from samizdat.core.mail.token_bucket import Bucket

# Bytes of a line; lines at once, and a second in the long run.
LONGEST, AT_ONCE, A_SECOND = 4096, 500, 5.0


def relay(source: int, target: int = 2) -> None:
    """Until nobody is left who could say anything."""
    bucket, left_out = Bucket(AT_ONCE, A_SECOND), 0
    with open(source, "rb") as lines:
        while line := lines.readline(LONGEST):
            if bucket.take(time.monotonic()):
                left_out += 1
                continue
            if left_out:
                _write(target, f"The public process said {left_out:,} lines more; they were left out.")
                left_out = 0
            _write(target, line.decode(errors="replace"))


def _write(target: int, line: str) -> None:
    shown = "".join(sign if sign.isprintable() else "?" for sign in line.rstrip("\r\n"))
    with contextlib.suppress(OSError):  # Nobody reads it any more: whoever says it must not wait for that.
        os.write(target, f"{shown}\n".encode(errors="replace"))

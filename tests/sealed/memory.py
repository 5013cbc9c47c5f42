"""What a process has in its memory: what a core dump would write, for whoever searches it."""

import re
from pathlib import Path

_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) r\S+ \S+ \S+ \S+\s*(.*)")


def mappings(number: int) -> dict[str, bytes]:
    """Every mapping that can be read, by its place and name."""
    found: dict[str, bytes] = {}
    with open(f"/proc/{number}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{number}/maps").read_text().splitlines():
            match = _MAPPING.match(line)
            if match is None or match[3] in ("[vvar]", "[vsyscall]", "[vvar_vclock]"):
                continue
            start, end = int(match[1], 16), int(match[2], 16)
            found[f"{match[1]} {match[3]}"] = _read(memory, start, end)
    return found


def _read(memory: object, start: int, end: int) -> bytes:
    parts = []
    while start < end:
        memory.seek(start)  # type: ignore[attr-defined]
        try:
            part = memory.read(end - start)  # type: ignore[attr-defined]
        except OSError:  # Gone meanwhile, or behind the end of a file.
            break
        if not part:
            break
        parts.append(part)
        start += len(part)
    return b"".join(parts)

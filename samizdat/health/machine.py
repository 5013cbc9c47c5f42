"""What is found about this server: memory, core dumps, and the versions of what Samizdat stands on."""

import platform
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from django.utils.translation import gettext_lazy as _

from samizdat import __version__
from samizdat.health import surroundings
from samizdat.health.findings import Finding

# Bytes that are left for one more import or backup beside what runs.
LITTLE_MEMORY = 200 << 20


def memory(facts: Path = Path("/proc/meminfo")) -> Iterator[Finding]:
    """Nothing where the system doesn't say."""
    available = _kilobytes(facts).get("MemAvailable")
    if available is None:
        return
    free = available << 10
    values = {"free": free >> 20}
    if free < LITTLE_MEMORY:
        sentence = _(
            "%(free)s MB are free, which is little for an import or a backup. Stop other programs on this server, or "
            "give it more memory."
        )
        yield Finding("memory.little", "amber", _("memory"), sentence, values)
    else:
        yield Finding("memory.room", "good", _("memory"), _("%(free)s MB are free."), values)


def _kilobytes(facts: Path) -> dict[str, int]:
    try:
        rows = [line.split() for line in facts.read_text().splitlines()]
    except OSError:
        return {}
    return {row[0].rstrip(":"): int(row[1]) for row in rows if len(row) > 1 and row[1].isdecimal()}


def core_dumps(process: Path | None = None) -> Iterator[Finding]:
    """Of the running `serve`, which hands its limits to those that have keys. process: its /proc/NUMBER."""
    process = process or surroundings.supervisor()
    try:
        rows = (process / "limits").read_text().splitlines() if process else []
    except OSError:
        return
    limits = [row.split()[4] for row in rows if row.startswith("Max core file size")]
    if limits == ["0"]:
        sentence = _("If it crashes, no memory is written to disk.")
        yield Finding("memory.no-core-dumps", "good", _("core dumps"), sentence)
    elif limits:
        sentence = _(
            "If `samizdat serve` crashes, the system may write its memory, with keys, to disk. Set LimitCORE=0 in the "
            "unit, as in docs/small-server.md, and restart it."
        )
        yield Finding("memory.core-dumps", "amber", _("core dumps"), sentence)


def versions() -> Iterator[Finding]:
    values = {"version": __version__, "python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    sentence = _("%(version)s, with Python %(python)s and SQLite %(sqlite)s.")
    yield Finding("version.running", "good", "Samizdat", sentence, values)

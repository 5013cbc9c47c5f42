"""What doctor looks at behind the front door: the database, machines, work that waits, and the public host."""

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from samizdat.options import data_folder, option
from samizdat.privacy.retention_rules import BACKUP_DAYS

if TYPE_CHECKING:
    from samizdat.delivery.monitoring import WorkerRow

# Bytes of a write-ahead log above which something keeps it from being taken in.
LONG_LOG = 512 << 20
# Where the system says what a unit may use.
CGROUPS = Path("/sys/fs/cgroup")
# Seconds by which a clock may be wrong before somebody should look at it.
WRONG_CLOCK = 5.0
# Seconds that the public host has to answer.
PATIENCE = 4.0
# Days before a certificate ends in which it should have been renewed long ago.
ENDS_SOON = 14


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """state: good, amber (worth a look) or red (mend now)."""

    state: str
    subject: str
    sentence: str

    def document(self) -> dict[str, object]:
        return {"state": self.state, "subject": self.subject, "sentence": self.sentence}


# --- the database ---


def database() -> Iterator[HealthCheck]:
    from django.db import connection

    yield from _on_postgresql() if connection.vendor == "postgresql" else _on_sqlite()


def _on_sqlite() -> Iterator[HealthCheck]:
    import sqlite3

    path = data_folder() / "samizdat.sqlite3"
    yield HealthCheck(
        "good", "database", f"SQLite {sqlite3.sqlite_version}, {_size(path)}; its tables belong to this version."
    )
    log = path.with_name(path.name + "-wal")
    if log.exists() and log.stat().st_size > LONG_LOG:
        yield HealthCheck(
            "amber", "database", f"Its log has grown to {_size(log)}: some reader never ends. Restart `samizdat serve`."
        )


def _size(path: Path) -> str:
    size = path.stat().st_size
    return f"{size / 1024**3:.1f} GB" if size >= 1024**3 else f"{size / 1024**2:.1f} MB"


def _on_postgresql() -> Iterator[HealthCheck]:
    from samizdat import db, dbclock
    from samizdat.delivery.engine.locks import POOLED

    server = db.about_server()
    yield HealthCheck(
        "good",
        "database",
        f"PostgreSQL {server.version}, {server.size / 1024**2:,.0f} MB; its tables belong to this version.",
    )
    if server.pooled:
        yield HealthCheck(
            "red",
            "database",
            str(POOLED),
        )
    if server.log is not None and server.log > 8 * LONG_LOG:
        yield HealthCheck(
            "amber",
            "database",
            f"Its write-ahead log holds {server.log / 1024**3:.1f} GB. A replica or an archive that is gone keeps it: "
            "look at pg_replication_slots and archive_command.",
        )
    dbclock.sync()
    if abs(dbclock.ahead()) > WRONG_CLOCK:
        yield HealthCheck(
            "amber",
            "clock",
            f"This machine's clock is {abs(dbclock.ahead()):,.0f} s {'ahead of' if dbclock.ahead() > 0 else 'behind'} "
            "the database's. Sending goes by the database's; people sign in by this one. Let both follow a "
            "time server.",
        )
    else:
        yield HealthCheck("good", "clock", "It agrees with the database's.")


def clock() -> Iterator[HealthCheck]:
    """Whether somebody has set it of late."""
    from samizdat import dbclock
    from samizdat.core.mail import rate
    from samizdat.delivery import clock_jumps

    row, now = clock_jumps.last(), dbclock.now()
    if row is None or row.jumped is None or not timedelta() <= now - row.jumped < timedelta(days=1):
        return
    by = timedelta(seconds=round(abs(row.seconds)))
    yield HealthCheck(
        "amber",
        "clock",
        f"It was set {'forward' if row.seconds > 0 else 'back'} by {by}, to {row.jumped:%Y-%m-%d %H:%M} UTC. Due times "
        f"were computed anew, and nothing expires before {row.jumped + rate.PATIENCE:%H:%M} UTC. If nobody meant that, "
        "look with `timedatectl` whether this machine follows a time server.",
    )


# --- machines and work ---


def machines() -> Iterator[HealthCheck]:
    from samizdat.delivery import monitoring

    rows = monitoring.workers()
    for row in rows:
        name = f"worker {row.number}" + (f" on {row.host}" if row.host else "")
        if row.state == "hanging":
            yield HealthCheck(
                "red",
                name,
                f"It hangs: no sign of life for {row.silent:,.0f} s. Others take its work. Restart it there.",
            )
        elif row.window:
            yield HealthCheck("red", name, _gone(row))
    alive = [row for row in rows if row.state == "alive" and row.role == "sender"]
    if alive:
        places = {row.host for row in alive}
        yield HealthCheck(
            "good", "senders", f"{len(alive)} run on {len(places)} machine{'s' if len(places) > 1 else ''}."
        )
    yield from _journals()


def _gone(row: "WorkerRow") -> str:
    messages = f"{row.window:,} message{'s' if row.window > 1 else ''}"
    if row.here:
        return f"It ended with {messages} on their way. Start `samizdat serve` or `worker` here: it reads the journal."
    return (
        f"It is gone, and {messages} on their way with it. Start it again on its machine: it knows what became of "
        f"them. If it will not come back: samizdat worker forget {row.number}. "
        f"By itself that happens in {row.until_lost:,.0f} s."
    )


def _journals() -> Iterator[HealthCheck]:
    from samizdat import dbclock
    from samizdat.accounts.models import Organization
    from samizdat.delivery import monitoring
    from samizdat.delivery.engine import rewound_database
    from samizdat.events.actions import detail_of

    forgotten = rewound_database.forgotten()
    if forgotten:
        yield HealthCheck(
            "red",
            "journals",
            f"The database knows nothing of {', '.join(forgotten[:5])}, or less than is written there: it has gone "
            "back in time. Start `samizdat serve` or `worker` here: it books what the journals know before it sends.",
        )
    left = [(name, size) for name, size in monitoring.leftover_journals() if name not in forgotten]
    if left:
        size = sum(size for _name, size in left) / 1024
        lone = len(left) == 1
        what = f"{len(left)} {'journal' if lone else 'journals'} of {size:,.0f} KB {'waits' if lone else 'wait'} here"
        yield HealthCheck("amber", "journals", f"{what}. Start `samizdat serve` or `worker` here: it reads them.")
    for organization in Organization.objects.order_by("id"):
        event = rewound_database.lately(organization, dbclock.now())
        if event is not None:
            yield HealthCheck("amber", organization.name, _rewound(event.at, detail_of(event)))


def _rewound(at: datetime, sums: Mapping[str, object]) -> str:
    lost = sums.get("lost", 0)
    unknown = f" {lost:,} emails went out in campaigns that it does not know: don't send those again." if lost else ""
    return (
        f"The database had gone back in time, found on {at:%Y-%m-%d %H:%M} UTC. {sums.get('booked', 0):,} answers were "
        f"booked again from the journals here, and {sums.get('unsure', 0):,} emails are unsure and held.{unknown} What "
        "journals on other machines know is booked when they start."
    )


def work() -> Iterator[HealthCheck]:
    """What the clock has not done, what readers sent in, what is in doubt."""
    from samizdat import dbclock
    from samizdat.delivery import monitoring

    last = monitoring.last_step()
    if last is None or dbclock.now() - last > monitoring.OVERDUE:
        since = f"since {last:%Y-%m-%d %H:%M} UTC" if last else "yet"
        yield HealthCheck(
            "amber", "clock work", f"Nothing has run here {since}. Start `samizdat serve`, or `samizdat worker`."
        )
    else:
        yield from _steps(monitoring.overdue())
    yield from _boxes()
    for campaign, count in monitoring.in_doubt():
        yield HealthCheck(
            "amber",
            f"campaign {campaign.pk}",
            f"The answer to {count:,} messages was lost. Decide with: samizdat campaign settle {campaign.pk} --unsure "
            "resend|hold",
        )


def _steps(overdue: list[tuple[str, datetime | None, str]]) -> Iterator[HealthCheck]:
    for name, done, why in overdue:
        since = f"since {done:%Y-%m-%d %H:%M} UTC" if done else "ever"
        broke = f" It broke: {why}." if why else ""
        yield HealthCheck(
            "red",
            "clock work",
            f'"{name}" has not gone through {since}.{broke} Restart `samizdat serve`; report it if that does not help.',
        )
    if not overdue:
        yield HealthCheck("good", "clock work", "Everything has run within the last minutes.")


def _boxes() -> Iterator[HealthCheck]:
    from samizdat.publicdb.queries import waiting_boxes

    try:
        waiting = waiting_boxes()
    except Exception as error:
        yield HealthCheck(
            "red",
            "publicdb",
            f"It cannot be read ({type(error).__name__}). Start `samizdat serve`: it makes the public database anew "
            "and saves what can be read of what readers sent. On PostgreSQL run `samizdat upgrade`.",
        )
        return
    if waiting:
        yield HealthCheck(
            "amber",
            "publicdb",
            f"{waiting:,} sealed word{'s' if waiting > 1 else ''} of readers wait{'' if waiting > 1 else 's'}. Seconds "
            "are ordinary; longer means that nothing runs, or that no route takes the mails that ask for confirmation.",
        )
    else:
        yield HealthCheck("good", "publicdb", "It opens, and nothing of readers waits.")


# --- memory ---


def swap(
    swaps: Path = Path("/proc/swaps"), process: Path | None = None, groups: Path = CGROUPS
) -> Iterator[HealthCheck]:
    """Keys are in the memory of most of our processes, and the system may write that to a disk. process: /proc/NUMBER
    of the supervisor."""
    places = [line.split()[0] for line in _lines(swaps)[1:]]
    places = [place for place in places if not place.startswith("/dev/zram")]  # That one is in memory itself.
    process = process or _supervisor()
    if places and not (process and _never_swapped(process, groups)):
        yield HealthCheck(
            "amber",
            "swap",
            f"The system may write memory with keys in it to {', '.join(places)}. Set MemorySwapMax=0 in the unit, as "
            "in docs/small-server.md, or turn the swap off (`swapoff -a`), unless it is encrypted.",
        )
    else:
        yield HealthCheck("good", "swap", "No memory of ours is written to a disk.")


def _supervisor() -> Path | None:
    number = "".join(_lines(data_folder() / "serve.lock"))
    return Path("/proc") / number if number.isdecimal() else None


def _never_swapped(process: Path, groups: Path) -> bool:
    """Its control group says so, or one above it."""
    named = [line.partition("::")[2].strip("/") for line in _lines(process / "cgroup") if line.startswith("0::")]
    parts = Path(named[0]) if named else Path()
    return any(_lines(groups / group / "memory.swap.max") == ["0"] for group in (parts, *parts.parents))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


# --- the public host ---


def public_host(url: str, name: str) -> Iterator[HealthCheck]:
    """Does it answer from here, and for how long is its certificate good?"""
    parts = urlsplit(url)
    if not parts.hostname:
        return
    result = _within(lambda: _visit(parts), PATIENCE)
    if isinstance(result, ssl.SSLCertVerificationError):
        yield HealthCheck(
            "red", name, f"The certificate of {parts.hostname} is refused: {result.verify_message}. Renew it."
        )
    elif isinstance(result, Exception) or result is None:
        yield HealthCheck(
            "amber",
            name,
            f"{url} does not answer from here. Readers leave by it: open it in a browser, and look at DNS and the "
            "proxy in front.",
        )
    else:
        yield from _visited(result, parts.hostname, name)


def _visited(result: tuple[int, datetime | None], host: str, name: str) -> Iterator[HealthCheck]:
    status, ends = result
    if status != 200:
        yield HealthCheck(
            "amber", name, f"{host} answers, but not with our pages ({status}). Let the proxy lead to `serve`."
        )
    if ends is None:
        return
    days = (ends - datetime.now(UTC)) // timedelta(days=1)
    if days < ENDS_SOON:
        yield HealthCheck(
            "red" if days < 3 else "amber", name, f"The certificate of {host} ends in {days} days. Renew it."
        )
    elif status == 200:
        yield HealthCheck("good", name, f"{host} answers; its certificate is good for {days} days.")


def _visit(parts: SplitResult) -> tuple[int, datetime | None]:
    secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    visitor = kind(parts.hostname or "", parts.port, timeout=PATIENCE)
    try:
        visitor.request("GET", "/robots.txt")
        ends = None
        if isinstance(visitor.sock, ssl.SSLSocket) and (certificate := visitor.sock.getpeercert()):
            ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
        return visitor.getresponse().status, ends
    finally:
        visitor.close()


def _within[T](work: Callable[[], T], seconds: float) -> T | Exception | None:
    """Its result or its exception; None when it takes longer: a name server may keep one waiting for ever."""
    results: list[T | Exception] = []

    def run() -> None:
        try:
            results.append(work())
        except (OSError, http.client.HTTPException, socket.gaierror) as error:
            results.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    return results[0] if results else None


# --- backups ---


def backups(now: datetime) -> Iterator[HealthCheck]:
    """Copies of the data that are older than what is erased may live in them: in the folder that is told, and beside
    the data."""
    folder, data = option("SAMIZDAT_BACKUPS"), data_folder()
    if not folder:
        text = (
            "Nobody told where copies of the data lie (SAMIZDAT_BACKUPS), so nobody can look whether any is older than "
        )
        yield HealthCheck("amber", "backups", f"{text}{BACKUP_DAYS} days. Whoever was erased is in it, sealed.")
    elif not Path(folder).is_dir():
        yield HealthCheck("amber", "backups", f"{folder} is no folder that can be read. Set SAMIZDAT_BACKUPS anew.")
    copies = [path for path in data.glob("*.sqlite3?*") if not path.name.endswith(("-wal", "-shm", "-journal"))]
    kept = [path for path in Path(folder).rglob("*") if path.is_file()] if folder and Path(folder).is_dir() else []
    old = sorted(
        (day, path.name)
        for path in (*copies, *kept)
        if now - (day := datetime.fromtimestamp(path.stat().st_mtime, UTC)) > timedelta(days=BACKUP_DAYS)
    )
    if old:
        day, name = old[0]
        text = (
            f"{len(old):,} are older than {BACKUP_DAYS} days, the oldest of {day:%Y-%m-%d}: {name}. Whoever was erased "
        )
        yield HealthCheck("red", "backups", f"{text}since is in them, sealed. Throw them away.")
    elif kept:
        yield HealthCheck("good", "backups", f"{len(kept):,} files, none older than {BACKUP_DAYS} days.")

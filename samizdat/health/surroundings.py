"""What is found around the installation: the database, machines, work that waits, the public host, backups."""

import http.client
import socket
import sqlite3
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from django.db import connection

from samizdat import db, dbclock, mail_spool, sandbox, system_calls
from samizdat.accounts.models import Organization
from samizdat.backup.upgrade_copies import leftovers
from samizdat.core.mail import rate
from samizdat.delivery import clock_jumps, monitoring
from samizdat.delivery.engine import rewound_database
from samizdat.delivery.engine.locks import POOLED
from samizdat.delivery.monitoring import WorkerRow
from samizdat.events.actions import detail_of
from samizdat.health.findings import Finding
from samizdat.options import BadOption, UnixSocketPlace, data_folder, listening_place, option
from samizdat.privacy.retention_rules import BACKUP_DAYS
from samizdat.publicdb.queries import waiting_boxes
from samizdat.vault.keyserver import LISTENERS
from samizdat.vault.locks import unlocked

# Bytes of a write-ahead log above which something keeps it from being taken in.
LONG_LOG = 512 << 20
# Where the system says what a unit may use.
CGROUPS = Path("/sys/fs/cgroup")
# Seconds by which a clock may be wrong before somebody should look at it.
WRONG_CLOCK = 5.0
# Seconds that the public host has to answer.
PATIENCE = 4.0
# And our own listener for mail.
ANSWERS = 2.0
# Under this, the next import or backup may not fit.
LITTLE_ROOM = 1024**3
# For so long public pages that were altered are told.
ALTERED_DAYS = 7
# Days after which it is known whether an upgrade works.
COPY_DAYS = 7
# Days before a certificate ends in which it should have been renewed long ago.
ENDS_SOON = 14


# --- the database ---


def database() -> Iterator[Finding]:
    yield from _on_postgresql() if connection.vendor == "postgresql" else _on_sqlite()


def _on_sqlite() -> Iterator[Finding]:
    path = data_folder() / "samizdat.sqlite3"
    yield Finding(
        "database.version",
        "good",
        "database",
        f"SQLite {sqlite3.sqlite_version}, {_size(path)}; its tables belong to this version.",
    )
    log = path.with_name(path.name + "-wal")
    if log.exists() and log.stat().st_size > LONG_LOG:
        yield Finding(
            "database.log-long",
            "amber",
            "database",
            f"Its log has grown to {_size(log)}: some read transaction never ends. Restart `samizdat serve`.",
        )


def _size(path: Path) -> str:
    size = path.stat().st_size
    return f"{size / 1024**3:.1f} GB" if size >= 1024**3 else f"{size / 1024**2:.1f} MB"


def _on_postgresql() -> Iterator[Finding]:
    server = db.about_server()
    yield Finding(
        "database.version",
        "good",
        "database",
        f"PostgreSQL {server.version}, {server.size / 1024**2:,.0f} MB; its tables belong to this version.",
    )
    if server.pooled:
        yield Finding(
            "database.pooled",
            "red",
            "database",
            str(POOLED),
        )
    if server.log is not None and server.log > 8 * LONG_LOG:
        yield Finding(
            "database.log-long",
            "amber",
            "database",
            (
                f"Its write-ahead log has {server.log / 1024**3:.1f} GB. A missing replica or archive keeps it: "
                "check pg_replication_slots and archive_command."
            ),
        )
    dbclock.sync()
    if abs(dbclock.ahead()) > WRONG_CLOCK:
        yield Finding(
            "clock.differs",
            "amber",
            "clock",
            (
                f"The clock of this server is {abs(dbclock.ahead()):,.0f} s "
                f"{'ahead of' if dbclock.ahead() > 0 else 'behind'} the clock of the database. Sending uses the "
                "clock of the database; signing in uses this one. Synchronize both with a time server."
            ),
        )
    else:
        yield Finding("clock.matches", "good", "clock", "It matches the clock of the database.")


def clock() -> Iterator[Finding]:
    """Whether somebody has set it of late."""
    row, now = clock_jumps.last(), dbclock.now()
    if row is None or row.jumped is None or not timedelta() <= now - row.jumped < timedelta(days=1):
        return
    by = timedelta(seconds=round(abs(row.seconds)))
    yield Finding(
        "clock.set",
        "amber",
        "clock",
        (
            f"It was set {'forward' if row.seconds > 0 else 'back'} by {by}, to {row.jumped:%Y-%m-%d %H:%M} "
            "UTC. Due times were computed again, and nothing expires before "
            f"{row.jumped + rate.PATIENCE:%H:%M} UTC. If nobody did this on purpose, check with `timedatectl` "
            "whether this server uses a time server."
        ),
    )


# --- machines and work ---


def machines() -> Iterator[Finding]:
    rows = monitoring.workers()
    for row in rows:
        name = f"worker {row.number}" + (f" on {row.host}" if row.host else "")
        if row.state == "hanging":
            yield Finding(
                "work.worker-hangs",
                "red",
                name,
                f"It hangs: no heartbeat for {row.silent:,.0f} s. Other workers take over. Restart it there.",
            )
        elif row.window:
            yield Finding("work.worker-gone", "red", name, _gone(row))
    alive = [row for row in rows if row.state == "alive" and row.role == "sender"]
    if alive:
        places = {row.host for row in alive}
        yield Finding(
            "work.senders",
            "good",
            "senders",
            f"{len(alive)} run on {len(places)} machine{'s' if len(places) > 1 else ''}.",
        )
    yield from _journals()


def _gone(row: WorkerRow) -> str:
    messages = f"{row.window:,} email{'s' if row.window > 1 else ''}"
    if row.here:
        return f"It ended with {messages} under way. Start `samizdat serve` or `worker` here to read its journal."
    return (
        f"It's gone, with {messages} under way. Start it again on its server: its journal has the "
        f"outcome. If it won't come back: samizdat worker forget {row.number}. That happens automatically "
        f"in {row.until_lost:,.0f} s."
    )


def _journals() -> Iterator[Finding]:
    forgotten = rewound_database.forgotten()
    if forgotten:
        yield Finding(
            "work.journals-ahead",
            "red",
            "journals",
            (
                f"The database has nothing about {', '.join(forgotten[:5])}, or less than the journals: it went "
                "back to an earlier state. Start `samizdat serve` or `worker` here: it records what the journals "
                "have before it sends."
            ),
        )
    left = [(name, size) for name, size in monitoring.leftover_journals() if name not in forgotten]
    if left:
        size = sum(size for _name, size in left) / 1024
        lone = len(left) == 1
        what = f"{len(left)} {'journal' if lone else 'journals'} of {size:,.0f} KB {'waits' if lone else 'wait'} here"
        yield Finding(
            "work.journals-left", "amber", "journals", f"{what}. Start `samizdat serve` or `worker` here to read them."
        )
    for organization in Organization.objects.filter(unlocked()).order_by("id"):
        event = rewound_database.lately(organization, dbclock.now())
        if event is not None:
            yield Finding("work.results-recovered", "amber", organization.name, _rewound(event.at, detail_of(event)))


def _rewound(at: datetime, sums: Mapping[str, object]) -> str:
    lost = sums.get("lost", 0)
    unknown = (
        f" {lost:,} emails were sent in campaigns that the database doesn't have: don't send those again."
        if lost
        else ""
    )
    return (
        f"On {at:%Y-%m-%d %H:%M} UTC the database was back in an earlier state. {sums.get('booked', 0):,} "
        f"answers were recorded again from the journals here; {sums.get('unsure', 0):,} emails have an "
        f"unknown outcome and are on hold.{unknown} Journals on other servers are read when these start."
    )


def work() -> Iterator[Finding]:
    """What the clock has not done, what readers sent in, what is in doubt."""
    last = monitoring.last_step()
    if last is None or dbclock.now() - last > monitoring.OVERDUE:
        since = f"since {last:%Y-%m-%d %H:%M} UTC" if last else "yet"
        yield Finding(
            "work.no-worker",
            "amber",
            "scheduled jobs",
            f"No worker has run here {since}. Start `samizdat serve`, or `samizdat worker`.",
        )
    else:
        yield from _steps(monitoring.overdue())
    yield from _boxes()
    for campaign, count in monitoring.in_doubt():
        yield Finding(
            "campaign.outcome-unknown",
            "amber",
            f"campaign {campaign.pk}",
            (
                f"The outcome of {count:,} emails is unknown. Decide with: samizdat campaign resolve {campaign.pk} "
                "--unsure resend|hold"
            ),
        )


def _steps(overdue: list[tuple[str, datetime | None, str]]) -> Iterator[Finding]:
    for name, done, why in overdue:
        since = f"since {done:%Y-%m-%d %H:%M} UTC" if done else "ever"
        broke = f" Error: {why}." if why else ""
        yield Finding(
            "work.step-overdue",
            "red",
            "scheduled jobs",
            f'"{name}" has not finished {since}.{broke} Restart `samizdat serve`. If that doesn\'t help, report it.',
        )
    if not overdue:
        yield Finding("work.steps", "good", "scheduled jobs", "All of them have run within the last minutes.")


def _boxes() -> Iterator[Finding]:
    try:
        waiting = waiting_boxes()
    except Exception as error:
        yield Finding(
            "publicdb.unreadable",
            "red",
            "publicdb",
            (
                f"It can't be read ({type(error).__name__}). Start `samizdat serve`: it creates the public "
                "database again and saves whatever can be read of what subscribers sent. On PostgreSQL run "
                "`samizdat upgrade`."
            ),
        )
        return
    if waiting:
        yield Finding(
            "publicdb.waiting",
            "amber",
            "publicdb",
            (
                f"{waiting:,} request{'s' if waiting > 1 else ''} of subscribers wait"
                f"{'' if waiting > 1 else 's'}. Seconds are normal; longer means that no worker is running, or "
                "that no route takes the confirmation emails."
            ),
        )
    else:
        yield Finding("publicdb.works", "good", "publicdb", "It works, and no requests of subscribers are waiting.")


# --- memory ---


def listeners() -> Iterator[Finding]:
    """Whether mail can be handed over where options of this shell say so."""
    for role in LISTENERS:
        name = f"SAMIZDAT_{role.upper()}"
        try:
            where = listening_place(name)
        except BadOption as error:
            yield Finding("mail.option", "red", f"mail by {role.upper()}", str(error))
            continue
        if where is not None:
            yield _listener(role.upper(), where)
    if (option("SAMIZDAT_LMTP") or option("SAMIZDAT_SMTP")) and not (sandbox.version() and system_calls.known()):
        sentence = (
            "This system doesn't isolate the process that takes mail: someone who takes it over can read what its user "
            "can. Use Linux 5.13 or newer with Landlock, or read mail from a mailbox."
        )
        yield Finding("mail.not-isolated", "amber", "incoming mail", sentence)
    if option("SAMIZDAT_SMTP") and not option("SAMIZDAT_MAIL_CERTIFICATE"):
        sentence = "Other servers can't encrypt what they send here. Set SAMIZDAT_MAIL_CERTIFICATE."
        yield Finding("mail.unencrypted", "amber", "mail by SMTP", sentence)
    if mail_spool.folder().exists() and mail_spool.MailSpool(mail_spool.folder()).is_full():
        sentence = "Too much mail waits to be read, or the disk is full, so no more is taken. Start `samizdat serve`."
        yield Finding("mail.spool-full", "red", "incoming mail", sentence)


def _listener(protocol: str, where: UnixSocketPlace | tuple[str, int]) -> Finding:
    if _greets(where):
        return Finding("mail.answers", "good", f"mail by {protocol}", "It answers.")
    place = str(where.path) if isinstance(where, UnixSocketPlace) else f"{where[0]}, port {where[1]}"
    return Finding(
        "mail.silent",
        "red",
        f"mail by {protocol}",
        f"Nothing answers at {place}. Start `samizdat serve` with this option.",
    )


def _greets(where: UnixSocketPlace | tuple[str, int]) -> bool:
    anywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}
    try:
        if isinstance(where, UnixSocketPlace):
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(ANSWERS)
            connection.connect(str(where.path))
        else:
            connection = socket.create_connection((anywhere.get(where[0], where[0]), where[1]), ANSWERS)
        with connection:
            return connection.recv(3) == b"220"
    except OSError:
        return False


def swap(swaps: Path = Path("/proc/swaps"), process: Path | None = None, groups: Path = CGROUPS) -> Iterator[Finding]:
    """Keys are in the memory of most of our processes, and the system may write that to a disk. process: /proc/NUMBER
    of the supervisor."""
    places = [line.split()[0] for line in _lines(swaps)[1:]]
    places = [place for place in places if not place.startswith("/dev/zram")]  # That one is in memory itself.
    process = process or supervisor()
    if places and not (process and _never_swapped(process, groups)):
        yield Finding(
            "swap.on",
            "amber",
            "swap",
            (
                f"The system may write memory with keys to {', '.join(places)}. Set MemorySwapMax=0 in the unit, "
                "as in docs/small-server.md, or turn off swap (`swapoff -a`), unless it is encrypted."
            ),
        )
    else:
        yield Finding("swap.off", "good", "swap", "Memory of Samizdat is not written to disk.")


def supervisor() -> Path | None:
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


def public_host(url: str, name: str) -> Iterator[Finding]:
    """Does it answer from here, and for how long is its certificate good?"""
    parts = urlsplit(url)
    if not parts.hostname:
        return
    result = _within(lambda: _visit(parts), PATIENCE)
    if isinstance(result, ssl.SSLCertVerificationError):
        yield Finding(
            "pages.certificate",
            "red",
            name,
            f"The certificate of {parts.hostname} isn't valid: {result.verify_message}. Renew it.",
        )
    elif isinstance(result, Exception) or result is None:
        yield Finding(
            "pages.unreachable",
            "amber",
            name,
            (
                f"{url} doesn't answer from here. Unsubscribe links use it: open it in a browser, and check DNS "
                "and the reverse proxy."
            ),
        )
    else:
        yield from _visited(result, parts.hostname, name)


def _visited(result: tuple[int, datetime | None], host: str, name: str) -> Iterator[Finding]:
    status, ends = result
    if status in (502, 503, 504):
        yield Finding(
            "pages.nothing-behind",
            "amber",
            name,
            f"{host} answers, but nothing behind the reverse proxy does ({status}). Start `serve`.",
        )
    elif status != 200:
        yield Finding(
            "pages.other-pages",
            "amber",
            name,
            f"{host} answers, but not with our pages ({status}). Point the reverse proxy to `serve`.",
        )
    if ends is None:
        return
    days = (ends - datetime.now(UTC)) // timedelta(days=1)
    if days < ENDS_SOON:
        yield Finding(
            "pages.certificate-ends",
            "red" if days < 3 else "amber",
            name,
            f"The certificate of {host} expires in {days} days. Renew it.",
        )
    elif status == 200:
        yield Finding("pages.reachable", "good", name, f"{host} answers; its certificate is valid for {days} days.")


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


def backups(now: datetime) -> Iterator[Finding]:
    """Copies of the data that are older than what is erased may live in them: in the folder that is told, and beside
    the data."""
    folder, data = option("SAMIZDAT_BACKUPS"), data_folder()
    if not folder:
        text = "SAMIZDAT_BACKUPS isn't set, so we can't check whether you have backups older than "
        yield Finding(
            "backup.unknown",
            "amber",
            "backups",
            f"{text}{BACKUP_DAYS} days. They still have the data of erased people, encrypted.",
        )
    elif not Path(folder).is_dir():
        yield Finding(
            "backup.no-folder",
            "amber",
            "backups",
            f"{folder} isn't a readable folder. Set SAMIZDAT_BACKUPS to the folder of your backups.",
        )
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
            f"{len(old):,} are older than {BACKUP_DAYS} days, the oldest of {day:%Y-%m-%d}: {name}. They "
            "still have the data of people erased "
        )
        yield Finding("backup.old", "red", "backups", f"{text}since, encrypted. Delete them.")
    elif kept:
        yield Finding("backup.kept", "good", "backups", f"{len(kept):,} files, none older than {BACKUP_DAYS} days.")


def upgrade_copies(now: datetime) -> Iterator[Finding]:
    """What upgrades and ways back have left beside the data folder."""
    ages = [(now - datetime.fromtimestamp(path.stat().st_mtime, UTC), path) for path in leftovers()]
    old = [path for age, path in ages if age > timedelta(days=COPY_DAYS)]
    if old:
        is_late = any(age > timedelta(days=BACKUP_DAYS) for age, _path in ages)
        text = (
            f"Copies that `samizdat upgrade` made more than {COPY_DAYS} days ago have the data of people erased since, "
        )
        step = f"encrypted. If everything works, delete them: rm -r {' '.join(map(str, old))}"
        yield Finding("backup.upgrade-copies", "red" if is_late else "amber", "upgrade copies", text + step)

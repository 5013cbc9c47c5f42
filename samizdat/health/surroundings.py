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
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

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
# Days before a certificate ends in which it should have been renewed long ago, and in which there is no time left.
ENDS_SOON, ENDS_NOW = 14, 3


# --- the database ---


def database() -> Iterator[Finding]:
    yield from _on_postgresql() if connection.vendor == "postgresql" else _on_sqlite()


def _on_sqlite() -> Iterator[Finding]:
    path = data_folder() / "samizdat.sqlite3"
    yield Finding(
        "database.version",
        "good",
        _("database"),
        _("SQLite %(version)s, %(size)s; its tables belong to this version."),
        {"version": sqlite3.sqlite_version, "size": _size(path)},
    )
    log = path.with_name(path.name + "-wal")
    if log.exists() and log.stat().st_size > LONG_LOG:
        yield Finding(
            "database.log-long",
            "amber",
            _("database"),
            _("Its log has grown to %(size)s: some read transaction never ends. Restart `samizdat serve`."),
            {"size": _size(log)},
        )


def _size(path: Path) -> str:
    size = path.stat().st_size
    return f"{size / 1024**3:.1f} GB" if size >= 1024**3 else f"{size / 1024**2:.1f} MB"


def _on_postgresql() -> Iterator[Finding]:
    server = db.about_server()
    yield Finding(
        "database.version",
        "good",
        _("database"),
        _("PostgreSQL %(version)s, %(size)s MB; its tables belong to this version."),
        {"version": server.version, "size": round(server.size / 1024**2)},
    )
    if server.pooled:
        yield Finding("database.pooled", "red", _("database"), POOLED)
    if server.log is not None and server.log > 8 * LONG_LOG:
        yield Finding(
            "database.log-long",
            "amber",
            _("database"),
            _(
                "Its write-ahead log has %(size)s GB. A missing replica or archive keeps it: check "
                "pg_replication_slots and archive_command."
            ),
            {"size": f"{server.log / 1024**3:.1f}"},
        )
    dbclock.sync()
    ahead = dbclock.ahead()
    if abs(ahead) <= WRONG_CLOCK:
        yield Finding("clock.matches", "good", _("clock"), _("It matches the clock of the database."))
        return
    sentence = (
        _(
            "The clock of this server is %(seconds)s s ahead of the clock of the database. Sending uses the clock of "
            "the database; signing in uses this one. Synchronize both with a time server."
        )
        if ahead > 0
        else _(
            "The clock of this server is %(seconds)s s behind the clock of the database. Sending uses the clock of the "
            "database; signing in uses this one. Synchronize both with a time server."
        )
    )
    yield Finding("clock.differs", "amber", _("clock"), sentence, {"seconds": round(abs(ahead))})


def clock() -> Iterator[Finding]:
    """Whether somebody has set it of late."""
    row, now = clock_jumps.last(), dbclock.now()
    if row is None or row.jumped is None or not timedelta() <= now - row.jumped < timedelta(days=1):
        return
    values = {
        "by": timedelta(seconds=round(abs(row.seconds))),
        "at": f"{row.jumped:%Y-%m-%d %H:%M}",
        "until": f"{row.jumped + rate.PATIENCE:%H:%M}",
    }
    sentence = (
        _(
            "It was set forward by %(by)s, to %(at)s UTC. Due times were computed again, and nothing expires before "
            "%(until)s UTC. If nobody did this on purpose, check with `timedatectl` whether this server uses a time "
            "server."
        )
        if row.seconds > 0
        else _(
            "It was set back by %(by)s, to %(at)s UTC. Due times were computed again, and nothing expires before "
            "%(until)s UTC. If nobody did this on purpose, check with `timedatectl` whether this server uses a time "
            "server."
        )
    )
    yield Finding("clock.set", "amber", _("clock"), sentence, values)


# --- machines and work ---


def machines() -> Iterator[Finding]:
    rows = monitoring.workers()
    for row in rows:
        about = _("worker %(number)s on %(host)s") if row.host else _("worker %(number)s")
        values: dict[str, object] = {"number": str(row.number), "host": row.host}
        if row.state == "hanging":
            sentence = _("It hangs: no heartbeat for %(seconds)s s. Other workers take over. Restart it there.")
            yield Finding("work.worker-hangs", "red", about, sentence, values | {"seconds": round(row.silent)})
        elif row.window:
            yield _gone(row, about, values)
    alive = [row for row in rows if row.state == "alive" and row.role == "sender"]
    if alive:
        places = {row.host for row in alive}
        sentence = ngettext_lazy(
            "%(alive)s run on %(machines)s machine.", "%(alive)s run on %(machines)s machines.", len(places)
        )
        values = {"alive": len(alive), "machines": len(places)}
        yield Finding("work.senders", "good", _("senders"), sentence, values)
    yield from _journals()


def _gone(row: WorkerRow, about: Promise, values: dict[str, object]) -> Finding:
    values |= {"emails": row.window}
    if row.here:
        sentence = ngettext_lazy(
            "It ended with %(emails)s email under way. Start `samizdat serve` or `worker` here to read its journal.",
            "It ended with %(emails)s emails under way. Start `samizdat serve` or `worker` here to read its journal.",
            row.window,
        )
        return Finding("work.worker-gone", "red", about, sentence, values)
    values |= {"command": f"samizdat worker forget {row.number}", "seconds": round(row.until_lost)}
    sentence = ngettext_lazy(
        "It's gone, with %(emails)s email under way. Start it again on its server: its journal has the outcome. If it "
        "won't come back: %(command)s. That happens automatically in %(seconds)s s.",
        "It's gone, with %(emails)s emails under way. Start it again on its server: its journal has the outcome. If it "
        "won't come back: %(command)s. That happens automatically in %(seconds)s s.",
        row.window,
    )
    return Finding("work.worker-gone", "red", about, sentence, values)


def _journals() -> Iterator[Finding]:
    forgotten = rewound_database.forgotten()
    if forgotten:
        yield Finding(
            "work.journals-ahead",
            "red",
            _("journals"),
            _(
                "The database has nothing about %(names)s, or less than the journals: it went back to an earlier "
                "state. Start `samizdat serve` or `worker` here: it records what the journals have before it sends."
            ),
            {"names": ", ".join(forgotten[:5])},
        )
    left = [(name, size) for name, size in monitoring.leftover_journals() if name not in forgotten]
    if left:
        size = sum(size for _name, size in left) / 1024
        sentence = ngettext_lazy(
            "%(count)s journal of %(size)s KB waits here. Start `samizdat serve` or `worker` here to read them.",
            "%(count)s journals of %(size)s KB wait here. Start `samizdat serve` or `worker` here to read them.",
            len(left),
        )
        values = {"count": len(left), "size": round(size)}
        yield Finding("work.journals-left", "amber", _("journals"), sentence, values)
    for organization in Organization.objects.filter(unlocked()).order_by("id"):
        event = rewound_database.lately(organization, dbclock.now())
        if event is not None:
            yield _rewound(organization, event.at, detail_of(event))


def _rewound(organization: Organization, at: datetime, sums: Mapping[str, object]) -> Finding:
    lost = sums.get("lost", 0)
    sentence = (
        _(
            "On %(at)s UTC the database was back in an earlier state. %(booked)s answers were recorded again from the "
            "journals here; %(unsure)s emails have an unknown outcome and are on hold. %(lost)s emails were sent in "
            "campaigns that the database doesn't have: don't send those again. Journals on other servers are read "
            "when these start."
        )
        if lost
        else _(
            "On %(at)s UTC the database was back in an earlier state. %(booked)s answers were recorded again from the "
            "journals here; %(unsure)s emails have an unknown outcome and are on hold. Journals on other servers are "
            "read when these start."
        )
    )
    values = {
        "at": f"{at:%Y-%m-%d %H:%M}",
        "booked": sums.get("booked", 0),
        "unsure": sums.get("unsure", 0),
        "lost": lost,
    }
    return Finding("work.results-recovered", "amber", organization.name, sentence, values, organization=organization.pk)


def work() -> Iterator[Finding]:
    """What the clock has not done, what readers sent in, what is in doubt."""
    last = monitoring.last_step()
    if last is None:
        sentence = _("No worker has run here yet. Start `samizdat serve`, or `samizdat worker`.")
        yield Finding("work.no-worker", "amber", _("scheduled jobs"), sentence)
    elif dbclock.now() - last > monitoring.OVERDUE:
        yield Finding(
            "work.no-worker",
            "amber",
            _("scheduled jobs"),
            _("No worker has run here since %(at)s UTC. Start `samizdat serve`, or `samizdat worker`."),
            {"at": f"{last:%Y-%m-%d %H:%M}"},
        )
    else:
        yield from _steps(monitoring.overdue())
    yield from _boxes()
    for campaign, count in monitoring.in_doubt():
        yield Finding(
            "campaign.outcome-unknown",
            "amber",
            _("campaign %(campaign)s"),
            ngettext_lazy(
                "The outcome of %(count)s email is unknown. Decide with: %(command)s",
                "The outcome of %(count)s emails is unknown. Decide with: %(command)s",
                count,
            ),
            {
                "campaign": str(campaign.pk),
                "count": count,
                "command": f"samizdat campaign resolve {campaign.pk} --unsure resend|hold",
            },
            organization=campaign.organization_id,
        )


def _steps(overdue: list[tuple[str, datetime | None, str]]) -> Iterator[Finding]:
    for name, done, why in overdue:
        values: dict[str, object] = {"name": name, "at": f"{done:%Y-%m-%d %H:%M}" if done else "", "why": why}
        since = _('"%(name)s" has not finished since %(at)s UTC.') if done else _('"%(name)s" has not finished ever.')
        broke = _("Error: %(why)s.") if why else ""
        step = _("Restart `samizdat serve`. If that doesn't help, report it.")
        yield Finding("work.step-overdue", "red", _("scheduled jobs"), _joined(since, broke, step), values)
    if not overdue:
        sentence = _("All of them have run within the last minutes.")
        yield Finding("work.steps", "good", _("scheduled jobs"), sentence)


def _joined(*sentences: str | Promise) -> Promise:
    """Those that are not empty."""
    return format_lazy("{}" + " {}" * (len([*filter(None, sentences)]) - 1), *filter(None, sentences))


def _boxes() -> Iterator[Finding]:
    try:
        waiting = waiting_boxes()
    except Exception as error:
        yield Finding(
            "publicdb.unreadable",
            "red",
            _("public database"),
            _(
                "It can't be read (%(error)s). Start `samizdat serve`: it creates the public database again and saves "
                "whatever can be read of what subscribers sent. On PostgreSQL run `samizdat upgrade`."
            ),
            {"error": type(error).__name__},
        )
        return
    if waiting:
        sentence = ngettext_lazy(
            "%(waiting)s request of subscribers waits. Seconds are normal; longer means that no worker is running, or "
            "that no route takes the confirmation emails.",
            "%(waiting)s requests of subscribers wait. Seconds are normal; longer means that no worker is running, or "
            "that no route takes the confirmation emails.",
            waiting,
        )
        yield Finding("publicdb.waiting", "amber", _("public database"), sentence, {"waiting": waiting})
    else:
        sentence = _("It works, and no requests of subscribers are waiting.")
        yield Finding("publicdb.works", "good", _("public database"), sentence)


# --- incoming mail ---


def listeners() -> Iterator[Finding]:
    """Whether mail can be handed over where options of this shell say so."""
    for role in LISTENERS:
        name = f"SAMIZDAT_{role.upper()}"
        try:
            where = listening_place(name)
        except BadOption as error:
            yield Finding("mail.option", "red", _("mail by %(protocol)s"), "%(why)s", _by(role, why=str(error)))
            continue
        if where is not None:
            yield _listener(role, where)
    if (option("SAMIZDAT_LMTP") or option("SAMIZDAT_SMTP")) and not (sandbox.version() and system_calls.known()):
        sentence = _(
            "This system doesn't isolate the process that takes mail: someone who takes it over can read what its user "
            "can. Use Linux 5.13 or newer with Landlock, or read mail from a mailbox."
        )
        yield Finding("mail.not-isolated", "amber", _("incoming mail"), sentence)
    if option("SAMIZDAT_SMTP") and not option("SAMIZDAT_MAIL_CERTIFICATE"):
        sentence = _("Other servers can't encrypt what they send here. Set SAMIZDAT_MAIL_CERTIFICATE.")
        yield Finding("mail.unencrypted", "amber", _("mail by %(protocol)s"), sentence, _by("smtp"))
    yield from _spool()


def _by(role: str, **values: object) -> dict[str, object]:
    return {"protocol": role.upper(), **values}


def _spool() -> Iterator[Finding]:
    if not mail_spool.folder().exists():
        return
    if mail_spool.MailSpool(mail_spool.folder()).is_full():
        sentence = _(
            "Too much mail waits to be read, or the disk is full, so no more is taken. Start `samizdat serve`."
        )
        yield Finding("mail.spool-full", "red", _("incoming mail"), sentence)


def _listener(role: str, where: UnixSocketPlace | tuple[str, int]) -> Finding:
    about = _("mail by %(protocol)s")
    if _greets(where):
        return Finding("mail.answers", "good", about, _("It answers."), _by(role))
    if isinstance(where, UnixSocketPlace):
        sentence = _("Nothing answers at %(path)s. Start `samizdat serve` with this option.")
        return Finding("mail.silent", "red", about, sentence, _by(role, path=where.path))
    sentence = _("Nothing answers at %(host)s, port %(port)s. Start `samizdat serve` with this option.")
    return Finding("mail.silent", "red", about, sentence, _by(role, host=where[0], port=str(where[1])))


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
        sentence = _(
            "The system may write memory with keys to %(places)s. Set MemorySwapMax=0 in the unit, as in "
            "docs/small-server.md, or turn off swap (`swapoff -a`), unless it is encrypted."
        )
        yield Finding("swap.on", "amber", _("swap"), sentence, {"places": ", ".join(places)})
    else:
        yield Finding("swap.off", "good", _("swap"), _("Memory of Samizdat is not written to disk."))


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
        sentence = _("The certificate of %(host)s isn't valid: %(why)s. Renew it.")
        yield Finding(
            "pages.certificate", "red", name, sentence, {"host": parts.hostname, "why": result.verify_message}
        )
    elif isinstance(result, Exception) or result is None:
        sentence = _(
            "%(url)s doesn't answer from here. Unsubscribe links use it: open it in a browser, and check DNS and the "
            "reverse proxy."
        )
        yield Finding("pages.unreachable", "amber", name, sentence, {"url": url})
    else:
        yield from _visited(result, parts.hostname, name)


def certificate_left(ends: datetime, now: datetime) -> tuple[int, str]:
    """(Days until it ends, how urgent that is; "" where it isn't)."""
    days = (ends - now) // timedelta(days=1)
    return days, "red" if days < ENDS_NOW else "amber" if days < ENDS_SOON else ""


def _visited(result: tuple[int, datetime | None], host: str, name: str) -> Iterator[Finding]:
    status, ends = result
    values: dict[str, object] = {"host": host, "status": str(status)}
    if status in (502, 503, 504):
        sentence = _("%(host)s answers, but nothing behind the reverse proxy does (%(status)s). Start `serve`.")
        yield Finding("pages.nothing-behind", "amber", name, sentence, values)
    elif status != 200:
        sentence = _("%(host)s answers, but not with our pages (%(status)s). Point the reverse proxy to `serve`.")
        yield Finding("pages.other-pages", "amber", name, sentence, values)
    if ends is None:
        return
    days, urgency = certificate_left(ends, datetime.now(UTC))
    values |= {"days": days}
    if urgency:
        sentence = ngettext_lazy(
            "The certificate of %(host)s expires in %(days)s day. Renew it.",
            "The certificate of %(host)s expires in %(days)s days. Renew it.",
            days,
        )
        yield Finding("pages.certificate-ends", urgency, name, sentence, values)
    elif status == 200:
        sentence = ngettext_lazy(
            "%(host)s answers; its certificate is valid for %(days)s day.",
            "%(host)s answers; its certificate is valid for %(days)s days.",
            days,
        )
        yield Finding("pages.reachable", "good", name, sentence, values)


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
    about = _("backups")
    values: dict[str, object] = {"folder": folder, "days": BACKUP_DAYS}
    if not folder:
        sentence = _(
            "SAMIZDAT_BACKUPS isn't set, so we can't check whether you have backups older than %(days)s days. They "
            "still have the data of erased people, encrypted."
        )
        yield Finding("backup.unknown", "amber", about, sentence, values)
    elif not Path(folder).is_dir():
        sentence = _("%(folder)s isn't a readable folder. Set SAMIZDAT_BACKUPS to the folder of your backups.")
        yield Finding("backup.no-folder", "amber", about, sentence, values)
    copies = [path for path in data.glob("*.sqlite3?*") if not path.name.endswith(("-wal", "-shm", "-journal"))]
    kept = [path for path in Path(folder).rglob("*") if path.is_file()] if folder and Path(folder).is_dir() else []
    old = sorted(
        (day, path.name)
        for path in (*copies, *kept)
        if now - (day := datetime.fromtimestamp(path.stat().st_mtime, UTC)) > timedelta(days=BACKUP_DAYS)
    )
    if old:
        day, name = old[0]
        sentence = _(
            "%(count)s are older than %(days)s days, the oldest of %(day)s: %(name)s. They still have the data of "
            "people erased since, encrypted. Delete them."
        )
        values |= {"count": len(old), "day": f"{day:%Y-%m-%d}", "name": name}
        yield Finding("backup.old", "red", about, sentence, values)
    elif kept:
        sentence = _("%(count)s files, none older than %(days)s days.")
        yield Finding("backup.kept", "good", about, sentence, values | {"count": len(kept)})


def upgrade_copies(now: datetime) -> Iterator[Finding]:
    """What upgrades and ways back have left beside the data folder."""
    ages = [(now - datetime.fromtimestamp(path.stat().st_mtime, UTC), path) for path in leftovers()]
    old = [path for age, path in ages if age > timedelta(days=COPY_DAYS)]
    if old:
        is_late = any(age > timedelta(days=BACKUP_DAYS) for age, _path in ages)
        sentence = _(
            "Copies that `samizdat upgrade` made more than %(days)s days ago have the data of people erased since, "
            "encrypted. If everything works, delete them: %(command)s"
        )
        values = {"days": COPY_DAYS, "command": f"rm -r {' '.join(map(str, old))}"}
        yield Finding("backup.upgrade-copies", "red" if is_late else "amber", _("upgrade copies"), sentence, values)

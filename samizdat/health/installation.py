"""What is found about the installation: its keys, files, place, database and processes."""

import os
import shutil
import stat
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from django.db import connection, connections

from samizdat import dbclock, modes, phrases_override
from samizdat.accounts import database_catalog, database_indexes
from samizdat.campaigns.checks import spelling
from samizdat.db import on_sqlite
from samizdat.delivery.actions import copied_installation
from samizdat.delivery.errors import CopiedFolder, TornCopy
from samizdat.events.queries import happened_since
from samizdat.health.findings import Finding
from samizdat.health.surroundings import ALTERED_DAYS, LITTLE_ROOM
from samizdat.health.words import PLACES, at_terminal, missing_while_it_runs
from samizdat.options import BadOption, data_folder, key_file, option
from samizdat.publicdb import role_guard
from samizdat.vault import keyring, sources
from samizdat.vault.errors import KeyFileMissing, KeyRefused, VaultError
from samizdat.vault.socket_source import SocketSource


def changed_keys() -> Iterator[Finding]:
    """Keys in the database that don't open, though the key file is the right one."""
    for row in keyring.unopened()[:_NAMED]:
        yield Finding(
            "keys.changed",
            "red",
            "keys",
            f"A key ({row.kind}, row {row.pk}) of “{row.organization.name}” doesn’t open. It was changed or added in "
            "the database. If none of you did, someone else can write to the database: restore the key from a backup, "
            "or delete the row if no backup has it.",
        )


def processes() -> Iterator[Finding]:
    """What the running `serve` cannot start."""
    running = SocketSource.running(data_folder())
    try:
        troubles = running.troubles() if running else {}
    except KeyRefused:  # It has just ended.
        return
    for role, sentence in troubles.items():
        yield Finding("process.trouble", "red", "public pages" if role == "public" else f"process {role}", sentence)


def folder() -> Iterator[Finding]:
    folder = data_folder()
    if not folder.exists():
        yield Finding(
            "files.no-folder",
            "red",
            "data folder",
            f"{folder} doesn't exist. Run `samizdat init`, or set SAMIZDAT_DATA.",
        )
        return
    yield from _modes(folder)
    if not os.access(folder, os.W_OK):
        yield Finding(
            "files.read-only", "red", "data folder", f"{folder} is read-only. Give this user write permission."
        )
    free = shutil.disk_usage(folder).free
    if free < LITTLE_ROOM:
        yield Finding(
            "disk.little", "amber", "disk", f"{free // 1024**2:,} MB free. Free up space before the next import."
        )
    else:
        yield Finding("disk.room", "good", "disk", f"{free // 1024**3:,} GB free.")


def _modes(folder: Path) -> Iterator[Finding]:
    paths = list(modes.open_to_others(folder))
    if paths and paths[0] == folder:
        text = f"Other users of this server can read {folder}. Start `samizdat serve`, which fixes it, or run: "
        yield Finding("files.open", "red", "data folder", f"{text}chmod -R go-rwx {folder}")
    elif paths:
        more = f" and {len(paths) - 1:,} more" if len(paths) > 1 else ""
        text = f"Users other than the owner can open {paths[0]}{more}. Start `samizdat serve`, which fixes it, or run: "
        yield Finding("files.open", "amber", "data folder", f"{text}chmod -R go-rwx {folder}")


def key() -> Iterator[Finding]:
    key, folder = key_file(), data_folder()
    try:
        kind = sources.check()
    except KeyFileMissing as error:
        runs = SocketSource.running(folder) is not None
        yield Finding("keys.missing", "red", "key file", missing_while_it_runs(key) if runs else str(error))
        return
    except (VaultError, BadOption) as error:
        yield Finding("keys.unusable", "red", "key file", str(error))
        return
    if kind == "command":
        yield from _key_command(key)
        return
    if folder in key.parents:
        yield Finding(
            "keys.inside",
            "red",
            "key file",
            "It is inside the data folder, so every copy of the folder contains it. Move it.",
        )
        return
    if kind == "passphrase":
        yield Finding("keys.passphrase", "good", "key file", f"{key}, with a passphrase. Keep a second copy elsewhere.")
        return
    yield Finding(
        "keys.file",
        "good",
        "key file",
        f"{key}. Anyone who takes the whole disk has it too. Keep a second copy elsewhere.",
    )


def _key_command(key: Path) -> Iterator[Finding]:
    if key.exists():
        yield Finding(
            "keys.file-left",
            "amber",
            "key file",
            f"The key comes from SAMIZDAT_KEY_COMMAND, and {key} is still there. Save a copy elsewhere and delete it.",
        )
        return
    yield Finding(
        "keys.command", "good", "key file", "The key comes from SAMIZDAT_KEY_COMMAND. Keep a second copy elsewhere."
    )


def place() -> Iterator[Finding]:
    """Is it where it last ran? Whoever finds that it is not fences it."""
    try:
        changed = copied_installation.look(dbclock.asked())
    except (CopiedFolder, TornCopy) as error:
        yield Finding("place.unusable", "red", "place", str(error))
        return
    if changed:
        where = ", ".join(PLACES[part] for part in changed)
        yield Finding(
            "place.other", "red", "place", f"It last ran elsewhere: {where}. See what waits: samizdat release --dry-run"
        )
    else:
        yield Finding("place.same", "good", "place", "It is where it last ran.")
    yield from _copies()


def _copies() -> Iterator[Finding]:
    """Whether another copy took over, as far as the backup places can say."""
    standing = copied_installation.ask_places(dbclock.asked())
    sentence = copied_installation.what_places_say(standing)
    if standing.rival is not None:
        yield Finding("place.taken-over", "red", "copies", f"{sentence} Decide which copy sends: samizdat release")
    elif standing.places:
        yield Finding("place.copies", "good" if standing.is_known else "amber", "copies", sentence)


def spelling_tools() -> Iterator[Finding]:
    if command := spelling.missing():
        yield Finding(
            "writing.spelling-missing",
            "amber",
            "spelling",
            f"Spelling isn't checked in every language here. Run: {command}",
        )
    else:
        yield Finding("writing.spelling", "good", "spelling", "hunspell reads English and Russian.")


def standard_texts() -> Iterator[Finding]:
    wrong = list(phrases_override.wrong())
    yield from (Finding("writing.texts-wrong", "amber", "standard texts of emails", sentence) for sentence in wrong)
    if option("SAMIZDAT_WORDS") and not wrong:
        yield Finding(
            "writing.texts",
            "good",
            "standard texts of emails",
            f"Your own texts from {option('SAMIZDAT_WORDS')} are used.",
        )


# What to do about something in the database that is not ours, by how its name begins.
_REMEDIES = {
    "setting ": "If none of you set it, reset it: ALTER ROLE … RESET, or ALTER DATABASE … RESET.",
    "role ": "If none of you granted these rights, revoke them: REVOKE. Then check what was read.",
    "default rights ": "It gets rights to tables of later versions: ALTER DEFAULT PRIVILEGES … REVOKE.",
    "publication ": "It copies rows to another place. If none of you created it, drop it.",
    "replication slot ": "It copies rows to another place. If none of you created it: pg_drop_replication_slot.",
    "subscription ": "It writes rows from another place. If none of you created it, drop it.",
}


_DROP = "It can undo repairs, hide rows, and copy or delete later ones. If none of you created it, drop it."


# As many are named.
_NAMED = 20


# Seconds in which indexes are looked at.
INDEX_SECONDS = 10.0


def foreign() -> Iterator[Finding]:
    """What the database runs by itself, now or in the last days."""
    if foreign_objects := database_catalog.watch(dbclock.asked()):
        yield from (Finding("database.foreign", "red", "database", _about(name)) for name in foreign_objects[:_NAMED])
        more = (
            f"{len(foreign_objects) - _NAMED:,} more objects differ from ours. "
            if len(foreign_objects) > _NAMED
            else ""
        )
        yield Finding(
            "database.foreign",
            "red",
            "database",
            (
                f"{more}If none of you changed it, someone else can write to the database: stop `serve`, fix it, "
                "and change the password of the database."
            ),
        )
    elif happened_since(database_catalog.ALTERED, dbclock.asked() - database_catalog.SHOWN):
        yield Finding(
            "database.altered",
            "red",
            "database",
            (
                f"In the last {ALTERED_DAYS} days it ran something that isn't ours, an index lacked rows, or a "
                "value was changed; it was removed, rebuilt, or counts for nothing. If none of you did it, someone "
                "else can write to the database: change its password, and check roles and settings."
            ),
        )


def indexes() -> Iterator[Finding]:
    """SQLite: tables that don't match their indexes or hold values of another form, as far as INDEX_SECONDS go; the
    worker looks at all of them."""
    until = time.monotonic() + INDEX_SECONDS
    path = str(connection.settings_dict["NAME"])
    for name, misshapen in database_indexes.damaged(path, lambda: time.monotonic() > until) if on_sqlite() else ():
        sentence = (
            f"A value in {at_terminal(name)} isn't written as Samizdat writes it, and counts for nothing. Someone else "
            "can write to the database. Run: samizdat log check. Restore the table from a backup."
            if misshapen
            else f"An index of {at_terminal(name)} lacks rows, so a “no” or a cancellation can be overlooked. Restart "
            "`serve`: it rebuilds the index. If the disk isn't broken, someone else can write to the database."
        )
        yield Finding("database.index", "red", "database", sentence)


def forged_events() -> Iterator[Finding]:
    if happened_since("event.forged", dbclock.asked() - timedelta(days=ALTERED_DAYS)):
        yield Finding(
            "database.event-forged",
            "red",
            "events",
            (
                f"In the last {ALTERED_DAYS} days someone without keys wrote an event into the database. It had "
                "no effect. Check who else can write to the database, change its password, then run: samizdat "
                "log check"
            ),
        )


def _about(name: str) -> str:
    """One thing in the database, and what to do about it."""
    shown = at_terminal(name)
    if name.endswith((database_catalog.MISSING, database_catalog.CHANGED)):
        schema = database_catalog.file(connection.vendor).name
        return f"{shown}. Restore it as in samizdat/accounts/{schema}, or restore a backup."
    for table in database_catalog.IN_ORDER:  # By the whole name: whoever writes the database names what is in it.
        if name == f"sequence public.{table}_id_seq{database_catalog.BEHIND}":
            advance = f"SELECT setval('public.{table}_id_seq', (SELECT max(id) FROM public.{table}));"
            return f"{shown}: it would give numbers twice. Run in the database: {advance}"
    remedy = next((words for kind, words in _REMEDIES.items() if name.startswith(kind)), _DROP)
    return f"{shown} isn't ours. {remedy}"


def public_role() -> Iterator[Finding]:
    if role_guard.shut_out(connections["publicdb"]):
        yield Finding(
            "process.locks",
            "red",
            "public pages",
            (
                "The public process repeatedly took database locks that it must not take, so its database role "
                "is blocked for ten minutes. Someone else may control it: check that server, then restart "
                "`serve`."
            ),
        )


def public_process() -> Iterator[Finding]:
    if happened_since("publicdb.altered", dbclock.asked() - timedelta(days=ALTERED_DAYS)):
        yield Finding(
            "process.pages-altered",
            "red",
            "public pages",
            (
                f"In the last {ALTERED_DAYS} days they were changed by someone else. They were restored, but "
                "someone may control the public process or write to the database. Stop `serve`, and check that "
                "server."
            ),
        )

    if happened_since("publicdb.mended", dbclock.asked() - timedelta(days=ALTERED_DAYS)):
        yield Finding(
            "publicdb.mended",
            "amber",
            "publicdb",
            (
                f"In the last {ALTERED_DAYS} days its file was damaged. It was created again, with whatever could "
                "be read of what subscribers had sent. Check the disk (`dmesg`), and if the disk is fine, who "
                "else can write there."
            ),
        )
    if data_folder().stat().st_mode & stat.S_ISGID:  # As `serve` leaves it for the other user's group.
        yield Finding("process.own-user", "good", "public pages", "They run as their own user.")
    else:
        yield Finding(
            "process.same-user",
            "amber",
            "public pages",
            (
                "They run as the same user as the rest, so anyone who takes them over has everything. Let the "
                "system start `serve` as root with SAMIZDAT_USER and SAMIZDAT_PUBLIC_USER, as in "
                "docs/small-server.md."
            ),
        )

"""What is found about the installation: its keys, files, place, database and processes."""

import os
import shlex
import shutil
import stat
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from django.db import connection, connections
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from samizdat import dbclock, modes, phrases_override
from samizdat.accounts import database_catalog, database_indexes
from samizdat.campaigns.checks import spelling
from samizdat.db import on_sqlite
from samizdat.delivery.actions import copied_installation
from samizdat.delivery.errors import CopiedFolder, TornCopy
from samizdat.events.queries import happened_since
from samizdat.health.findings import Finding
from samizdat.health.surroundings import ALTERED_DAYS, LITTLE_ROOM
from samizdat.health.words import SENTENCES, differences
from samizdat.options import BadOption, data_folder, key_file, option
from samizdat.publicdb import role_guard
from samizdat.vault import instance_exchange, keyring, sources
from samizdat.vault.errors import KeyFileMissing, KeyRefused, VaultError
from samizdat.vault.keyserver import KEY_SERVICE
from samizdat.vault.socket_source import SocketSource


def unfinished_key() -> Iterator[Finding]:
    """Whether a former instance key still opens the database."""
    if instance_exchange.is_pending():
        sentence = _(
            "Its replacement isn’t finished, so the former key still opens the database. If a command or a key service "
            "gives the key, give it the new one first. Then run: %(command)s"
        )
        values = {"command": "samizdat keys rotate instance"}
        yield Finding("keys.replacement-unfinished", "amber", _("key file"), sentence, values)


def changed_keys() -> Iterator[Finding]:
    """Keys in the database that don't open, though the key file is the right one."""
    for row in keyring.unopened()[:_NAMED]:
        yield Finding(
            "keys.changed",
            "red",
            _("keys"),
            _(
                "A key (%(kind)s, row %(row)s) of “%(name)s” doesn’t open. It was changed or added in the database. If "
                "none of you did, someone else can write to the database: restore the key from a backup, or delete the "
                "row if no backup has it."
            ),
            {"kind": row.kind, "row": str(row.pk), "name": row.organization.name},
            organization=row.organization_id,
        )


def processes() -> Iterator[Finding]:
    """What the running `serve` cannot start."""
    running = SocketSource.running(data_folder())
    try:
        troubles = running.troubles() if running else {}
    except KeyRefused:  # It has just ended.
        return
    for role, sentence in troubles.items():
        if role == KEY_SERVICE:
            yield Finding("keys.service-unreachable", "amber", _("key service"), "%(why)s", {"why": sentence})
            continue
        about = _("public pages") if role == "public" else _("process %(role)s")
        yield Finding("process.trouble", "red", about, "%(why)s", {"role": role, "why": sentence})


def folder() -> Iterator[Finding]:
    folder, about = data_folder(), _("data folder")
    if not folder.exists():
        sentence = _("%(folder)s doesn't exist. Run `samizdat init`, or set SAMIZDAT_DATA.")
        yield Finding("files.no-folder", "red", about, sentence, {"folder": folder})
        return
    yield from _modes(folder)
    if not os.access(folder, os.W_OK):
        sentence = _("%(folder)s is read-only. Give this user write permission.")
        yield Finding("files.read-only", "red", about, sentence, {"folder": folder})
    free = shutil.disk_usage(folder).free
    if free < LITTLE_ROOM:
        sentence = _("%(free)s MB free. Free up space before the next import.")
        yield Finding("disk.little", "amber", _("disk"), sentence, {"free": free // 1024**2})
    else:
        yield Finding("disk.room", "good", _("disk"), _("%(free)s GB free."), {"free": free // 1024**3})


def _modes(folder: Path) -> Iterator[Finding]:
    paths = list(modes.open_to_others(folder))
    if not paths:
        return
    values = {
        "folder": folder,
        "path": paths[0],
        "more": len(paths) - 1,
        "command": f"chmod -R go-rwx {shlex.quote(str(folder))}",
    }
    step = _("Start `samizdat serve`, which fixes it, or run: %(command)s")
    if paths[0] == folder:
        sentence = _("Other users of this server can read %(folder)s.")
        yield Finding("files.open", "red", _("data folder"), _joined(sentence, step), values)
        return
    sentence = (
        _("Users other than the owner can open %(path)s and %(more)s more.")
        if len(paths) > 1
        else _("Users other than the owner can open %(path)s.")
    )
    yield Finding("files.open", "amber", _("data folder"), _joined(sentence, step), values)


def _joined(*sentences: str | Promise) -> Promise:
    return format_lazy(" ".join(["{}"] * len(sentences)), *sentences)


def key() -> Iterator[Finding]:
    key, folder, about = key_file(), data_folder(), _("key file")
    try:
        kind = sources.check()
    except KeyFileMissing as error:
        runs = SocketSource.running(folder) is not None
        sentence: str | Promise = _(SENTENCES["key_missing"]) if runs else str(error)
        yield Finding("keys.missing", "red", about, sentence, {"path": key})
        return
    except (VaultError, BadOption) as error:
        yield Finding("keys.unusable", "red", about, "%(why)s", {"why": error})
        return
    if kind == "command":
        yield from _key_command(key)
        return
    if kind == "keyservice":
        yield from _key_service(key)
        return
    if folder in key.parents:
        sentence = _("It is inside the data folder, so every copy of the folder contains it. Move it.")
        yield Finding("keys.inside", "red", about, sentence)
        return
    if kind == "passphrase":
        sentence = _("%(path)s, with a passphrase. Keep a second copy elsewhere.")
        yield Finding("keys.passphrase", "good", about, sentence, {"path": key})
        return
    sentence = _("%(path)s. Anyone who takes the whole disk has it too. Keep a second copy elsewhere.")
    yield Finding("keys.file", "good", about, sentence, {"path": key})


def _key_service(key: Path) -> Iterator[Finding]:
    if key.exists():
        sentence = _(
            "The key comes from a key service, and %(path)s is still there. Save a copy elsewhere and delete it."
        )
        yield Finding("keys.file-left", "amber", _("key file"), sentence, {"path": key})
        return
    sentence = _("The key comes from a key service. Keep a copy of the key file, or shares of it, elsewhere.")
    yield Finding("keys.service", "good", _("key file"), sentence)


def _key_command(key: Path) -> Iterator[Finding]:
    if key.exists():
        sentence = _(
            "The key comes from SAMIZDAT_KEY_COMMAND, and %(path)s is still there. Save a copy elsewhere and delete it."
        )
        yield Finding("keys.file-left", "amber", _("key file"), sentence, {"path": key})
        return
    sentence = _("The key comes from SAMIZDAT_KEY_COMMAND. Keep a second copy elsewhere.")
    yield Finding("keys.command", "good", _("key file"), sentence)


def place() -> Iterator[Finding]:
    """Is it where it last ran? Whoever finds that it is not fences it."""
    try:
        changed = copied_installation.look(dbclock.asked())
    except (CopiedFolder, TornCopy) as error:
        yield Finding("place.unusable", "red", _("place"), "%(why)s", {"why": error})
        return
    if changed:
        values = {
            "where": lambda: differences(changed, gettext),
            "command": "samizdat release --dry-run",
        }
        sentence = _("This isn’t where it last ran: %(where)s. See what waits: %(command)s")
        yield Finding("place.other", "red", _("place"), sentence, values)
    else:
        yield Finding("place.same", "good", _("place"), _("It is where it last ran."))
    yield from _copies()


def _copies() -> Iterator[Finding]:
    """Whether another copy took over, as far as the backup places can say."""
    standing, about = copied_installation.ask_places(dbclock.asked()), _("copies")
    values: dict[str, object] = {"what": lambda: copied_installation.what_places_say(standing)}
    if standing.rival is not None:
        sentence = _("%(what)s Decide which copy sends: %(command)s")
        yield Finding("place.taken-over", "red", about, sentence, values | {"command": "samizdat release"})
    elif standing.places:
        yield Finding("place.copies", "good" if standing.is_known else "amber", about, "%(what)s", values)


def spelling_tools() -> Iterator[Finding]:
    if command := spelling.missing():
        sentence = _("Spelling isn't checked in every language here. Run: %(command)s")
        yield Finding("writing.spelling-missing", "amber", _("spelling"), sentence, {"command": command})
    else:
        yield Finding("writing.spelling", "good", _("spelling"), _("hunspell reads English and Russian."))


def standard_texts() -> Iterator[Finding]:
    wrong, about = list(phrases_override.wrong()), _("standard texts of emails")
    for why in wrong:
        yield Finding("writing.texts-wrong", "amber", about, "%(why)s", {"why": why})
    if option("SAMIZDAT_WORDS") and not wrong:
        sentence = _("Your own texts from %(folder)s are used.")
        yield Finding("writing.texts", "good", about, sentence, {"folder": option("SAMIZDAT_WORDS")})


# What to do about something in the database that is not ours, by how its name begins.
_REMEDIES = {
    "setting ": _(
        "%(what)s isn't ours. If none of you set it, reset it: ALTER ROLE … RESET, or ALTER DATABASE … RESET."
    ),
    "role ": _(
        "%(what)s isn't ours. If none of you granted these rights, revoke them: REVOKE. Then check what was read."
    ),
    "default rights ": _(
        "%(what)s isn't ours. It gets rights to tables of later versions: ALTER DEFAULT PRIVILEGES … REVOKE."
    ),
    "publication ": _("%(what)s isn't ours. It copies rows to another place. If none of you created it, drop it."),
    "replication slot ": _(
        "%(what)s isn't ours. It copies rows to another place. If none of you created it: pg_drop_replication_slot."
    ),
    "subscription ": _("%(what)s isn't ours. It writes rows from another place. If none of you created it, drop it."),
}


_DROP = _(
    "%(what)s isn't ours. It can undo repairs, hide rows, and copy or delete later ones. If none of you created it, "
    "drop it."
)


# As many are named.
_NAMED = 20


# Seconds in which indexes are looked at.
INDEX_SECONDS = 10.0


def foreign() -> Iterator[Finding]:
    """What the database runs by itself, now or in the last days."""
    if foreign_objects := database_catalog.watch(dbclock.asked()):
        yield from map(_about, foreign_objects[:_NAMED])
        step: Promise = _(
            "If none of you changed it, someone else can write to the database: stop `serve`, fix it, and change the "
            "password of the database."
        )
        if len(foreign_objects) > _NAMED:
            step = _joined(_("%(more)s more objects differ from ours."), step)
        values = {"more": len(foreign_objects) - _NAMED}
        yield Finding("database.foreign", "red", _("database"), step, values)
    elif happened_since(database_catalog.ALTERED, dbclock.asked() - database_catalog.SHOWN):
        sentence = _(
            "In the last %(days)s days it ran something that isn't ours, an index lacked rows, or a value was changed; "
            "it was removed, rebuilt, or counts for nothing. If none of you did it, someone else can write to the "
            "database: change its password, and check roles and settings."
        )
        yield Finding("database.altered", "red", _("database"), sentence, {"days": ALTERED_DAYS})


def indexes() -> Iterator[Finding]:
    """SQLite: tables that don't match their indexes or hold values of another form, as far as INDEX_SECONDS go; the
    worker looks at all of them."""
    if not on_sqlite():
        return
    until = time.monotonic() + INDEX_SECONDS
    path = str(connection.settings_dict["NAME"])
    is_copy = bool(copied_installation.differs())
    for name, misshapen in database_indexes.damaged(path, lambda: time.monotonic() > until):
        if is_copy and not misshapen:
            continue  # place() says what to do: `serve` starts no damaged copy, so it rebuilds nothing.
        values = {"what": name, "command": "samizdat log check"}
        sentence = (
            _(
                "A value in %(what)s isn't written as Samizdat writes it, and counts for nothing. Someone else can "
                "write to the database. Run: %(command)s. Restore the table from a backup."
            )
            if misshapen
            else _(
                "An index of %(what)s lacks rows, so a “no” or a cancellation can be overlooked. Restart `serve`: it "
                "rebuilds the index. If the disk isn't broken, someone else can write to the database."
            )
        )
        yield Finding("database.index", "red", _("database"), sentence, values)


def forged_events() -> Iterator[Finding]:
    if happened_since("event.forged", dbclock.asked() - timedelta(days=ALTERED_DAYS)):
        sentence = _(
            "In the last %(days)s days someone without keys wrote an event into the database. It had no effect. Check "
            "who else can write to the database, change its password, then run: %(command)s"
        )
        values = {"days": ALTERED_DAYS, "command": "samizdat log check"}
        yield Finding("database.event-forged", "red", _("events"), sentence, values)


def _about(name: str) -> Finding:
    """One thing in the database, and what to do about it."""
    values: dict[str, object] = {"what": name}
    if name.endswith((database_catalog.MISSING, database_catalog.CHANGED)):
        sentence: str | Promise = _("%(what)s. Restore it as in samizdat/accounts/%(schema)s, or restore a backup.")
        return _foreign_object(sentence, values | {"schema": database_catalog.file(connection.vendor).name})
    for table in database_catalog.IN_ORDER:  # By the whole name: whoever writes the database names what is in it.
        if name == f"sequence public.{table}_id_seq{database_catalog.BEHIND}":
            advance = f"SELECT setval('public.{table}_id_seq', (SELECT max(id) FROM public.{table}));"
            sentence = _("%(what)s: it would give numbers twice. Run in the database: %(command)s")
            return _foreign_object(sentence, values | {"command": advance})
    remedy = next((words for kind, words in _REMEDIES.items() if name.startswith(kind)), _DROP)
    return _foreign_object(remedy, values)


def _foreign_object(sentence: str | Promise, values: dict[str, object]) -> Finding:
    return Finding("database.foreign", "red", _("database"), sentence, values)


def public_role() -> Iterator[Finding]:
    if role_guard.shut_out(connections["publicdb"]):
        sentence = _(
            "The public process repeatedly took database locks that it must not take, so its database role is blocked "
            "for ten minutes. Someone else may control it: check that server, then restart `serve`."
        )
        yield Finding("process.locks", "red", _("public pages"), sentence)


def public_process() -> Iterator[Finding]:
    if happened_since("publicdb.altered", dbclock.asked() - timedelta(days=ALTERED_DAYS)):
        sentence = _(
            "In the last %(days)s days they were changed by someone else. They were restored, but someone may control "
            "the public process or write to the database. Stop `serve`, and check that server."
        )
        yield Finding("process.pages-altered", "red", _("public pages"), sentence, {"days": ALTERED_DAYS})
    if happened_since("publicdb.mended", dbclock.asked() - timedelta(days=ALTERED_DAYS)):
        sentence = _(
            "In the last %(days)s days its file was damaged. It was created again, with whatever could be read of what "
            "subscribers had sent. Check the disk (`dmesg`), and if the disk is fine, who else can write there."
        )
        yield Finding("publicdb.mended", "amber", _("public database"), sentence, {"days": ALTERED_DAYS})
    if data_folder().stat().st_mode & stat.S_ISGID:  # As `serve` leaves it for the other user's group.
        yield Finding("process.own-user", "good", _("public pages"), _("They run as their own user."))
    else:
        sentence = _(
            "They run as the same user as the rest, so anyone who takes them over has everything. Let the system start "
            "`serve` as root with SAMIZDAT_USER and SAMIZDAT_PUBLIC_USER, as in docs/small-server.md."
        )
        yield Finding("process.same-user", "amber", _("public pages"), sentence)

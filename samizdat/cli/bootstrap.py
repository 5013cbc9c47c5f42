"""Django is loaded inside commands, not at import: `samizdat --help` answers at once."""

import contextlib
import getpass
import importlib.util
import logging
import os
import pkgutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

import click

from samizdat import wakeups
from samizdat.cli.output import CommandFailed, note, settings
from samizdat.options import data_folder, option
from samizdat.vault.errors import BEFORE_RELEASE, DataBeforeRelease, VaultError

if TYPE_CHECKING:
    from samizdat.accounts.models import Organization

# Apps whose tables are called otherwise since the first release; every database before it has them.
_RETIRED = {"gate", "rights", "exporting"}
_BEFORE_RELEASE = (BEFORE_RELEASE, DataBeforeRelease.code)
_NEWER = (
    "This database is from a newer version of Samizdat. Install that version or a newer one. Nothing was changed.",
    "database_newer",
)


def load_django(logs: bool = False) -> None:
    """logs: for what runs on and on. A command that ends says one sentence; its logs are for --debug."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "samizdat.settings")
    import django

    django.setup()
    from samizdat.vault.sources import passphrase

    passphrase.ask_by(ask if can_ask() else None)
    context = click.get_current_context(silent=True)
    if context and not (logs or settings().debug or os.environ.get("SAMIZDAT_DEBUG")):
        logging.getLogger("samizdat").setLevel(logging.CRITICAL)


def can_ask() -> bool:
    """Whether somebody sits at a terminal. What is piped in is not asked for: getpass opens the terminal itself."""
    context = click.get_current_context(silent=True)
    return not (context and settings().json) and (sys.stdin.isatty() or sys.stderr.isatty())


def ask(question: str) -> str:
    """What somebody types unseen. Errors: CommandFailed."""
    try:
        return getpass.getpass(question)
    except EOFError:
        raise CommandFailed("No passphrase entered. Run this again.", "no_passphrase") from None


def open_house(logs: bool = False, key: Callable[[], bytes] | None = None) -> None:
    """Django, a data folder with a schema that is ours, and the keys. key: where the instance key comes from, if no
    `serve` has it and nobody is to be asked for it twice. Failed, VaultError with a sentence."""
    folder = data_folder()
    refuse_lost_database()
    if not option("DATABASE_URL") and not (folder / "samizdat.sqlite3").exists():
        raise CommandFailed(
            (
                f"{folder} is empty. Run `samizdat init --organization NAME --admin -`, or set SAMIZDAT_DATA to "
                "your data folder."
            ),
            "no_data",
        )
    load_django(logs)
    if option("DATABASE_URL"):
        _refuse_pooler()
    check_schema()
    from samizdat.vault import keyring

    share_keys()
    keyring.open_source(key)
    keyring.open_for_django()
    if _ends_when_locked and not logs:
        threading.Thread(target=_watch_locks, name="locks", daemon=True).start()


def share_keys() -> None:
    """Until this process ends; `serve` until commands find it. Waits for a command that replaces the instance key.
    Errors: KeyRefused."""
    from samizdat.delivery.engine import key_users

    if _ends_when_locked:
        key_users.share()


# Set by the program itself: what is called inside of another process must not end that one.
_ends_when_locked = False

# Seconds until a command looks whether an organization was locked: most have ended. Then it looks each second, as key
# servers do, and has so many to stop.
SHORT, TO_STOP = 3.0, 5.0


def end_when_locked() -> None:
    global _ends_when_locked
    _ends_when_locked = True


def _watch_locks() -> None:
    """A command that has keys of an organization which is locked ends, as the processes of `serve` do. So does each
    once a key service gives the key no longer."""
    from django.db import DatabaseError, connections

    from samizdat.vault import keyring, locks

    time.sleep(SHORT)
    sentence = "The organization was locked, so this command ends."
    while True:
        with contextlib.suppress(DatabaseError):
            if any(map(keyring.holds, locks.numbers())):
                break
        if _key_is_gone():
            sentence = "The key service doesn't give the key any more, so this command ends."
            break
        connections.close_all()
        time.sleep(wakeups.until_next())
    note(sentence)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(TO_STOP)
    os._exit(1)


def _key_is_gone() -> bool:
    """Whether a key service gave it and gives it no longer: to us, or to the running `serve`, which has it then."""
    from samizdat.vault import keyring
    from samizdat.vault.source import InstanceSource
    from samizdat.vault.sources import key_service

    if not key_service.is_set():
        return False
    source = keyring.open_source()
    if isinstance(source, InstanceSource):
        return key_service.is_over()
    try:
        source.derive("key locks")
    except VaultError:
        return True
    return False


def refuse_lost_database() -> None:
    """Errors: CommandFailed, where the database is gone from a folder that a server has used: another one made there
    would throw away what subscribers have sent since."""
    folder = data_folder()
    database = folder / "samizdat.sqlite3"
    if option("DATABASE_URL") or (database.exists() and database.stat().st_size):
        return
    if any((folder / name).exists() for name in ("serve.lock", "newest", "journals")):
        raise CommandFailed(
            f"The database {database} is gone, but {folder} has other files of this installation. Rename the folder, "
            "keep it and the key file, and restore the newest backup: `samizdat restore FROM`.",
            "database_lost",
        )


def check_schema() -> None:
    """Refuses a database that is older or newer than the code."""
    for alias in aliases():
        applied, ours = migrations(alias)
        if alias == "publicdb" and not applied:
            continue
        if not applied:
            raise CommandFailed("The database has no tables yet. Run `samizdat init` or `samizdat upgrade`.", "no_data")
        if ours - applied:
            raise CommandFailed("This database is older than the program. Run `samizdat upgrade`.", "database_older")


def aliases() -> list[str]:
    """Databases whose tables can be looked at."""
    from samizdat.publicdb import sqlite_file

    return sqlite_file.readable_databases()


def _refuse_pooler() -> None:
    """Something between us and the server drops what we ask for at the start of a session. A pooler that lends sessions
    by the transaction mixes up our two schemas then, and tables seem to be missing. Errors: Pooled."""
    from samizdat import db
    from samizdat.delivery.engine.locks import check_sessions

    if not db.is_as_asked():
        check_sessions()


def migrations(alias: str) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """(app, name) of those that the database of this alias has, and of those that the program has for it.

    By the names of their files: Django's loader would import a hundred modules at the start of every command. Errors:
    Failed, of a database that is newer than the program or from before its first release.
    """
    from django.apps import apps

    from samizdat import db

    ours = set()
    for app in apps.get_app_configs():
        folder = importlib.util.find_spec(f"{app.name}.migrations")
        files = pkgutil.iter_modules(folder.submodule_search_locations) if folder else ()
        ours |= {(app.label, file.name) for file in files if file.name[0] not in "_~"}
    applied, there = ({key for key in keys if _belongs(alias, key[0])} for keys in (db.migrated(alias), ours))
    if unknown := applied - there:
        raise CommandFailed(*(_BEFORE_RELEASE if _RETIRED & {app for app, _name in unknown} else _NEWER))
    return applied, there


def _belongs(alias: str, app: str) -> bool:
    return (app == "publicdb") == (alias == "publicdb")


def organization() -> "Organization":
    from samizdat.accounts.queries import organization_named

    return organization_named(settings().organization)


def now() -> datetime:
    """The time of the house: on PostgreSQL the database's, for this machine's clock may be wrong."""
    from samizdat import dbclock

    return dbclock.asked()

"""keys lock, unlock: in an emergency nobody gets an organization's keys."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from samizdat.cli import bootstrap
from samizdat.cli.output import CommandFailed, common, confirm, note, say, settings
from samizdat.options import data_folder
from samizdat.vault.errors import STRICT, KeysDestroyed, OrganizationLocked

if TYPE_CHECKING:
    from samizdat.accounts.models import Organization
    from samizdat.vault.socket_source import SocketSource


_ALL = click.option("--all", "every", is_flag=True, help="All organizations of this installation.")


@click.command("lock")
@_ALL
@click.option("--practice", is_flag=True, help="Lock, check that no process has the keys, unlock, and say how long.")
@partial(common)
def keys_lock(every: bool, practice: bool) -> None:
    """Lock the organization: within 10 seconds no process has its keys, its people are signed out and sending stops."""
    bootstrap.open_house()
    from samizdat.delivery.actions import key_locks

    rows = _organizations(every)
    if practice:
        _practice(rows)
        return
    locked = [row.slug for row in rows if key_locks.lock(row, by=None, now=bootstrap.now())]
    _say(rows, locked, "locked")


@click.command("unlock")
@_ALL
@partial(common)
def keys_unlock(every: bool) -> None:
    """Unlock the organization. Campaigns that were waiting go on."""
    bootstrap.open_house()
    from samizdat.delivery.actions import key_locks

    rows = _organizations(every)
    locked = [row for row in rows if not key_locks.is_unlocked(row)]
    left = _that_stay_locked(locked, every)
    if names := ", ".join(row.slug for row in locked if row not in left):
        confirm(f"Unlock {names}? Its team can sign in again, and campaigns go on.")
    unlocked = [row.slug for row in locked if row not in left and key_locks.unlock(row, by=None, now=bootstrap.now())]
    _say([row for row in rows if row not in left], unlocked, "unlocked", left)


def _that_stay_locked(rows: "list[Organization]", every: bool) -> "dict[Organization, OrganizationLocked]":
    """Those of these that this command doesn't unlock, and why. Errors: VaultError, where one of them was meant."""
    from samizdat.vault import locks, strict

    destroyed = {row: KeysDestroyed() for row in rows if locks.are_destroyed(row)}
    closed = {row: OrganizationLocked(STRICT) for row in rows if row not in destroyed and strict.is_strict(row)}
    left = {**destroyed, **closed}
    if left and not every:
        raise next(iter(left.values()))
    return left


# Seconds in which the keys have to be out of every process, and back.
PROMISED, PATIENCE = 10.0, 120.0


def _practice(rows: "list[Organization]") -> None:
    """Errors: CommandFailed; then it is unlocked all the same."""
    from samizdat.vault.socket_source import SocketSource

    running = SocketSource.running(data_folder())
    if running is None:
        raise CommandFailed("`samizdat serve` doesn't run here, so there is nothing to check. Start it.", "not_running")
    names = ", ".join(row.slug for row in rows)
    confirm(f"Practice with {names}? Its people are signed out, and sending pauses for some seconds.")
    results = [_practice_one(row, running) for row in rows]
    lines = [
        f"{result['organization']}: no process had its keys after {result['gone']:.1f} s, and unlocking brought "
        f"everything back in {result['back']:.1f} s."
        for result in results
    ]
    say({"practiced": results}, *lines)


def _practice_one(row: "Organization", running: "SocketSource") -> dict[str, Any]:
    from samizdat.delivery.actions import key_locks
    from samizdat.vault import keyring
    from samizdat.vault.keyserver import KEY_SERVICE
    from samizdat.vault.models import VaultKey

    keys = [(keyring.label_of(key, row), bytes(key.wrapped)) for key in VaultKey.objects.filter(organization=row)]
    keyring.drop([(row.pk, bytes(row.uid))])
    began = time.monotonic()
    if not key_locks.lock(row, by=None, now=bootstrap.now(), is_practice=True):
        raise CommandFailed(f"{row.slug} is locked already. Unlock it first: samizdat keys unlock", "locked")
    try:
        _until(lambda: _refuses(running, keys) and not running.last_lock()["ending"])
        gone = time.monotonic() - began
    except TimeoutError:
        gone = PATIENCE
    is_proven, began = gone <= PROMISED, time.monotonic()
    key_locks.unlock(row, by=None, now=bootstrap.now(), is_proven=is_proven)
    _until(lambda: _gives(running, keys) and {*running.troubles()} <= {KEY_SERVICE})
    if not is_proven:
        sentence = f"After {gone:.0f} s, processes still had keys of {row.slug}. It is unlocked. Run: samizdat doctor"
        raise CommandFailed(sentence, "too_slow")
    return {"organization": row.slug, "gone": round(gone, 2), "back": round(time.monotonic() - began, 2)}


def _refuses(running: "SocketSource", keys: list[tuple[str, bytes]]) -> bool:
    for label, wrapped in keys:
        try:
            running.unwrap(label, wrapped)
        except OrganizationLocked:
            continue
        return False
    return True


def _gives(running: "SocketSource", keys: list[tuple[str, bytes]]) -> bool:
    try:
        return all(running.unwrap(label, wrapped) for label, wrapped in keys)
    except OrganizationLocked:
        return False


def _until(holds: Callable[[], bool]) -> None:
    """Errors: TimeoutError."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.1)


@click.command("lock-codes")
@click.option("--count", type=click.IntRange(1, 50), default=10, show_default=True, help="How many codes.")
@click.option("--to", "file", type=click.Path(path_type=Path), help="Page to write, to print; default: shown here.")
@click.option("--language", type=click.Choice(["en", "ru"]), default="en", show_default=True, help="Of the page.")
@partial(common)
def keys_lock_codes(count: int, file: Path | None, language: str) -> None:
    """Create one-time codes for paper: an email with one of them locks the organization, from any mailbox.
    Codes from before no longer work.
    """
    bootstrap.open_house()
    from django.db import transaction

    from samizdat.delivery.actions import key_locks
    from samizdat.incoming import lock_by_mail
    from samizdat.vault import share_pages
    from samizdat.vault.sources.key_file import write_key_text

    organization, now = bootstrap.organization(), bootstrap.now()
    address = next(iter(lock_by_mail.addresses(organization)), "")
    if not address:
        raise CommandFailed("No email comes in yet. Set a return path or an unsubscribe address first.", "no_mailbox")
    if file and file.exists():
        raise CommandFailed(f"{file} exists already, and nothing is overwritten. Move it away.", "exists")
    if file and not file.absolute().parent.is_dir():
        raise CommandFailed(f"There's no folder {file.parent}. Create it, or name another file.", "no_folder")
    with transaction.atomic():  # Codes that nobody can write down lock nothing, and those from before would be gone.
        codes = key_locks.make_codes(organization, count, by=None, now=now)
        if file:
            write_key_text(file.absolute(), share_pages.codes_as_html(codes, address, now.date(), language))
    document: dict[str, object] = {"address": address, "created": now.date(), "count": count}
    if file:
        after = "Print it, then delete the file. Codes from before no longer work."
        say({**document, "file": str(file)}, f"{count} codes are in {file}. {after}")
        return
    say({**document, "codes": codes}, *share_pages.codes_as_lines(codes, address, now.date()))


@click.command("destroy")
@click.argument("organization")
@click.option("--yes-destroy", "typed", metavar="NAME", help="Instead of typing the name: for scripts.")
@partial(common)
def keys_destroy(organization: str, typed: str | None) -> None:
    """Destroy the keys of an organization for good: nobody reads its subscribers, campaigns or settings again. This
    can't be undone.
    """
    bootstrap.open_house()
    from samizdat.accounts.models import Organization
    from samizdat.delivery.actions import key_locks

    row = Organization.objects.filter(slug=organization).first()
    if row is None:
        raise CommandFailed(f"There is no organization “{organization}”.", "no_organization")
    if typed is None:
        if not bootstrap.can_ask():
            raise CommandFailed("Say which one with --yes-destroy NAME. This can't be undone.", "not_confirmed")
        for line in _what_becomes_of_it():
            note(line)
        typed = click.prompt(f"This can't be undone. Type {organization} to destroy its keys", err=True)
    if typed.strip() != organization:
        raise CommandFailed("That isn't its name. Nothing was destroyed.", "not_confirmed")
    erased = key_locks.destroy(row, by=None, now=bootstrap.now())
    if erased is None:
        say({"organization": organization, "state": "destroyed", "erased": None}, f"{organization}: already destroyed.")
        return
    document = {"organization": organization, "state": "destroyed", "erased": erased}
    say(document, f"The keys of {organization} are destroyed. {_where_they_still_are(erased)}", *_AFTER)


_AFTER = (
    "Backups, exports and copies of the database from before still have them: delete those.",
    "If `samizdat serve` runs, restart it: then nothing of them is in memory.",
)


def _what_becomes_of_it() -> list[str]:
    return [
        "Nobody will read its subscribers, campaigns, replies, settings or DKIM keys again, on this server or in any "
        "copy that is made from now on. Links in sent emails stop working, and nothing is sent.",
        "Backups and exports from before still open with their own keys, and shares on paper open those backups.",
    ]


def _where_they_still_are(erased: bool) -> str:
    if erased:
        return "The database's files have nothing of them any more."
    return "The database's server may still have them in its log and in free space, until it writes over both."


def _organizations(every: bool) -> "list[Organization]":
    """--all and --organization at once are a mistake."""
    from samizdat.accounts.models import Organization

    if every and settings().organization:
        raise click.UsageError("Use --all or --organization, not both.")
    return list(Organization.objects.order_by("pk")) if every else [bootstrap.organization()]


def _say(
    rows: "list[Organization]",
    changed: list[str],
    state: str,
    left: "Mapping[Organization, OrganizationLocked] | None" = None,
) -> None:
    """left: those that stay as they are, and why."""
    left = left or {}
    states = [{"organization": row.slug, "state": state} for row in rows]
    states += [{"organization": row.slug, "state": "locked", "why": why.code} for row, why in left.items()]
    lines = [f"{row.slug}: {state if row.slug in changed else f'already {state}'}." for row in rows]
    lines += [f"{row.slug}: {why}" for row, why in left.items()]
    say({"organizations": states, "changed": changed}, *lines, *(_how_to_unlock(rows) if state == "locked" else []))


def _how_to_unlock(rows: "list[Organization]") -> list[str]:
    """A strict one opens with a passphrase of its people alone."""
    from samizdat.vault import strict

    kinds = {strict.is_strict(row) for row in rows}
    commands = {False: "samizdat keys unlock", True: "samizdat keys strict unlock"}
    also = {False: "", True: " (strict organizations)"} if len(kinds) > 1 else {False: "", True: ""}
    return [f"Unlock with: {commands[kind]}{also[kind]}" for kind in sorted(kinds)]

"""keys: where the instance key comes from, a passphrase for its file, shares of it on paper; locking."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from samizdat.cli import bootstrap, key_shares
from samizdat.cli.key_locks import keys_destroy, keys_lock, keys_lock_codes, keys_unlock
from samizdat.cli.key_rotation import keys_rotate
from samizdat.cli.output import CommandFailed, common, first_line, note, say, table
from samizdat.cli.strict_keys import strict
from samizdat.health.words import missing_while_it_runs
from samizdat.options import data_folder, key_file, option
from samizdat.vault.errors import KeyFileMissing, VaultError

if TYPE_CHECKING:
    from samizdat.vault.shares import SetDetails
    from samizdat.vault.source import InstanceSource

PATH = click.Path(path_type=Path)


@click.group("keys")
def keys() -> None:
    """The instance key: its file, its passphrase, its shares on paper. Lock an organization in an emergency, and unlock
    it."""


keys.add_command(keys_lock)
keys.add_command(keys_destroy)
keys.add_command(keys_lock_codes)
keys.add_command(keys_unlock)
keys.add_command(keys_rotate)
keys.add_command(strict)


# -- show --------------------------------------------------------------------------------------------------------------


@keys.command("show")
@common
def keys_show() -> None:
    """Show where the key comes from, its fingerprint, and which shares there are."""
    bootstrap.open_house()
    from samizdat.core.crypto import fingerprint
    from samizdat.vault import keyring, shares

    known = [known.details for known in shares.sets(keyring.open_source())]
    mark = fingerprint.text(keyring.fingerprint())
    kind, sentence = _place()
    say(
        {"source": kind, "fingerprint": mark, "share_sets": [key_shares.document(details) for details in known]},
        sentence,
        f"Fingerprint: {mark}",
        *_about_sets(known),
    )


def _place() -> tuple[str, str]:
    """("file", "passphrase", "command" or "missing", a sentence)."""
    from samizdat.vault import sources

    try:
        kind = sources.check()
    except KeyFileMissing:
        return "missing", missing_while_it_runs(key_file())
    except VaultError as error:
        return "missing", str(error)
    sentences = {
        "file": f"The key is in {key_file()}, without a passphrase. Anyone who takes the whole disk has it.",
        "passphrase": f"The key is in {key_file()}, with a passphrase.",
        "command": "The key comes from SAMIZDAT_KEY_COMMAND.",
        "keyservice": "The key comes from a key service, as long as it gives it (SAMIZDAT_KEY_SERVICE).",
    }
    return kind, sentences[kind]


def _about_sets(known: "list[SetDetails]") -> list[str]:
    if not known:
        return ["There are no shares on paper. Create them: samizdat keys shares --threshold 2 --of 3"]
    rows = [
        (row.first_words, f"{row.threshold} of {row.count}", str(row.created), str(row.practiced or "never"))
        for row in known
    ]
    lines = table(("shares begin with", "needed", "created", "last practice"), rows)
    return lines if all(row.practiced for row in known) else [*lines, "Try them: samizdat keys practice"]


# -- passphrase --------------------------------------------------------------------------------------------------------


@keys.command("passphrase")
@click.option("--to", "to", type=PATH, help="File to write; default: the key file’s name with .new.")
@click.option("--passphrase-file", type=click.Path(), help="File with the new passphrase. Asked for if not given.")
@common
def keys_passphrase(to: Path | None, passphrase_file: str | None) -> None:
    """Write a key file that opens with a passphrase, or with another one. The present key file stays as it is; what
    to do with both is said afterwards.
    """
    bootstrap.open_house()
    from samizdat.core.crypto import passphrase

    target = key_shares.new_path(to or key_file().with_name(f"{key_file().name}.new"))
    source, key = _own_key()
    typed = new_passphrase(passphrase_file)
    wrapped = passphrase.WrappedKey.wrap(key, typed, _fingerprint(source), os.urandom(16), os.urandom(12))
    _write_proven(target, wrapped.text, typed, key)
    say({"key_file": str(target)}, f"{target} opens with the new passphrase. Nothing else was changed.", *_next(target))


def _write_proven(target: Path, text: str, typed: str, key: bytes) -> None:
    """Writes the file, and opens it from the disk. Errors: CommandFailed; then there is none."""
    from samizdat.core.crypto.passphrase import PassphraseError
    from samizdat.vault.sources.key_file import read_key_text, wrapped_in, write_key_text

    write_key_text(target, text)
    try:
        wrapped = wrapped_in(read_key_text(target))
        proven = wrapped is not None and wrapped.open(typed) == key
    except (VaultError, PassphraseError):
        proven = False
    if not proven:
        target.unlink()
        raise CommandFailed("The new key file didn't open again, so it was removed. Check the disk.", "not_proven")


def _next(target: Path) -> list[str]:
    if option("SAMIZDAT_KEY_SERVICE"):
        put = f"Set SAMIZDAT_KEY_FILE to {target}, and remove SAMIZDAT_KEY_SERVICE."
    elif option("SAMIZDAT_KEY_COMMAND"):
        put = f"Set SAMIZDAT_KEY_FILE to {target}, and remove SAMIZDAT_KEY_COMMAND."
    else:
        put = f"Put it in place: mv -n {target} {key_file()}"
    return [
        "1. Move the present key file away from this server, or create shares: without them, a forgotten passphrase "
        "means that nothing can be read again.",
        "2. Stop `samizdat serve`.",
        f"3. {put}",
        "4. Start `samizdat serve`: it asks for the passphrase. Without a terminal: SAMIZDAT_PASSPHRASE_FILE.",
        "5. Delete old copies of the key file from this server and its backups: they open without a passphrase.",
    ]


def new_passphrase(file: str | None) -> str:
    """Errors: CommandFailed; PassphraseError for one from a file that won't do."""
    from samizdat.core.crypto.passphrase import SHORTEST, PassphraseError, check_new, normalized

    if file:
        typed = first_line(file)
        check_new(typed)
        return typed
    if not bootstrap.can_ask():
        raise CommandFailed("Enter the new passphrase with --passphrase-file.", "no_passphrase")
    while True:
        try:
            typed = bootstrap.ask(f"New passphrase (at least {SHORTEST} characters, for example six unrelated words): ")
            check_new(typed)
            if normalized(bootstrap.ask("Repeat the passphrase: ")) == normalized(typed):
                return typed
            note("The passphrases don't match. Enter both again.")
        except PassphraseError as error:
            note(str(error))


_FINISH = "Run: samizdat keys rotate instance"


def _own_key() -> "tuple[InstanceSource, bytes]":
    """The instance key, which a running `serve` gives to nobody: from where it came. Errors: VaultError."""
    from samizdat.vault import keyring, sources
    from samizdat.vault.source import InstanceSource

    key = sources.instance_key()
    source = InstanceSource(key)
    if keyring.belongs(source) is False and keyring.next_key(source) is not None:
        raise CommandFailed(
            f"The instance key was replaced, but not yet where it comes from. Nothing was written. {_FINISH}", "pending"
        )
    if keyring.belongs(source) is False:
        raise CommandFailed(
            "This isn't the key of this database, so nothing was written. Check SAMIZDAT_KEY_FILE.", "key_wrong"
        )
    return source, key


def _fingerprint(source: "InstanceSource") -> str:
    from samizdat.vault.shares import fingerprint_of

    return fingerprint_of(source)


# -- shares ------------------------------------------------------------------------------------------------------------


@keys.command("shares")
@click.option("--threshold", type=int, required=True, help="How many shares restore the key.")
@click.option("--of", "count", type=int, required=True, help="How many there are, 16 at most.")
@click.option("--to", "folder", type=PATH, help="Folder for one page per share, to print; default: shown here.")
@click.option("--language", type=click.Choice(["en", "ru"]), default="en", show_default=True, help="Of the pages.")
@common
def keys_shares(threshold: int, count: int, folder: Path | None, language: str) -> None:
    """Create shares of the key in words, for paper. Give each to another person. They are stored nowhere, except with
    --to.
    """
    bootstrap.open_house()
    from samizdat.vault import keyring, shares

    paths = key_shares.pages_in(folder, count)
    source, key = _own_key()
    before = [known.details for known in shares.sets(keyring.open_source())]
    now = bootstrap.now()
    details, words = shares.make(key, threshold, count, now.date(), before)
    _remember(details)
    key_shares.say_new(words, details, _fingerprint(source), folder, paths, language)


def _remember(details: "SetDetails") -> None:
    from django.db import transaction

    from samizdat.accounts.models import Organization
    from samizdat.events.actions import record
    from samizdat.vault import keyring, shares

    with transaction.atomic():
        shares.remember_new(details, keyring.open_source())
        for organization in Organization.objects.order_by("id"):
            record("keys.shares_created", organization, now=bootstrap.now())


# -- practice and recover ----------------------------------------------------------------------------------------------


@keys.command("practice")
@common
def keys_practice() -> None:
    """Check that enough shares restore the key of this installation. Nothing is changed; the day is remembered.

    Reads the words of one share after the other from standard input. Four characters of each word are enough.
    """
    bootstrap.open_house()
    from samizdat.core.crypto import fingerprint
    from samizdat.vault import keyring, shares
    from samizdat.vault.source import InstanceSource

    collected = shares.Collected(fingerprint.first_word(keyring.fingerprint()))
    source = InstanceSource(key_shares.entered(collected))
    if fingerprint.text(keyring.fingerprint()) != _fingerprint(source) or keyring.belongs(source) is False:
        raise _others(_fingerprint(source))
    used = sorted(share.index + 1 for share in collected.shares)
    known = _remember_practice(collected.shares[0].identifier)
    say(
        {"opens": True, "shares": used, "known": known},
        f"These shares restore the key of this installation (numbers {', '.join(map(str, used))}).",
        *([] if known else ["This set isn't remembered here: it's newer than this copy of the database."]),
        "Clear the window: the words are still in it.",
    )


def _remember_practice(identifier: int) -> bool:
    from django.db import transaction

    from samizdat.accounts.models import Organization
    from samizdat.events.actions import record
    from samizdat.vault import keyring, shares

    now = bootstrap.now()
    with transaction.atomic():
        known = shares.remember_practice(identifier, now.date(), keyring.open_source())
        for organization in Organization.objects.order_by("id"):
            record("keys.shares_practiced", organization, now=now)
    return known is not None


@keys.command("recover")
@click.option("--to", "to", type=PATH, help="File to write; default: the key file.")
@common
def keys_recover(to: Path | None) -> None:
    """Write the key file again from enough shares, after it was lost. Never overwrites a file.

    Reads the words of one share after the other from standard input. Four characters of each word are enough.
    """
    bootstrap.load_django()
    from samizdat.vault import shares
    from samizdat.vault.source import InstanceSource
    from samizdat.vault.sources.key_file import text_of, write_key_text

    target = key_shares.new_path(to or key_file())
    if data_folder() in target.parents:
        raise CommandFailed(f"{target} is inside the data folder. Use --to with a path outside.", "key_inside")
    key = key_shares.entered(shares.Collected())
    source = InstanceSource(key)
    opens, former = _belongs(source), _is_former(source)
    if opens is False and not former:
        raise _others(_fingerprint(source))
    write_key_text(target, text_of(key))
    say(
        {"key_file": str(target), "fingerprint": _fingerprint(source), "opens": opens},
        f"The key file is in {target} again; its fingerprint is {_fingerprint(source)}.",
        f"It was replaced, and opens this database until that is finished. {_FINISH}"
        if former
        else "It opens this database."
        if opens
        else "There is no database here that it could be tried on.",
        "Save a copy away from this server. Clear the window: the words are still in it.",
    )


def _belongs(source: "InstanceSource") -> bool | None:
    from samizdat.vault import keyring

    if not option("DATABASE_URL") and not (data_folder() / "samizdat.sqlite3").exists():
        return None
    return keyring.belongs(source)


def _is_former(source: "InstanceSource") -> bool:
    """Whether it was replaced a moment ago, so that it still opens the database."""
    from samizdat.vault import keyring

    return _belongs(source) is False and keyring.next_key(source) is not None


def _others(mark: str) -> CommandFailed:
    return CommandFailed(
        f"These shares restore the key of another installation, with the fingerprint {mark}. Nothing was changed.",
        "other_installation",
    )

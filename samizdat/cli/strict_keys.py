"""keys strict: an organization whose keys open only with a passphrase of its people."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from samizdat.cli import bootstrap, key_shares
from samizdat.cli.output import CommandFailed, common, confirm, first_line, note, say
from samizdat.cli.secret_arguments import ADDRESS

if TYPE_CHECKING:
    from samizdat.accounts.models import Organization, Person
    from samizdat.vault.models import StrictKey

_FILE = click.option("--passphrase-file", type=click.Path(), help="File with the passphrase. Asked for if not given.")
PATH = click.Path(path_type=Path)
_HOURS = click.IntRange(1, 744)


@click.group("strict")
def strict() -> None:
    """Keys that open only with a passphrase of the organization's people, on top of the instance key."""


@strict.command("status")
@partial(common)
def strict_status() -> None:
    """Show whether the organization is strict, whether it's locked, and whose passphrases unlock it."""
    bootstrap.open_house()
    from samizdat.vault import locks
    from samizdat.vault import strict as keys

    organization = bootstrap.organization()
    people = [_email(row.person) for row in keys.people(organization)]
    waiting = [_email(row.person) for row in keys.waiting(organization)]
    locked = locks.state(organization) is not None
    document = {"strict": bool(people), "locked": locked, "people": people, "waiting": waiting}
    lines = ["Strict." if people else "Not strict.", "Locked." if locked else "Unlocked."]
    lines += [f"{email}: can unlock it" for email in people]
    lines += [f"{email}: has set a passphrase, which doesn't unlock it yet" for email in waiting]
    say({"organization": organization.slug, **document}, *lines)


@strict.command("on")
@partial(common)
def strict_on() -> None:
    """Turn it on for those who have set a passphrase, at least two. It stays unlocked for 8 hours."""
    bootstrap.open_house()
    from samizdat.delivery.actions import strict_keys

    organization = bootstrap.organization()
    strict_keys.may_turn_on(organization)
    note("If all of these passphrases are forgotten, nobody can read the organization's data again, not even with the")
    note(
        "instance key and its shares. Backups from before still open without a passphrase. Delete them once there is a"
    )
    note("new one.")
    confirm(f"Make {organization.slug} strict?")
    erased = strict_keys.turn_on(organization, by=None, now=bootstrap.now())
    say({"organization": organization.slug, "strict": True, "erased": erased}, f"{organization.slug}: strict.")


@strict.command("off")
@_FILE
@partial(common)
def strict_off(passphrase_file: str | None) -> None:
    """Turn it off. It has to be unlocked, and needs a passphrase once more."""
    bootstrap.open_house()
    from samizdat.delivery.actions import strict_keys
    from samizdat.vault import strict as keys

    organization = bootstrap.organization()
    confirm(f"Turn it off for {organization.slug}? Then the instance key alone opens its data.")
    typed = _passphrase(passphrase_file)
    strict_keys.turn_off(organization, keys.people(organization), typed, by=None, now=bootstrap.now())
    say({"organization": organization.slug, "strict": False}, f"{organization.slug}: no longer strict.")


@strict.command("add")
@click.argument("email", type=ADDRESS)
@click.option("--new-passphrase-file", type=click.Path(), help="File with their passphrase. Asked for if not given.")
@_FILE
@partial(common)
def strict_add(email: str, new_passphrase_file: str | None, passphrase_file: str | None) -> None:
    """Set the passphrase of a person. If the organization is strict already, --passphrase-file is that of somebody who
    can unlock it.
    """
    bootstrap.open_house()
    from samizdat.delivery.actions import strict_keys
    from samizdat.vault import strict as keys

    organization = bootstrap.organization()
    person, now = _who_may_unlock(organization, email), bootstrap.now()
    people = keys.people(organization)
    typed = _passphrase(passphrase_file, "Passphrase of somebody who can unlock it: ") if people else ""
    if people:
        keys.opened(organization, people, typed)
    keys.prepare(organization, person.pk, _new(new_passphrase_file), now.date())
    if people:
        strict_keys.add(organization, person, people, typed, by=None, now=now)
    document = {"organization": organization.slug, "person": email, "unlocks": bool(people)}
    after = "can unlock it." if people else "has set a passphrase. It counts once strict is turned on."
    say(document, f"{email} {after}")


@strict.command("change")
@click.argument("email", type=ADDRESS)
@click.option("--new-passphrase-file", type=click.Path(), help="File with the new one. Asked for if not given.")
@_FILE
@partial(common)
def strict_change(email: str, new_passphrase_file: str | None, passphrase_file: str | None) -> None:
    """Change the passphrase of a person, with their present one. The organization may be locked meanwhile."""
    bootstrap.open_house()
    from samizdat.delivery.actions import strict_keys
    from samizdat.vault import strict as keys

    organization = bootstrap.organization()
    person = _person(organization, email)
    row = next((row for row in keys.people(organization) if row.person_id == person.pk), None)
    if row is None:
        raise CommandFailed(_without_passphrase(organization, person, email), "no_passphrase")
    typed = _passphrase(passphrase_file, "Present passphrase: ")
    keys.opened(organization, [row], typed)
    strict_keys.change(organization, row, typed, _new(new_passphrase_file), by=None, now=bootstrap.now())
    document = {"organization": organization.slug, "person": email}
    after = "Backups from before still open with the old one, and so may free space on the disk."
    say(document, f"{email} has a new passphrase. {after}")


def _without_passphrase(organization: "Organization", person: "Person", email: str) -> str:
    from samizdat.vault import strict as keys

    add = f"samizdat keys strict add {email}"
    if not any(row.person_id == person.pk for row in keys.waiting(organization)):
        return f"{email} has no passphrase here. Set one: {add}"
    return f"The passphrase of {email} doesn't count yet, so it needs no present one. Set another one: {add}"


@strict.command("remove")
@click.argument("email", type=ADDRESS)
@_FILE
@partial(common)
def strict_remove(email: str, passphrase_file: str | None) -> None:
    """Remove a person: all keys are wrapped with a new strict key. It has to be unlocked, and needs a passphrase."""
    bootstrap.open_house()
    from samizdat.delivery.actions import strict_keys
    from samizdat.vault import strict as keys

    organization = bootstrap.organization()
    person, typed = _person(organization, email), _passphrase(passphrase_file)
    people = keys.people(organization)
    erased = strict_keys.remove(organization, person, people, typed, by=None, now=bootstrap.now())
    say(
        {"organization": organization.slug, "person": email, "erased": erased},
        f"{email} can no longer unlock it. With older backups and their passphrase, they still can.",
    )


@strict.command("unlock")
@click.option("--hours", type=_HOURS, default=8, show_default=True, help="Then it locks by itself.")
@_FILE
@partial(common)
def strict_unlock(hours: int, passphrase_file: str | None) -> None:
    """Unlock the organization in the running `serve`, with a person's passphrase."""
    bootstrap.open_house()
    from samizdat.delivery.actions import strict_keys
    from samizdat.vault import strict as keys
    from samizdat.vault.socket_source import SocketSource

    organization = bootstrap.organization()
    if not (people := keys.people(organization)):
        raise CommandFailed("This organization isn't strict, so it needs no passphrase.", "not_strict")
    if not isinstance(keys.source_here(), SocketSource):
        raise CommandFailed("`samizdat serve` doesn't run, so nothing can be unlocked. Start it first.", "not_running")
    typed = _passphrase(passphrase_file)
    strict_keys.unlock(organization, people, typed, hours, by=None, now=bootstrap.now())
    document = {"organization": organization.slug, "locked": False, "hours": hours}
    time = "1 hour" if hours == 1 else f"{hours} hours"
    say(document, f"{organization.slug}: unlocked for {time}. Campaigns that were waiting go on.")


@strict.command("shares")
@click.option("--threshold", type=int, required=True, help="How many shares restore the key.")
@click.option("--of", "count", type=int, required=True, help="How many there are, 16 at most.")
@click.option("--to", "folder", type=PATH, help="Folder for one page per share, to print; default: shown here.")
@click.option("--language", type=click.Choice(["en", "ru"]), default="en", show_default=True, help="Of the pages.")
@_FILE
@partial(common)
def strict_shares(threshold: int, count: int, folder: Path | None, language: str, passphrase_file: str | None) -> None:
    """Create shares of the strict key in words, for paper: if all passphrases are forgotten, they open the
    organization's keys. Needs a passphrase.
    """
    bootstrap.open_house()
    from samizdat.delivery.actions import strict_keys

    paths, organization = key_shares.pages_in(folder, count), bootstrap.organization()
    people = _people(organization)
    typed = _passphrase(passphrase_file)
    details, words, mark = strict_keys.make_shares(
        organization, people, typed, threshold, count, by=None, now=bootstrap.now()
    )
    key_shares.say_new(words, details, mark, folder, paths, language)


@strict.command("practice")
@partial(common)
def strict_practice() -> None:
    """Check that enough shares open the organization's keys. Nothing is unlocked; the day is remembered.

    Reads the words of one share after the other from standard input. Four characters of each word are enough.
    """
    bootstrap.open_house()
    from samizdat.delivery.actions import strict_keys
    from samizdat.vault import shares

    organization = bootstrap.organization()
    _people(organization)
    collected = shares.Collected()
    key = key_shares.entered(collected)
    identifier, used = collected.shares[0].identifier, sorted(share.index + 1 for share in collected.shares)
    known = strict_keys.practice_shares(organization, key, identifier, by=None, now=bootstrap.now())
    say(
        {"organization": organization.slug, "opens": True, "shares": used, "known": known},
        f"These shares open the keys of {organization.slug} (numbers {', '.join(map(str, used))}).",
        *([] if known else ["This set isn't remembered here: it's newer than this copy of the database."]),
        "Clear the window: the words are still in it.",
    )


@strict.command("recover")
@click.argument("email", type=ADDRESS)
@click.option("--new-passphrase-file", type=click.Path(), help="File with the new passphrase. Asked for if not given.")
@partial(common)
def strict_recover(email: str, new_passphrase_file: str | None) -> None:
    """Give a person a new passphrase by enough shares, if all passphrases are forgotten.

    Reads the words of one share after the other from standard input. Four characters of each word are enough.
    """
    bootstrap.open_house()
    from samizdat.delivery.actions import strict_keys
    from samizdat.vault import shares

    organization = bootstrap.organization()
    person = _who_may_unlock(organization, email)
    _people(organization)
    new = _new(new_passphrase_file)
    key = key_shares.entered(shares.Collected())
    strict_keys.recover(organization, person, key, new, by=None, now=bootstrap.now())
    say(
        {"organization": organization.slug, "person": email},
        f"{email} can unlock it with the new passphrase: samizdat keys strict unlock",
        "Clear the window: the words are still in it.",
    )


def _people(organization: "Organization") -> "list[StrictKey]":
    """Errors: CommandFailed."""
    from samizdat.vault import strict as keys

    people = keys.people(organization)
    if not people:
        raise CommandFailed("This organization isn't strict, so it has no strict key.", "not_strict")
    return people


def _passphrase(file: str | None, question: str = "Passphrase: ") -> str:
    if file:
        return first_line(file)
    if not bootstrap.can_ask():
        raise CommandFailed("Enter the passphrase with --passphrase-file.", "no_passphrase")
    return bootstrap.ask(question)


def _new(file: str | None) -> str:
    from samizdat.core.crypto.passphrase import SHORTEST, normalized

    if file or not bootstrap.can_ask():
        if not file:
            raise CommandFailed("Enter the new passphrase with --new-passphrase-file.", "no_passphrase")
        return first_line(file)
    while True:
        typed = bootstrap.ask(f"New passphrase (at least {SHORTEST} characters, for example six unrelated words): ")
        if normalized(bootstrap.ask("Repeat the passphrase: ")) == normalized(typed):
            return typed
        note("The passphrases don't match. Enter both again.")


def _person(organization: "Organization", email: str) -> "Person":
    from samizdat.cli.instance import member

    return member(organization, email)


def _who_may_unlock(organization: "Organization", email: str) -> "Person":
    """Errors: CommandFailed, for a viewer as well: they do nothing in the app."""
    from samizdat.accounts import memberships

    person = _person(organization, email)
    if not memberships.has_role(person, organization, ("admin", "editor")):
        raise CommandFailed(
            f"{email} is a viewer or locked. Only an editor or an admin can unlock a strict organization.", "bad_role"
        )
    return person


def _email(person: "Person") -> str:
    from samizdat.accounts import sealed_people

    return sealed_people.email_of(person)

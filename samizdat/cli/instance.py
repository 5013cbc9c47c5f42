"""init, person, serve, worker: the house itself."""

import getpass
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from samizdat import modes
from samizdat.cli import bootstrap
from samizdat.cli.default_senders import of_organization
from samizdat.cli.labels import QUIET
from samizdat.cli.output import CommandFailed, common, confirm, first_line, note, say, settings, table
from samizdat.cli.secret_arguments import ADDRESS, NAME
from samizdat.core.mail.address import normalize
from samizdat.options import data_folder, key_file, option
from samizdat.vault.errors import DataBeforeRelease, VaultError

if TYPE_CHECKING:
    from samizdat.accounts.models import Organization, Person

PORT = click.IntRange(0, 65535)  # 0: any that is free


@click.command()
@click.option("--organization", "name", required=True, help="Name of the organization.")
@click.option(
    "--admin",
    "email",
    type=ADDRESS,
    required=True,
    metavar="EMAIL",
    help="Email address of the first admin; - asks for it.",
)
@click.option("--password-file", type=click.Path(), help="File with their password. Asked for if not given.")
@click.option("--url", "public_url", default="", help="https://… of the public pages.")
@click.option("--desk-url", default="", help="https://… of the app.")
@click.option("--content-url", default="", help="https://… of email previews and images.")
@click.option(
    "--language",
    type=click.Choice(["en", "ru"]),
    help="Language of emails and public pages; otherwise that of the page on which the first admin signs in.",
)
@click.option("--timezone", default="UTC", help="Such as Europe/Riga.")
@click.option("--key-copy", type=click.Path(), help="Where to save the second copy of the key file; `none` declines.")
@partial(common, chooses=False)
def init(
    name: str, email: str, password_file: str | None, key_copy: str | None, language: str | None, **options: str
) -> None:
    """Install: create the data folder, the key file, the organization and its first admin."""
    if language:
        options["language"] = language
    normalize(email)
    copy_to = _copy_to(key_copy) if key_copy not in (None, "none") else None
    password = partial(read_password, password_file, f"Password for {email}")
    organization, person_is_new, key_is_new = _make(name, email, password, options, reads=language or "")
    asked = key_copy is None and _can_ask()
    copy = _second_copy(copy_to, ask=asked) if key_is_new else None

    say(
        {"organization": organization.slug, "data": str(data_folder()), "key_file": str(key_file()), "copy": copy},
        f"{organization.name} is ready in {data_folder()}.",
        *_about_the_key(key_is_new, copy, declined=asked or key_copy == "none"),
        "" if person_is_new else f"{email} keeps their password.",
        "Next: samizdat serve",
    )


def make_house(name: str, email: str, password: str, **settings: str) -> object:
    """What init does, without asking: folder, key, tables, organization, admin. For the demo, whose admin reads the
    language of their browser."""
    return _make(name, email, lambda: password, settings, reads="")[0]


def _make(
    name: str, email: str, password: Callable[[], str], options: dict[str, str], reads: str
) -> "tuple[Organization, bool, bool]":
    """The organization, and whether the admin and the key are new. What fails leaves nothing behind: the next try is a
    first one again, with the words about the second copy of the key."""
    bootstrap.load_django()
    from samizdat.accounts import actions, public_site
    from samizdat.vault.sources.key_file import new_instance_key

    actions.check_settings({**options, "name": name})
    bootstrap.refuse_lost_database()
    new = _needs_key()
    if new:  # Then nobody is known yet, so the password is looked at before anything is made.
        secret = password()
        actions.check_password(secret)
        password = partial(str, secret)
    folder_is_new = not data_folder().exists()
    data_folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    if new:
        new_instance_key(key_file())
    try:
        migrate()
        modes.close(data_folder())
        organization, person_is_new = _found(name, email, password, options, reads)
        _note_place()
    except BaseException:
        if new:
            key_file().unlink()
            if folder_is_new:
                shutil.rmtree(data_folder())
        raise
    public_site.publish(organization)  # So that its pages answer before the first worker runs.
    return organization, person_is_new, new


def _note_place() -> None:
    """A copy of what was only set up, or filled by an import, sends nothing either."""
    from samizdat.delivery.actions import copied_installation

    copied_installation.note_first()


def _needs_key() -> bool:
    """True when a key has to be made. A folder with data but without its key file is never given another one."""
    from samizdat.vault import sources
    from samizdat.vault.sources import key_service

    folder, key = data_folder(), key_file()
    if key_service.is_set() or sources.command_line():
        sources.check()
        return False
    if folder in key.parents:
        raise CommandFailed(
            f"The key file {key} is inside the data folder. Set SAMIZDAT_KEY_FILE to a path outside.",
            "key_inside",
        )
    if key.exists():
        sources.check()
        return False
    if (folder / "samizdat.sqlite3").exists() or (option("DATABASE_URL") and _has_proof()):
        raise CommandFailed(
            (
                f"There is already a database here, but its key file {key} is missing. Restore the copy you saved, or "
                "put it together from its paper shares: `samizdat keys recover`."
            ),
            "key_file_missing",
        )
    return True


def _has_proof() -> bool:
    from django.db import DatabaseError

    from samizdat.vault.models import Proof

    try:
        return Proof.objects.exists()
    except DatabaseError:
        return False


def migrate() -> None:
    """The tables of this version, in both databases."""
    from samizdat import database_migrations
    from samizdat.publicdb import sqlite_file

    if place := sqlite_file.path():
        sqlite_file.make_empty(place)
    # The public database's app alone: without its name Django goes through the migrations of every app, which have
    # nothing to do there, and takes as long as for the house.
    if "publicdb" in bootstrap.aliases():
        database_migrations.migrate("publicdb", "publicdb")
    database_migrations.migrate("default")


def _found(
    name: str, email: str, password: Callable[[], str], options: dict[str, str], reads: str
) -> "tuple[Organization, bool]":
    """reads: the first admin's language; "" for that of the page on which they first sign in."""
    from django.db import transaction

    from samizdat.accounts import actions
    from samizdat.vault import keyring
    from samizdat.vault.actions import prove
    from samizdat.vault.models import Proof

    bootstrap.share_keys()
    keyring.open_for_django()
    now = bootstrap.now()
    source = keyring.open_source()
    with transaction.atomic():
        if not Proof.objects.exists():
            prove(source)
        known = _at_address(email)
        wanted = None if known else password()
        organization = actions.found_organization(name, source=source, today=now.date(), now=now, **options)
        person = known or actions.add_person(email, password=wanted, language=reads, today=now.date())
        actions.give_role(person, organization, "admin", by=None, now=now)
    return organization, known is None


def read_password(file: str | None, question: str) -> str:
    """From the file's first line, or asked for twice, and again until it is long enough. question: without the length,
    which is said with it. Failed where nobody can be asked."""
    if file:
        return first_line(file)
    if not _can_ask():
        raise CommandFailed("Enter the password with --password-file.", "no_password")
    from samizdat.accounts.actions import check_password
    from samizdat.accounts.errors import PasswordWeak
    from samizdat.accounts.passwords import shortest

    while True:
        try:
            first = getpass.getpass(f"{question} (at least {shortest()} characters): ")
            check_password(first)
            if getpass.getpass("Repeat the password: ") == first:
                return first
            note("The passwords don't match. Enter both again.")
        except PasswordWeak as weak:
            note(str(weak))
        except EOFError as gone:
            raise CommandFailed("No password entered. Run this again, or use --password-file.", "no_password") from gone


def _can_ask() -> bool:
    return not settings().json and sys.stdin.isatty()


def _second_copy(target: Path | None, ask: bool) -> str | None:
    """Copies the key file; where it went. Asks for a place where somebody can be asked, until one will do."""
    if target is None and not ask:
        return None
    if target is None:
        note("The key file opens everything. Save a second copy now, away from this server: on a USB stick, in a safe.")
    while target is None:
        answer = click.prompt("Copy it to (a path, or `none`)", default="none", err=True)
        if answer == "none":
            return None
        try:
            target = _copy_to(answer)
        except CommandFailed as failed:
            note(str(failed))
    shutil.copy(key_file(), target)
    os.chmod(target, 0o600)
    return str(target)


def _copy_to(path: str | None) -> Path:
    """The file that the copy becomes. Looked at before anything is made. Failed when nothing can be written there."""
    target = Path(str(path)).absolute()
    target = target / key_file().name if target.is_dir() else target
    if target == key_file():
        raise CommandFailed(f"{target} is the key file itself. Enter a place away from this server.", "bad_copy")
    if not os.access(target.parent, os.W_OK):
        raise CommandFailed(f"There's no folder {target.parent}. Enter another place for the copy.", "bad_copy")
    return target


def _about_the_key(key_is_new: bool, copy: str | None, declined: bool) -> list[str]:
    if not key_is_new:
        return []
    if copy:
        saved = f"A copy is in {copy}."
    elif declined:
        saved = "There is no second copy: without this file all data is lost."
    else:
        saved = "Save a second copy now, away from this server: without this file all data is lost."
    return [
        f"The key file is {key_file()}. {saved}",
        "Without the key file, a copied database or backup can't be read. Anyone who takes the whole disk has both.",
    ]


def bring_up_to_date() -> None:
    """Errors: Failed, of a database that is newer than the program or from before its first release."""
    check_version()
    migrate()


def check_version() -> None:
    """Errors: Failed, of a database that is newer than the program or from before its first release."""
    from samizdat.vault import keyring

    for alias in bootstrap.aliases():
        bootstrap.migrations(alias)
    try:
        bootstrap.share_keys()
        keyring.open_source()
    except DataBeforeRelease:
        raise
    except VaultError:
        pass  # Tables are brought up to date without a key; `serve` says what is wrong with it.


@click.group()
def organization() -> None:
    """Settings of the organization."""


# Where a column is called otherwise than what is set.
_CALLED = {"requires_approval": "second_person", "accent": "color"}


@organization.command("show")
@common
def organization_show() -> None:
    """Show the settings."""
    bootstrap.open_house()
    organization_row = bootstrap.organization()
    document = _organization(organization_row)
    say(document, *_lines(document))


@organization.command("set")
@click.option("--name", help="Name, shown in every email.")
@click.option("--language", type=click.Choice(["en", "ru"]), help="Language of emails and public pages.")
@click.option("--timezone", help="Such as Europe/Riga.")
@click.option("--quiet-hours", metavar=QUIET, help="No campaign is sent during these hours; none: no quiet hours.")
@click.option("--url", "public_url", help="https://… of the public pages; none removes it.")
@click.option("--desk-url", help="https://… of the app; none: any name.")
@click.option("--content-url", help="https://… of email previews and images; none removes it.")
@click.option("--postal-address", metavar="TEXT", help="Shown at the end of every email; none removes it.")
@click.option(
    "--return-address",
    metavar="EMAIL",
    help="Address for bounces, or @DOMAIN if Samizdat gets all its mail; none: the sender, if on one of your domains.",
)
@click.option("--unsubscribe-mailbox", metavar="EMAIL", help="Mailbox for unsubscribing by email; none: only by link.")
@click.option(
    "--hostile-state",
    type=click.Choice(["ru", "by", "kz", "none"]),
    help="State that could endanger subscribers. Sign-up forms warn about it.",
)
@click.option(
    "--second-person",
    "requires_approval",
    type=click.Choice(["on", "off"]),
    help="Whether campaigns need approval by a second person.",
)
@click.option("--color", "accent", metavar="#RRGGBB", help="Color of the public pages.")
@common
def organization_set(**given: str | None) -> None:
    """Change settings. A campaign can have its own quiet hours: campaign send --quiet-hours."""
    wanted: dict[str, Any] = {name: _setting(name, value) for name, value in given.items() if value is not None}
    if not wanted:
        raise click.UsageError("Add what to change, such as --postal-address or --quiet-hours.")
    bootstrap.open_house()
    from samizdat.accounts.actions import change_settings

    organization_row = bootstrap.organization()
    change_settings(organization_row, by=None, now=bootstrap.now(), **wanted)
    document = _organization(organization_row)
    say(document, *_lines({word: document[word] for word in (_CALLED.get(name, name) for name in wanted)}))


def _setting(name: str, value: str) -> str | bool:
    if name == "requires_approval":
        return value == "on"
    return "" if value == "none" and name != "name" else value


def _lines(document: Mapping[str, object]) -> list[str]:
    return [f"{word.replace('_', ' ')}: {value or 'none'}" for word, value in document.items()]


def _organization(organization: "Organization") -> dict[str, object]:
    from samizdat.accounts.actions import SETTINGS

    settings = {_CALLED.get(word, word): getattr(organization, word) for word in SETTINGS}
    return {"name": organization.name, "slug": organization.slug, **settings}


organization.add_command(of_organization)


@click.group()
def person() -> None:
    """The team."""


@person.command("add")
@click.argument("email", type=ADDRESS)
@click.option("--role", required=True, type=click.Choice(["admin", "editor", "viewer"]))
@click.option("--name", type=NAME, default="")
@click.option(
    "--password-file", type=click.Path(), help="File with their password. If not given, an invitation link is printed."
)
@common
def person_add(email: str, role: str, name: str, password_file: str | None) -> None:
    """Add a teammate: at once with a password, or by an invitation link."""
    bootstrap.open_house()
    from samizdat.accounts import actions
    from samizdat.accounts.sealed_settings import leading

    organization, now = bootstrap.organization(), bootstrap.now()
    known = _at_address(email)
    if known is None and not password_file:
        token = actions.invite(organization, role, note=email, by=None, now=now)
        desk = leading(organization).desk_url
        link = f"{desk or _served_at()}/invitation/{token}"
        if not desk:
            note(
                "The app has no address yet, so the link only works on this server. Set it: samizdat "
                "organization set --desk-url https://…"
            )
        say({"invitation": link}, f"Give this link to {email}. It works once, for seven days:", link)
        return
    someone = known or actions.add_person(
        email, name=name, password=read_password(password_file, ""), language=organization.language, today=now.date()
    )
    actions.give_role(someone, organization, role, by=None, now=now)
    say({"person": someone.pk, "role": role}, f"{email} is {role} of {organization.name}.")


def _at_address(email: str) -> "Person | None":
    """Whoever signs in by this address; None for nobody. Errors: Failed, where an address has several accounts."""
    from samizdat.accounts import sealed_people
    from samizdat.accounts.memberships import people_at

    matches = people_at(sealed_people.index_of(email))
    people = [person for person in matches if sealed_people.has_address(person, email)]
    if len(people) > 1:
        raise CommandFailed(
            (
                f"There are several accounts with {email}. Invite them in the app, under Team; they open the link "
                "while signed in."
            ),
            "several_accounts",
        )
    return people[0] if people else None


def _served_at() -> str:
    """Where `serve` was last started on this machine, else where it is by itself."""
    try:
        return _desk_file().read_text("utf-8").strip()
    except OSError:
        return "http://127.0.0.1:8000"


def _desk_file() -> Path:
    return data_folder() / "desk-address"


def member(organization: "Organization", email: str) -> "Person":
    """Who signs in by this address. Errors: Failed."""
    from samizdat.accounts import memberships, sealed_people

    matches = memberships.members_at(sealed_people.index_of(email), organization)
    membership = next((match for match in matches if sealed_people.has_address(match.person, email)), None)
    if membership is None:
        raise CommandFailed(
            f"There is no teammate {email} in {organization.name}. See: samizdat person ls", "no_person"
        )
    return membership.person


@person.command("password")
@click.argument("email", type=ADDRESS)
@click.option("--password-file", type=click.Path(), help="File with the new password. Asked for if not given.")
@common
def person_password(email: str, password_file: str | None) -> None:
    """Set a new password for a teammate, such as the only admin who lost theirs. Signs them out everywhere."""
    bootstrap.open_house()
    from samizdat.accounts import actions
    from samizdat.events.actions import record

    organization = bootstrap.organization()
    known = member(organization, email)
    actions.reset_password(known, read_password(password_file, f"New password for {email}"))
    record("person.password_reset", organization, now=bootstrap.now(), by=None, about=known.pk)
    say({"person": known.pk}, f"Password changed. {email} was signed out everywhere.")


@person.command("lock")
@click.argument("email", type=ADDRESS)
@common
def person_lock(email: str) -> None:
    """Lock an account: signs the teammate out everywhere until it is unlocked."""
    _turn_lock(email, "lock", "is locked and signed out everywhere. Undo it: samizdat person unlock")


@person.command("unlock")
@click.argument("email", type=ADDRESS)
@common
def person_unlock(email: str) -> None:
    """Unlock an account. If others may know the password, set a new one first: person password."""
    _turn_lock(email, "unlock", "can sign in again.")


def _turn_lock(email: str, verb: str, done: str) -> None:
    bootstrap.open_house()
    from samizdat.accounts import locking

    organization = bootstrap.organization()
    known = member(organization, email)
    getattr(locking, verb)(known, organization, by=None, now=bootstrap.now())
    say({"person": known.pk, "locked": verb == "lock"}, f"{email} {done}")


@person.command("sign-in-link")
@click.argument("email", type=ADDRESS)
@common
def person_sign_in_link(email: str) -> None:
    """Create a sign-in link for a teammate who has to wait because others try passwords for their address. They
    still need their password.
    """
    bootstrap.open_house()
    from samizdat.accounts import devices
    from samizdat.accounts.sealed_settings import leading

    organization = bootstrap.organization()
    known = member(organization, email)
    link = f"{leading(organization).desk_url or _served_at()}/sign-in?device={devices.new(known, bootstrap.now())}"
    say({"link": link}, f"Give this link to {email}. It asks for their password as usual:", link)


@person.command("ls")
@common
def person_ls() -> None:
    """The team and their roles."""
    bootstrap.open_house()
    from samizdat.accounts.queries import members

    member_rows = members(bootstrap.organization())
    say(
        {
            "people": [
                {
                    "id": member.person.pk,
                    "name": member.name,
                    "email": member.email,
                    "role": member.role,
                    "locked": member.locked,
                }
                for member in member_rows
            ]
        },
        *table(
            ("name", "address", "role"),
            [(row.name, row.email, f"{row.role}, locked" if row.locked else row.role) for row in member_rows],
        ),
    )


@click.command()
@click.option("--port", type=PORT, default=8000, show_default=True, help="Port of the app.")
@click.option("--public-port", type=PORT, default=8001, show_default=True, help="Port of the public pages.")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address that both listen on, behind a reverse proxy."
)
@common
def serve(port: int, public_port: int, host: str) -> None:
    """Run everything: app, public pages, worker and sender. Ctrl-C stops it."""
    bootstrap.load_django(logs=True)
    from samizdat.worker.processes.supervisor import serve as run

    def ready(desk: str, public: str) -> None:
        _desk_file().write_text(desk, "utf-8")
        say({"desk": desk, "public": public}, f"The app is at {desk}", f"Public pages are at {public}")

    click.get_current_context().exit(run(port, public_port, host, ready=ready, note=note, opened=_open))


@click.group(invoke_without_command=True)
@click.option("--senders", type=click.IntRange(0, 256), help="Number of sender processes; default: one per core.")
@common
def worker(senders: int | None) -> None:
    """Run background jobs and senders without the pages. With PostgreSQL, on as many servers as you like."""
    if click.get_current_context().invoked_subcommand:
        return
    bootstrap.load_django(logs=True)
    from samizdat.worker.processes.supervisor import work

    click.get_current_context().exit(work(senders=senders, opened=_open))


def _open() -> None:
    bootstrap.open_house(logs=True)


@worker.command("ls")
@common
def worker_ls() -> None:
    """The worker processes on all servers: running, hanging or gone."""
    bootstrap.open_house()
    from samizdat.delivery.monitoring import workers

    rows = workers()
    say(
        {"workers": [row.document() for row in rows]},
        *table(
            ("id", "role", "host", "state", "silent", "chunks", "under way"),
            [
                (str(row.number), row.role, row.host or "-", row.state, round(row.silent), row.chunks, row.window)
                for row in rows
            ],
        ),
    )


@worker.command("forget")
@click.argument("number", metavar="ID", type=int)
@common
def worker_forget(number: int) -> None:
    """Give up a worker that won't come back. The outcome of the emails it was sending is then unknown, and they
    are on hold.
    """
    bootstrap.open_house()
    from samizdat.delivery.actions import forget

    confirm(f"Give up worker {number}? Its journal will never be read. This can't be undone.")
    held = forget(number, now=bootstrap.now())
    say(
        {"worker": number, "in_doubt": held},
        f"Worker {number} was given up. The outcome of {held:,} emails may be unknown. See: samizdat doctor",
    )

"""rescue: a list rebuilt from what is left after a service closed the account."""

import getpass
import sys
from collections import Counter
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import click

from samizdat.cli import bootstrap
from samizdat.cli.output import CommandFailed, common, confirm, first_line, note, progress, say, settings, table
from samizdat.cli.rescue_cases import case
from samizdat.cli.secret_arguments import URL

if TYPE_CHECKING:
    from samizdat.audience.models import Import
    from samizdat.core.evidence.fold import AddressEvidence, Fold
    from samizdat.core.evidence.notices.base import NoticeKind
    from samizdat.incoming.evidence.imap import ImapArchive

STATUSES = (
    "subscribed", "unsubscribed", "complained", "cleaned", "excluded", "doubtful", "unproven", "listed", "wrote",
)  # fmt: skip
NOTES = {
    "subscribed": "a notice, a form or a table proves that they subscribed, and nothing that they left",
    "unsubscribed": "they left, or wrote that they want to",
    "complained": "they marked an email as spam",
    "cleaned": "the address bounced",
    "excluded": "left out by hand",
    "doubtful": "left out: they may have left, since a later table doesn't have them or says what isn't understood",
    "unproven": "left out: a notice says that they subscribed, but anybody could have sent it",
    "listed": "left out: they were on an old list, which is no consent",
    "wrote": "left out: they wrote to you, which is no consent",
}
MEANINGS: dict[str, "NoticeKind"] = {"subscribed": "yes", "unsubscribed": "left"}


@click.group()
def rescue() -> None:
    """Rebuild a list after a service closed your account, and ask for your data."""


rescue.add_command(case)


@rescue.command("mailbox")
@click.argument("files", nargs=-1, metavar="[FILE...]", type=click.Path())
@click.option("--list", "name", required=True, metavar="NAME", help="The list that they were subscribed to.")
@click.option(
    "--own",
    multiple=True,
    metavar="ADDRESS",
    help="An address of your group, or @example.org for all addresses there. Once for each. Mailboxes need it.",
)
@click.option(
    "--notices-from",
    "senders",
    multiple=True,
    metavar="DOMAIN",
    help="A domain of yours whose programs send notices, such as MailPoet, Mailman or a form. Once for each.",
)
@click.option(
    "--means",
    multiple=True,
    metavar="WORDS=STATUS",
    help="What notices with these words in their subject mean: 'Neue Anmeldung=subscribed'.",
)
@click.option(
    "--form-signups",
    is_flag=True,
    help="The logs of forms are of forms by which people subscribed to this list.",
)
@click.option(
    "--server",
    "servers",
    multiple=True,
    metavar="NAME",
    help="The mail server whose Authentication-Results count, if it can't be told from the mailbox.",
)
@click.option(
    "--imap",
    "urls",
    type=URL,
    multiple=True,
    metavar="URL",
    help="A mailbox that you can still sign in to, as imaps://USER@HOST. Nothing in it is changed. Once for each.",
)
@click.option(
    "--password-file",
    "password_files",
    multiple=True,
    type=click.Path(),
    help="File with the password of --imap, in the same order. Asked for if not given.",
)
@click.option(
    "--folder", "folders", multiple=True, metavar="NAME", help="A folder to read by --imap; all if not given."
)
@click.option("--basis", default="", metavar="TEXT", help="How they agreed to get your emails. Kept word for word.")
@click.option("--dry-run", is_flag=True, help="Show what the mailboxes say. Imports nobody.")
@common
def rescue_mailbox(
    files: tuple[str, ...],
    name: str,
    own: tuple[str, ...],
    senders: tuple[str, ...],
    means: tuple[str, ...],
    form_signups: bool,
    servers: tuple[str, ...],
    urls: tuple[str, ...],
    password_files: tuple[str, ...],
    folders: tuple[str, ...],
    basis: str,
    dry_run: bool,
) -> None:
    """Read old mailboxes and tables, and propose whom to subscribe.

    FILE is an mbox file, a Maildir folder, a folder of .eml files, or the zip of Google Takeout; or the log of a form,
    an old table or a workbook. All that you name becomes one proposal. Nobody is subscribed until you confirm it.
    """
    if not files and not urls:
        raise click.UsageError("Name a mailbox or a table: FILE, or --imap imaps://USER@HOST.")
    bootstrap.open_house()
    from samizdat.audience.queries import list_named
    from samizdat.core.evidence.reading import Rules
    from samizdat.incoming.evidence import archives, imap_reading, mailboxes, proposal, tables
    from samizdat.incoming.evidence.kept import KeptReading

    organization = bootstrap.organization()
    paths, table_files = tables.of_paths([Path(file) for file in files])
    if not own and (paths or urls):
        raise click.UsageError("Name each address of your group: --own ADDRESS, so that its mailboxes are told apart.")
    mailing_list = list_named(organization, name)
    rules = Rules(
        frozenset(map(_own, own)),
        frozenset(domain.lower().strip("@. ") for domain in senders),
        tuple(map(_means, means)),
    )
    archives_by_imap = _imap_archives(urls, password_files, folders)
    kept = KeptReading(organization, mailing_list, rules, now=bootstrap.now)
    if urls and kept.emails:
        note(f"An earlier run has read {kept.emails:,} emails by IMAP. This one goes on behind them.")
    whole = archives.size_of(paths)
    with progress("Reading", "emails") as shown:
        fold = mailboxes.read(paths, rules, lambda done, emails: shown.show(done, whole, emails))
        for archive in archives_by_imap:
            imap_reading.read(fold, archive, rules, kept, lambda done, emails: shown.show(done, None, emails))
    about_tables = tables.read(fold, table_files, signs_up=form_signups, today=bootstrap.now().date())
    counted_servers = _servers(fold, servers)
    addresses = fold.addresses(counted_servers)
    document = _document(fold, addresses, counted_servers)
    warnings = [problem.sentence() for problem in about_tables] + _warnings(fold, addresses, counted_servers)
    for warning in warnings:
        note(warning)
    document |= {"warnings": warnings, "dry_run": dry_run}
    if fold.is_foreign:
        raise CommandFailed(
            f"Of {fold.counts.received:,} emails that came, {fold.counts.ours:,} went to an address of --own: this is "
            "somebody else's mailbox, or an address is missing. Add --own ADDRESS for each address of your group.",
            "foreign_mailbox",
            document,
        )
    lines = _shown(fold, addresses)
    if dry_run:
        if urls:
            lines.append("What was read by IMAP is kept for a day, encrypted, so that the next run goes on behind it.")
        say(document, *lines, "Dry run: nobody was imported." if urls else "Dry run: nothing was written.")
        return
    row = proposal.propose(organization, mailing_list, addresses, basis=basis, now=bootstrap.now)
    kept.drop()
    say(
        document | {"proposal": row.pk, "list": name},
        *lines,
        f"Proposal {row.pk} waits for a day, encrypted; nobody was subscribed yet. See the evidence for each address: "
        f"samizdat rescue show {row.pk}",
        f"Then confirm it in the app under Import and export, or: samizdat rescue confirm {row.pk}",
    )


@rescue.command("show")
@click.argument("number", type=int)
@click.option("--status", type=click.Choice(STATUSES), help="Only these; all if not given.")
@common
def rescue_show(number: int, status: str | None) -> None:
    """Show the evidence for each address of a proposal."""
    bootstrap.open_house()
    from samizdat.incoming.evidence import proposal

    row = proposal.waiting(bootstrap.organization(), number)
    rows = [cells for cells in proposal.rows_of(row) if status in (None, cells[1])]
    say(
        {"proposal": number, "addresses": [{"address": cells[0], "status": cells[1], "agreed": cells[2],
         "left": cells[3], "bounced": cells[4], "evidence": cells[5]} for cells in rows]},
        *table(("address", "status", "evidence"), [(cells[0], cells[1], cells[5]) for cells in rows]),
    )  # fmt: skip


@rescue.command("confirm")
@click.argument("number", type=int)
@click.option(
    "--with-left-out",
    is_flag=True,
    help="Import those without a proven sign-up too, with no consent, so that you can ask them once.",
)
@common
def rescue_confirm(number: int, with_left_out: bool) -> None:
    """Import a proposal, as it was shown."""
    bootstrap.open_house()
    from samizdat.incoming.evidence import proposal

    row = proposal.waiting(bootstrap.organization(), number)
    counts = Counter(cells[1] for cells in proposal.rows_of(row))
    confirm(f"Import proposal {number}, with {counts['subscribed']:,} who get your emails again?")
    run = proposal.confirm(row, now=bootstrap.now, with_left_out=with_left_out)
    _say_result(number, run)


@rescue.command("ask")
@click.option("--list", "name", required=True, metavar="NAME", help="The list that they were imported into.")
@click.option(
    "--most", type=click.IntRange(1), default=100, show_default=True, metavar="NUMBER", help="Ask at most so many now."
)
@common
def rescue_ask(name: str, most: int) -> None:
    """Ask those without a proven sign-up once whether they want your emails.

    It asks those whom you imported with the file left-out.csv of a proposal. Each gets one email with a link; only who
    confirms gets your emails.
    """
    bootstrap.open_house()
    from samizdat.accounts.sealed_settings import leading
    from samizdat.audience.actions.ask_once import ask_once
    from samizdat.audience.queries import list_named
    from samizdat.delivery import service_senders
    from samizdat.incoming.evidence.proposal import ASK_TAG

    organization = bootstrap.organization()
    mailing_list = list_named(organization, name)
    if service_senders.sender_for(mailing_list) is None or not leading(organization).public_url:
        raise CommandFailed(
            "The email has no sender or no public address yet. Set a sender for the list and the address of your "
            "public pages first.",
            "no_sender",
        )
    confirm(f"Email up to {most:,} people of {name} who never agreed, once each?")
    result = ask_once(mailing_list, ASK_TAG, most, now=bootstrap.now())
    lines = [f"{result.asked:,} will be asked by email.", f"{result.waiting:,} haven't been asked yet."]
    if result.waiting and not result.asked:
        lines.append("A list asks at most 500 people a day, so that providers take your emails. Continue tomorrow.")
    say({"asked": result.asked, "not_asked": result.waiting, "asked_today": result.today}, *lines)


def _say_result(number: int, run: "Import") -> None:
    if run.state == "held":
        raise CommandFailed(
            f"Proposal {number} takes many off lists, so an admin has to approve it: samizdat change ls", "held"
        )
    if run.state != "finished":
        raise CommandFailed(f"Proposal {number} was not imported. See its page under Import and export.", "failed")
    words = ("rows", "added", "updated", "unchanged", "rejected", "subscribed", "unsubscribed", "cleaned")
    document = {"proposal": number} | {word: run.counts.get(word, 0) for word in words}
    say(document, *[f"{document[word]:>12,}  {word}" for word in words])


def _own(address: str) -> str:
    address = address.strip().lower()
    if "@" not in address:
        raise click.UsageError(f"--own {address} is no address. Write news@example.org, or @example.org for all.")
    return address


def _imap_archives(
    urls: tuple[str, ...], password_files: tuple[str, ...], folders: tuple[str, ...]
) -> "list[ImapArchive]":
    from samizdat.incoming.evidence.imap import ImapArchive
    from samizdat.incoming.mailboxes.settings import BadMailbox, read_url

    if len(password_files) > len(urls):
        raise click.UsageError("There are more --password-file than --imap. Give one for each, in the same order.")
    opened = []
    for url, file in zip_longest(urls, password_files):
        parts = urlsplit(url)
        if parts.password:
            raise BadMailbox("Leave the password out of the URL, where others can see it. Use --password-file.")
        user = unquote(parts.username or "")
        password = first_line(file) if file else _asked_password(user)
        inner = unquote(parts.path.strip("/"))
        opened.append(ImapArchive(read_url(url, password, ""), folders or ((inner,) if inner else ())))
    return opened


def _asked_password(user: str) -> str:
    if settings().json or not sys.stdin.isatty():
        raise CommandFailed("Give the mailbox's password with --password-file.", "no_password")
    return getpass.getpass(f"Password of {user}: ")


def _means(option: str) -> tuple[str, "NoticeKind"]:
    words, sign, status = option.rpartition("=")
    if not sign or not words.strip() or status.strip() not in MEANINGS:
        raise click.UsageError(f"--means {option!r} is unknown. Write it as --means 'New subscriber=subscribed'.")
    return words.strip(), MEANINGS[status.strip()]


def _servers(fold: "Fold", chosen: tuple[str, ...]) -> frozenset[str]:
    """Those that were chosen, else the one that nearly every email names first."""
    if chosen:
        return frozenset(server.strip().lower() for server in chosen)
    own = fold.own_server()
    return frozenset() if own is None else frozenset({own})


def _document(fold: "Fold", addresses: list["AddressEvidence"], servers: frozenset[str]) -> dict[str, object]:
    counts, statuses = fold.counts, Counter(address.status for address in addresses)
    return {
        "emails": counts.emails,
        "received": counts.received,
        "to_you": counts.ours,
        "unreadable": counts.unreadable,
        "rows": counts.rows,
        "unclear_notices": counts.unclear,
        "server": sorted(servers),
        **{word: statuses[word] for word in STATUSES},  # type: ignore[index]
        "came_back": sum(address.came_back for address in addresses),
    }


def _warnings(fold: "Fold", addresses: list["AddressEvidence"], servers: frozenset[str]) -> list[str]:
    counts, warnings = fold.counts, []
    if counts.unreadable:
        warnings.append(f"{counts.unreadable:,} emails are damaged or larger than 40 MB, and were skipped.")
    if counts.unclear:
        warnings.append(
            f"{counts.unclear:,} notices of services say nothing that is understood. Look at their subjects, and add "
            "--means 'WORDS=subscribed' or 'WORDS=unsubscribed'."
        )
    unproven = sum(address.status == "unproven" for address in addresses)
    if unproven and not servers:
        named = ", ".join(f"{server or '(no name)'} ({emails:,} emails)" for server, emails in _named(fold))
        warnings.append(
            "It can't be told which mail server took these emails, so no notice counts. If you know it, add --server "
            f"NAME; named in emails: {named or 'none'}."
        )
    if back := sum(address.came_back for address in addresses):
        warnings.append(f"{back:,} left and subscribed again later. They stay unsubscribed; ask them yourself.")
    return warnings


def _named(fold: "Fold") -> list[tuple[str, int]]:
    return [(server, emails) for server, emails in fold.servers.most_common(4) if server is not None][:3]


def _shown(fold: "Fold", addresses: list["AddressEvidence"]) -> list[str]:
    statuses = Counter(address.status for address in addresses)
    rows = [(word, statuses[word], NOTES[word]) for word in STATUSES if statuses[word]]  # type: ignore[index]
    counts, read = fold.counts, list[str]()
    if counts.emails or not counts.rows:
        read.append(f"{counts.emails:,} emails, {counts.ours:,} of them to you.")
    if counts.rows:
        read.append(f"{counts.rows:,} rows of tables.")
    return [*read, "", *table(("", "", ""), rows), ""]

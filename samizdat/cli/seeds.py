"""seed: mailboxes of one's own that show where campaigns arrive."""

from typing import TYPE_CHECKING

import click

from samizdat.cli import bootstrap
from samizdat.cli.output import CommandFailed, common, first_line, say, table
from samizdat.cli.secret_arguments import ADDRESS, URL

if TYPE_CHECKING:
    from samizdat.incoming.seeds.mailboxes import SeedRow


@click.group("seed")
def seed() -> None:
    """Mailboxes of your own that show whether campaigns arrive in the inbox, in spam, or not at all."""


@seed.command("add")
@click.argument("name")
@click.argument("address", type=ADDRESS)
@click.argument("url", type=URL)
@click.option("--password-file", type=click.Path(), help="File with the password, instead of in the URL.")
@common
def add(name: str, address: str, url: str, password_file: str | None) -> None:
    """Send a copy of each campaign, by each of its routes, to a mailbox of your own at any provider.

    ADDRESS is where copies go. URL is how the mailbox is read, as in samizdat mail add, by IMAP alone:
    imaps://USER@HOST, or - to be asked for it. Copies stay in the mailbox.
    """
    bootstrap.open_house()
    from samizdat.incoming.mailboxes.faults import MailboxFault
    from samizdat.incoming.seeds import mailboxes

    password = first_line(password_file) if password_file else None
    organization = bootstrap.organization()
    row = mailboxes.add(organization, name, address, url, now=bootstrap.now(), password=password)
    try:
        mailboxes.check(row)
    except MailboxFault as fault:
        sentence = f"Seed mailbox {row.name} added, but it can't be read yet. {fault}"
        raise CommandFailed(sentence, fault.code, {"seed": row.name}) from None
    say({"seed": row.name}, f"Seed mailbox {row.name} added. Each campaign from now on sends a copy there.")


@seed.command("ls")
@common
def ls() -> None:
    """The seed mailboxes, and what is wrong with them."""
    bootstrap.open_house()
    from samizdat.incoming.mailboxes.faults import sentence
    from samizdat.incoming.seeds import mailboxes

    rows = mailboxes.seeds(bootstrap.organization())
    say(
        {"seeds": [_document(row) for row in rows]},
        *table(("name", "address", "host"), [_cells(row) for row in rows]),
        *(f"{row.name}: {sentence(row.fault)}" for row in rows if row.fault),
        *(f"{row.name}: Remove it and add it again: it can't be decrypted." for row in rows if row.settings is None),
    )


def _cells(row: "SeedRow") -> tuple[str, ...]:
    return (row.name, row.settings.address, row.settings.mailbox.host) if row.settings else (row.name, "", "")


def _document(row: "SeedRow") -> dict[str, object]:
    name, address, host = _cells(row)
    return {"name": name, "address": address, "host": host, "problem": row.fault if row.settings else "unreadable"}


@seed.command("test")
@click.argument("name")
@common
def test(name: str) -> None:
    """Log in to a seed mailbox."""
    bootstrap.open_house()
    from samizdat.incoming.seeds import mailboxes

    mailboxes.check(mailboxes.named(bootstrap.organization(), name))
    say({"seed": name}, f"Logged in to {name}.")


@seed.command("remove")
@click.argument("name")
@common
def remove(name: str) -> None:
    """Send no more copies to a seed mailbox. What it says of earlier campaigns is deleted as well."""
    bootstrap.open_house()
    from samizdat.incoming.seeds import mailboxes

    mailboxes.remove(bootstrap.organization(), name, now=bootstrap.now())
    say({"removed": name}, f"Seed mailbox {name} removed.")


@seed.command("show")
@click.argument("campaign", type=int)
@common
def show(campaign: int) -> None:
    """Where the copies of a campaign arrived, by route."""
    bootstrap.open_house()
    from samizdat.cli.campaign.drafts import campaign_numbered
    from samizdat.incoming.seeds import copies

    rows = copies.placements(campaign_numbered(campaign))
    words = copies.WORDS
    say(
        {"routes": {row.route: {name: words[state] for name, state in row.states.items()} for row in rows}},
        *table(
            ("route", "seed mailbox", "copy"),
            [(row.route, name, words[state]) for row in rows for name, state in row.states.items()],
        ),
    )

"""export: everything about subscribers as one file."""

import contextlib
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from samizdat.cli import bootstrap
from samizdat.cli.age_keys import keys_of
from samizdat.cli.output import CommandFailed, common, note, progress, say, settings
from samizdat.cli.secret_arguments import ADDRESS

if TYPE_CHECKING:
    from samizdat.accounts.models import Organization
    from samizdat.audience.filters import Filter

FORMATS = ("samizdat", "mailchimp", "csv", "xlsx")


@click.command()
@click.option("--to", metavar="FILE", help="File to write; `-` is standard output.")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="samizdat",
    show_default=True,
    help=(
        "samizdat can be imported into any Samizdat, mailchimp is in Mailchimp's format, csv and xlsx "
        "have one row per subscriber."
    ),
)
@click.option("--list", "names", multiple=True, metavar="NAME", help="mailchimp, csv, xlsx: only this list.")
@click.option("--segment", "segment", metavar="NAME", help="mailchimp, csv, xlsx: only this segment.")
@click.option("--tag", "tag", metavar="NAME", help="mailchimp, csv, xlsx: only subscribers with this tag.")
@click.option(
    "--recipient",
    "recipients",
    multiple=True,
    metavar="AGE-KEY",
    help="The age key to encrypt it to (age1…), an SSH public key, or a file of them. Can be repeated.",
)
@click.option(
    "--passphrase",
    is_flag=True,
    help="Encrypt it with a new passphrase, shown once on standard error and stored nowhere.",
)
@click.option("--plain", is_flag=True, help="Not encrypted. Every admin is notified, with the reason.")
@click.option("--reason", default="", metavar="TEXT", help="Why it can't be encrypted. Recorded.")
@click.option(
    "--keys/--no-keys",
    default=None,
    help=(
        "samizdat: include the keys of links in emails, so that old links work elsewhere. Default: only "
        "in an encrypted export."
    ),
)
@click.option(
    "--setup",
    is_flag=True,
    help=(
        "samizdat, encrypted: include sending routes and mailboxes with their passwords, sending domains with their "
        "DKIM keys, cases about closed accounts, fundraisers, and who is on the team, to move to another installation."
    ),
)
@click.option(
    "--whose", type=ADDRESS, metavar="ADDRESS", help="Instead of an export: show which export has this marker address."
)
@common
def export(
    to: str | None,
    form: str,
    names: tuple[str, ...],
    segment: str | None,
    tag: str | None,
    recipients: tuple[str, ...],
    passphrase: bool,
    plain: bool,
    reason: str,
    keys: bool | None,
    setup: bool,
    whose: str | None,
) -> None:
    """Export subscribers: fields, tags, lists, consent records, suppressions. Encrypted to an age key; an
    unencrypted file needs a reason.
    """
    if whose is not None:
        _say_whose(whose)
        return
    _insist(to, recipients, passphrase, plain, reason)
    bootstrap.open_house()
    from samizdat.portability import actions, age_passphrase
    from samizdat.portability.request import ExportRequest, told_of

    assert to is not None
    zipped = form != "csv" or to.removesuffix(".age").endswith(".zip")
    wish = ExportRequest(
        form,
        tuple(keys_of(recipients)),
        tuple(_lists(names)),
        form == "samizdat" and (not plain if keys is None else keys),
        zipped,
        _segment(segment),
        _tagged(tag),
        passphrase,
        setup,
    )
    actions.check(wish, plain=plain, reason=reason)
    _insist_on_slug(bootstrap.organization())
    words = age_passphrase.new_passphrase() if passphrase else ""
    with progress("Writing", "rows") as shown, _into(to) as out:
        row = actions.direct(
            bootstrap.organization(),
            wish,
            out,
            reason=reason,
            now=bootstrap.now,
            tell=lambda done, whole: shown.show(done, whole, done),
            seal=age_passphrase.seal_for(words) if words else None,
        )
    if words:
        note(f"The passphrase, shown this once: {words}")
    document = {
        "file": to, "format": form, "sealed": not plain, "recipients": len(wish.recipients), "keys": wish.keys,
        "setup": wish.setup, "bytes": row.bytes, "counts": row.counts, "planted": bool(told_of(row).planted),
    }  # fmt: skip
    if to == "-":
        return
    say(document, *_lines(document))


def _insist_on_slug(organization: "Organization") -> None:
    """Whoever writes the database could have given the slug of one organization to another."""
    from samizdat.accounts.sealed_settings import leading

    if settings().organization and not leading(organization).slug:
        raise CommandFailed(
            (
                f"The encrypted copy of the settings is missing, so this may not be {organization.name}. Run "
                "`samizdat doctor`, and set them again with `samizdat organization set`."
            ),
            "settings_unknown",
        )


def _insist(to: str | None, recipients: tuple[str, ...], passphrase: bool, plain: bool, reason: str) -> None:
    if not to:
        raise click.UsageError("Missing option '--to'.")
    if [bool(recipients), passphrase, plain].count(True) != 1:
        raise click.UsageError("Add --recipient AGE-KEY, --passphrase, or --plain with --reason TEXT: one of them.")
    if plain and not reason.strip():
        raise click.UsageError("An unencrypted export needs --reason TEXT. All admins will see it.")
    if reason and not plain:
        raise click.UsageError("--reason needs --plain.")


def _segment(name: str | None) -> int | None:
    """Errors: NoSuchSegment; SegmentBroken before anything is written."""
    from samizdat.audience.segments import lookup

    if name is None:
        return None
    segment = lookup.segment_named(bootstrap.organization(), name)
    lookup.tree_of(segment)
    return segment.id


def _tagged(name: str | None) -> "Filter | None":
    from samizdat.audience.filters import Filter
    from samizdat.audience.queries import tag_named

    if name is None:
        return None
    tag = tag_named(bootstrap.organization(), name)
    if tag is None:
        raise CommandFailed(f"There's no tag called {name}. Check the spelling.", "no_such_tag")
    return Filter(tag=tag.id)


def _lists(names: tuple[str, ...]) -> Iterator[int]:
    from samizdat.audience.queries import list_named

    for name in names:
        yield list_named(bootstrap.organization(), name).id


@contextlib.contextmanager
def _into(to: str) -> Iterator[BinaryIO]:
    """The file, for its owner alone; under its name once it is whole, so that a torn one never stands for it."""
    if to == "-":
        with contextlib.suppress(AttributeError):
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        return
    path = Path(to)
    if path.is_dir():
        raise CommandFailed(f"{to} is a folder. Enter a file in it.", "is_a_folder")
    if path.exists() and not path.is_file():
        # A pipe or a device: straight in.
        with path.open("wb") as out:
            yield out
        return
    half = path.with_name(f".{path.name}.part")
    half.unlink(missing_ok=True)
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        half.replace(path)
    except BaseException:
        half.unlink(missing_ok=True)
        raise


def _lines(document: dict[str, Any]) -> list[str]:
    counts = document["counts"]
    lines = [f"{document['file']}: {document['bytes']:,} bytes."]
    if "subscribers" in counts:
        lines.append(f"{counts['subscribers']:>12,}  subscribers")
    if "consent" in counts:
        lines.append(f"{counts['consent']:>12,}  consent records")
    if document["format"] == "mailchimp":
        for by_status in counts["lists"].values():
            lines += [f"{many:>12,}  {status}" for status, many in by_status.items() if many]
    behind = counts.get("suppressions", {}).get("left_behind", 0)
    if behind:
        lines.append(f"{behind:,} suppressed addresses without a subscriber were not exported: they need --keys.")
    lines.append(
        "Not encrypted: every admin is notified."
        if not document["sealed"]
        else "Encrypted: only the owner of the key can open it."
        if document["recipients"]
        else "Encrypted: only someone with the passphrase can open it."
    )
    if document["planted"]:
        lines.append("One address in it is a marker: it belongs to nobody and identifies this file.")
    return lines


def _say_whose(address: str) -> None:
    bootstrap.open_house()
    from samizdat.portability import actions
    from samizdat.portability.request import told_of

    row = actions.export_with_address(bootstrap.organization(), address, now=bootstrap.now())
    if row is None:
        raise CommandFailed(f"{address} is no marker address of an export from here.", "not_planted")
    from samizdat.accounts import sealed_people

    who = sealed_people.name_of(row.by) if row.by else "someone on the command line"
    if row.state == "elsewhere":
        who = "the installation that this organization was in before"
    document = {
        "export": row.pk, "made": row.created, "by": who, "format": row.format, "plain": row.plain,
        "reason": told_of(row).reason,
    }  # fmt: skip
    kind, when = "plain" if row.plain else "sealed", f"{row.created:%Y-%m-%d %H:%M}"
    say(
        document,
        f"It was in the {kind} export {row.pk} ({row.format}), made by {who} on {when} UTC.",
    )


def bring_back(path: Path, name: str | None, identity: str | None, dry_run: bool) -> None:
    """`samizdat import` of our own format."""
    from samizdat.portability.restore import COUNTS, bring_back

    if identity:
        identity = Path(identity).read_text("utf-8-sig")
    with progress("Importing") as shown:
        counts = bring_back(
            bootstrap.organization(),
            path,
            now=bootstrap.now,
            identity=identity or "",
            list_named=name or "",
            dry=dry_run,
            tell=lambda done, whole: shown.show(done, whole, done),
        )
    if name:
        note("A Samizdat export has its own lists. Only one with a single list can be imported into the list you name.")
    document: dict[str, Any] = {word: counts.get(word, 0) for word in COUNTS}
    document |= {"warnings": [], "dry_run": dry_run, "rejects_file": None}
    lines = [f"{document[word]:>12,}  {word}" for word in COUNTS if document[word]]
    if dry_run:
        lines.append("Dry run: nothing was written.")
    elif document["rows"] and document["unchanged"] == document["rows"]:
        lines.append("Everything was already here. Nothing was changed.")
    if not dry_run and counts.get("setup"):
        lines += _lines_of_setup()
    say(document, *lines)


_MAILBOXES_WAIT = (
    "Mailboxes came in paused. When the old installation no longer reads them: samizdat mail test NAME, then samizdat "
    "mail resume NAME"
)


def _lines_of_setup() -> list[str]:
    """What somebody has to do, so that routes, domains and the team are as they were."""
    from samizdat.portability.parts.setup import mailboxes_wait
    from samizdat.portability.restore.documents import team_to_invite
    from samizdat.portability.restore.resume import imported_export

    organization = bootstrap.organization()
    row = imported_export(organization)
    team = team_to_invite(row) if row else []
    invite = [f"  samizdat person add --role {entry.role} {shlex.quote(entry.address)}" for entry in team]
    return [
        "Routes came in paused. When the old installation has stopped sending: samizdat route test NAME, then samizdat "
        "route resume NAME",
        *([_MAILBOXES_WAIT] if mailboxes_wait(organization) else []),
        "Check the DNS records of each sending domain, then let its keys sign: samizdat domain check NAME",
        *(["Invite the team:"] if team else []),
        *invite,
    ]

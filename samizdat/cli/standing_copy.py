"""standing-copy add, run, status, restore, remove: an account at another newsletter service, copied while it lives."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from samizdat.cli import bootstrap
from samizdat.cli.output import CommandFailed, common, confirm, note, progress, say, table
from samizdat.core.unsafe_text import one_line

if TYPE_CHECKING:
    from samizdat.portability.account.writer import AccountImportTotals
    from samizdat.portability.models import AccountCopy

STATUSES = (
    "subscribed",
    "unsubscribed",
    "cleaned",
    "complained",
    "nonsubscribed",
    "pending",
    "archived",
    "deleted",
    "no_permission",
)
# What is created -> as it is called here.
KINDS = {"draft": "drafts", "sent": "sent_campaigns", "template": "templates", "image": "images"}
COUNTS = ("added", "updated", "unchanged", "skipped", "rejected")
BROKEN = "Its record was changed or belongs to another key. Remove this copy, then add the account again."
# Bytes of a file with a key.
LONGEST_KEY = 4_096


@click.group("standing-copy")
def standing_copy() -> None:
    """Copies of accounts at other newsletter services, kept up to date while those accounts live."""


@standing_copy.command("add")
@click.argument("service")
@click.option(
    "--key-file",
    default="-",
    metavar="FILE",
    help="A file with the API key. Without it, the key is asked for, or read from standard input.",
)
@common
def copy_add(service: str, key_file: str) -> None:
    """Add an account at SERVICE: mailchimp, brevo, kit or mailerlite. The service is asked if it accepts the API key.

    The key is stored encrypted. The worker copies the account at once, and then each night.
    """
    bootstrap.open_house()
    from samizdat.portability.account_copies import actions

    row = actions.add(bootstrap.organization(), service, _key(key_file), now=bootstrap.now())
    document = _document(row)
    say(
        document,
        f"Standing copy {row.pk} added: {document['account'] or service} at {document['service']}, "
        f"{document['there']['contacts']:,} contacts.",
        f"Copy it now: samizdat standing-copy run {row.pk}",
    )


def _key(file: str) -> str:
    if file == "-" and sys.stdin.isatty():
        return bootstrap.ask("API key: ")
    if file == "-":
        return _first_line(sys.stdin.readline(LONGEST_KEY))
    with Path(file).open(encoding="utf-8-sig") as opened:
        return _first_line(opened.readline(LONGEST_KEY))


def _first_line(text: str) -> str:
    if not text.strip():
        raise CommandFailed("The first line has no API key. Write it there and try again.", "no_key")
    return text.strip()


@standing_copy.command("run")
@click.argument("number", metavar="[ID]", type=int, required=False)
@common
def copy_run(number: int | None) -> None:
    """Copy what is new now. If it was stopped, run it again: it continues."""
    bootstrap.open_house()
    from samizdat.portability.account_copies import actions, copying

    row = actions.copy_numbered(bootstrap.organization(), number)
    with progress("Copying", "contacts") as shown:

        def tell(section: str, lines: int, whole: int) -> None:
            if section == "contacts":
                shown.show(lines, whole, lines)

        done = copying.run(row.pk, now=bootstrap.now, tell=tell)
    say(_document(done), *_lines(done))


@standing_copy.command("status")
@click.argument("number", metavar="[ID]", type=int, required=False)
@common
def copy_status(number: int | None) -> None:
    """What is copied, what the service says that there is, and what went wrong."""
    bootstrap.open_house()
    from samizdat.portability.account_copies import actions
    from samizdat.portability.account_copies.records import copies_of

    organization = bootstrap.organization()
    rows = copies_of(organization) if number is None else [actions.copy_numbered(organization, number)]
    lines = [line for row in rows for line in _lines(row)]
    say(
        {"copies": [_document(row) for row in rows]},
        *(lines or ["No account is being copied. Add one: samizdat standing-copy add mailchimp"]),
    )


@standing_copy.command("restore")
@click.argument("number", metavar="[ID]", type=int, required=False)
@click.option("--only", default="", metavar="NAME", help="One list of the account; all of them if not given.")
@click.option("--list", "name", metavar="NAME", help="The list to import into. Default: lists named as in the account.")
@click.option("--contacts-only", is_flag=True, help="No drafts, sent campaigns, templates and images.")
@click.option(
    "--public-archive",
    "listed",
    is_flag=True,
    help="List sent campaigns in the public archive. Otherwise their web versions are unlisted, by link only.",
)
@click.option(
    "--keep-deleted",
    is_flag=True,
    help="Import contacts who were deleted at the service as they were. Otherwise they come without consent.",
)
@click.option(
    "--keep-unticked",
    is_flag=True,
    help="Import contacts as subscribed who ticked no marketing permission. Otherwise they come without consent.",
)
@common
def copy_restore(
    number: int | None,
    only: str,
    name: str | None,
    contacts_only: bool,
    listed: bool,
    keep_deleted: bool,
    keep_unticked: bool,
) -> None:
    """Create lists from a copy and import its contacts, with status, times of consent, fields and tags. Sent campaigns
    keep their days and numbers, the others become drafts, with their images; templates become templates.

    Subscribers who unsubscribed, here or there, stay unsubscribed. If it was stopped, run it again: it continues.
    """
    bootstrap.open_house()
    from samizdat.audience.queries import list_named
    from samizdat.campaigns.errors import CampaignError
    from samizdat.portability.account.words import left_sentence
    from samizdat.portability.account_copies import actions, restoring
    from samizdat.portability.account_copies.source import CopiedAccount, list_names

    organization = bootstrap.organization()
    row = actions.copy_numbered(organization, number)
    names = list_names(row)
    to = list_named(organization, name) if name else None
    if to is not None and not only and len(names) > 1:
        listed_names = ", ".join(names.values())
        raise CommandFailed(f"The account has several lists. Say which one with --only: {listed_names}.", "which_list")
    if not contacts_only:
        for left in CopiedAccount(row, names).contents().left:
            note(f"Left out: {left_sentence(left)}")
    with progress("Importing", "contacts") as shown:
        try:
            totals = restoring.restore(
                row, only=only, to=to, people_only=contacts_only, listed=listed, keep_deleted=keep_deleted,
                keep_unticked=keep_unticked, now=bootstrap.now,
                tell=lambda rows, _done, _whole: shown.show(rows, None, rows),
            )  # fmt: skip
        except CampaignError as refused:
            sentence = f"{refused} Then run the same command again: it continues."
            raise CommandFailed(sentence, refused.code) from None
    _say_restored(totals)


def _say_restored(totals: "AccountImportTotals") -> None:
    results: dict[int, dict[str, Any]] = {}
    for part in totals.people:
        result = results.setdefault(
            part.to.pk, {"list": part.to.pk, "name": part.list_name, **dict.fromkeys(COUNTS, 0)}
        )
        for word in COUNTS:
            result[word] += part.counts.get(word, 0)
    counts = {name: totals.added[kind] for kind, name in KINDS.items()}
    left = [{"name": called, "reason": reason} for called, reason in totals.refused]
    rows = [(each["name"], *[each[word] for word in COUNTS]) for each in results.values()]
    say(
        {"lists": list(results.values()), **counts, "left_out": left},
        *table(("list", *COUNTS), rows),
        *([f"Created: {_listed(counts)}."] if any(counts.values()) else []),
        *(f"Left out: {one_line(each['name'])}: {each['reason']}" for each in left),
    )


@standing_copy.command("remove")
@click.argument("number", metavar="ID", type=int)
@common
def copy_remove(number: int) -> None:
    """Delete a copy with everything in it, and its API key. Nothing changes at the service."""
    bootstrap.open_house()
    from samizdat.portability.account_copies import actions

    row = actions.copy_numbered(bootstrap.organization(), number)
    document = _document(row)
    confirm(
        f"Delete standing copy {number} of {document['account'] or 'an account'}, with "
        f"{sum(document['here'].values()):,} contacts? If the account is closed, they are lost."
    )
    actions.remove(row, now=bootstrap.now())
    say(
        {"id": number, "removed": True},
        f"Standing copy {number} was deleted. Earlier backups still have it, encrypted. Delete the API key at "
        f"{document['service'] or 'the service'} too.",
    )


def _document(row: "AccountCopy") -> dict[str, Any]:
    from samizdat.portability.account_copies.records import CopyProgress, CopySettings, opened

    known = opened(row)
    settings, at = known or (CopySettings(), CopyProgress())
    here = {status: sum(each.get(status, 0) for each in at.people.values()) for status in STATUSES}
    return {
        "id": row.pk,
        "service": settings.label,
        "account": settings.title,
        "running": at.section or None,
        "began": at.began,
        "finished": at.finished,
        "refused": at.refused,
        "error": at.problem.sentence or None if known else BROKEN,
        "here": here,
        "copied": at.lines,
        "there": {"contacts": at.totals.contacts, **at.totals.sections},
        "not_copied": at.totals.uncopied,
        "left_out": at.left_out,
    }


def _lines(row: "AccountCopy") -> list[str]:
    document = _document(row)
    finished = document["finished"]
    when = f"last copied {finished:%Y-%m-%d %H:%M} UTC" if finished else "not copied whole yet"
    if document["running"]:
        when += f"; at: {document['running']}"
    counts = ", ".join(f"{many:,} {status}" for status, many in document["here"].items() if many)
    left_out, missing = _listed(document["left_out"]), _listed(document["not_copied"])
    return [
        f"{document['id']}: {document['account'] or '?'} at {document['service'] or '?'}: {when}",
        *([f"  contacts: {counts}"] if counts else []),
        *(f"  {what}: {many:,}" for what, many in document["copied"].items() if what != "contacts" and many),
        *([f"  left out: {left_out}"] if left_out else []),
        *([f"  can't be copied: {missing}"] if missing else []),
        *([f"  {document['error']}"] if document["error"] else []),
    ]


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{many:,} {what.replace('_', ' ')}" for what, many in counts.items())

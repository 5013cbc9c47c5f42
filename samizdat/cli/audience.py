"""list, subscribers and import: who is written to."""

import csv
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from samizdat.cli import bootstrap
from samizdat.cli.default_senders import of_list
from samizdat.cli.export import bring_back
from samizdat.cli.output import CommandFailed, common, confirm, note, progress, say, table
from samizdat.cli.privacy import access, correct, keep, object_
from samizdat.cli.secret_arguments import ADDRESS, ADDRESSES
from samizdat.core.consent import APPEALS, LETTERS, PURPOSES, STATUSES, Permission
from samizdat.core.content.digest import WHEN
from samizdat.core.unsafe_text import marked
from samizdat.privacy.retention_rules import gone_from_backups

if TYPE_CHECKING:
    from samizdat.audience.errors import ImportRefused
    from samizdat.audience.imports.inspect import HeldUpload
    from samizdat.audience.models import List, Subscriber
    from samizdat.core.imports import ImportPlan

COUNTS = ("rows", "added", "updated", "unchanged", "skipped", "rejected")
# Standard input is held in memory, because nothing of it may touch the disk.
PIPED, LARGEST_PIPED = "pasted.txt", 64 << 20
# Behind the name of a list, where what is said is not said of its letters.
_APPEALS = {LETTERS: "", APPEALS: " (fundraising appeals)"}
BY_STATUS = ("subscribed", "unsubscribed", "cleaned", "nonsubscribed", "pending")


@click.group("list")
def lists() -> None:
    """What people subscribe to."""


@lists.command("new")
@click.argument("name")
@common
def list_new(name: str) -> None:
    """Create a list."""
    bootstrap.open_house()
    from samizdat.audience.actions import new_list

    mailing_list = new_list(bootstrap.organization(), name, now=bootstrap.now())
    say(
        {"id": mailing_list.id, "name": name},
        f"List {name} created. Import subscribers: samizdat import FILE --list '{name}'",
    )


@lists.command("ls")
@common
def list_ls() -> None:
    """Lists and how many subscribers each has."""
    bootstrap.open_house()
    from samizdat.audience.queries import lists as all_lists

    rows = all_lists(bootstrap.organization(), archived=True)
    say(
        {
            "lists": [
                {"id": row.id, "name": row.name, "count": row.total, "archived": row.archived, **row.totals}
                for row in rows
            ]
        },
        *table(
            ("name", "subscribed", "unsubscribed", "cleaned", "nonsubscribed", "pending", "together"),
            [
                (
                    f"{row.name} (archived)" if row.archived else row.name,
                    *[row.totals.get(word, 0) for word in BY_STATUS],
                    row.total,
                )
                for row in rows
            ],
        ),
    )


@lists.command("archive")
@click.argument("name")
@common
def list_archive(name: str) -> None:
    """Offer a list no more: nobody joins it, and no campaign goes to it."""
    bootstrap.open_house()
    from samizdat.delivery.actions import list_archive

    mailing_list = _list(name)
    list_archive.archive(mailing_list, now=bootstrap.now())
    say({"list": name, "archived": True}, f"The list {name} is archived. Restore it: samizdat list restore '{name}'")


@lists.command("restore")
@click.argument("name")
@common
def list_restore(name: str) -> None:
    """Use an archived list again, with its sign-up page."""
    bootstrap.open_house()
    from samizdat.audience.actions import archive_lists

    archive_lists.bring_back(_list(name), now=bootstrap.now())
    say({"list": name, "archived": False}, f"The list {name} is in use again.")


@lists.command("rm")
@click.argument("name")
@click.option("--with-subscribers", is_flag=True, help="Also where subscribers are on it: they are removed from it.")
@common
def list_rm(name: str, with_subscribers: bool) -> None:
    """Delete an archived list. Consent records, unsubscribes and suppressions stay."""
    bootstrap.open_house()
    from samizdat.audience.actions import archive_lists, bulk
    from samizdat.delivery.actions import list_archive

    mailing_list = _list(name)
    people = archive_lists.people_of(mailing_list)
    if people.on and not with_subscribers:
        raise CommandFailed(
            f"{people.on:,} subscribers are on {name}, {people.alone:,} of them on no other list. Add "
            "--with-subscribers to remove them from it.",
            "list_in_use",
        )
    confirm(f"Delete the list {name}, with {people.on:,} subscribers on it, {people.alone:,} of them on no other list?")
    work = list_archive.delete(mailing_list, name, now=bootstrap.now())
    if work is not None:
        bulk.run(work.id, bootstrap.now)
    say(
        {"list": name, "deleted": True, "removed": people.on, "alone": people.alone},
        f"The list {name} is deleted; {people.on:,} were on it, {people.alone:,} of them on no other list.",
    )


@lists.command("digest")
@click.argument("name")
@click.option("--when", type=click.Choice(["off", *WHEN[1:]]), help="Shows the current setting if not given.")
@common
def list_digest(name: str, when: str | None) -> None:
    """On which days campaigns are gathered for subscribers who want a digest."""
    bootstrap.open_house()
    from samizdat.audience.actions.digests import set_digest
    from samizdat.delivery.actions.digests import how_many

    mailing_list = _list(name)
    if when is not None:
        set_digest(mailing_list, "" if when == "off" else when, now=bootstrap.now())
    due = mailing_list.digest_due.isoformat() if mailing_list.digest_when and mailing_list.digest_due else None
    people, when = how_many(mailing_list), mailing_list.digest_when or "off"
    say(
        {"list": name, "when": when, "due": due, "readers": people},
        f"{when}; {people:,} chose it." + (f" The next one is due {due}." if due else ""),
    )


@lists.command("appeals")
@click.argument("name")
@click.option(
    "--words",
    metavar="TEXT",
    help='Shows the current text if not given; "" asks nobody, unless a form has such a text.',
)
@common
def list_appeals(name: str, words: str | None) -> None:
    """The text of the checkbox by which subscribers agree to fundraising appeals."""
    bootstrap.open_house()
    from samizdat.audience.actions.forms import LONGEST_APPEALS
    from samizdat.audience.actions.fundraising_consent import put_words, words_for

    mailing_list = _list(name)
    if words is not None and len(words.strip()) > LONGEST_APPEALS:
        raise CommandFailed(f"Public pages are small. Use at most {LONGEST_APPEALS} characters.", "too_long")
    if words is not None:
        put_words(mailing_list, words, now=bootstrap.now())
    wording = words_for(mailing_list)
    say({"list": name, "words": wording}, wording or "Subscribers of this list are not asked for that.")


@lists.command("welcome")
@click.argument("name")
@click.option("--on", "state", flag_value="on", help="Switch on the newest draft. It replaces the one that is on.")
@click.option("--off", "state", flag_value="off", help="Switch it off. Subscribers who still wait won't get it.")
@common
def list_welcome(name: str, state: str | None) -> None:
    """The email that everyone gets who confirms their subscription; without options, show it.

    Write it first: samizdat campaign new --welcome
    """
    bootstrap.open_house()
    from samizdat.delivery.actions import welcome

    mailing_list = _list(name)
    if state == "on":
        draft = welcome.status(mailing_list).draft
        if draft is None:
            text = f"{name} has no draft of a welcome email. Write it: samizdat campaign new --welcome --list '{name}'"
            raise CommandFailed(text, "no_draft")
        welcome.switch_on(draft, now=bootstrap.now())
    elif state == "off":
        welcome.switch_off(mailing_list, now=bootstrap.now())
    status = welcome.status(mailing_list)
    counts = {word: getattr(status, word) for word in ("sent", "waiting", "refused", "unsure", "skipped", "dropped")}
    numbers = {"on": status.on.pk if status.on else None, "draft": status.draft.pk if status.draft else None}
    summary = ", ".join(f"{count:,} {word}" for word, count in counts.items())
    say({"list": name, "state": status.state, **numbers, **counts}, f"{status.state}; {summary}")


@click.group()
def subscribers() -> None:
    """Subscribers of the organization."""


def _list(name: str) -> "List":
    from samizdat.audience.queries import list_named

    return list_named(bootstrap.organization(), name)


@subscribers.command("count")
@click.option("--list", "name", required=True, metavar="NAME")
@click.option("--status", type=click.Choice(STATUSES), help="Counts all statuses if not given.")
@click.option("--tag")
@common
def subscribers_count(name: str, status: str | None, tag: str | None) -> None:
    """Count subscribers."""
    bootstrap.open_house()
    from samizdat.audience.queries import count

    number = count(bootstrap.organization(), list=_list(name), status=status, tag=tag)
    say({"count": number}, f"{number:,}")


def _subscriber(address: str) -> "Subscriber":
    from samizdat.audience.queries import subscriber_at

    subscriber = subscriber_at(bootstrap.organization(), address)
    if subscriber is None:
        raise CommandFailed(f"There's no subscriber {address}. Check the spelling.", "no_such_subscriber")
    return subscriber


_SUPPRESSED = {
    "bounce": "On the suppression list: the address bounced permanently.",
    "complaint": "On the suppression list: they marked an email as spam.",
    "erased": "On the suppression list: their data was erased.",
    "manual": "On the suppression list: your team added it.",
    "objected": "On the suppression list: they objected to all email.",
}


def _why_suppressed(subscriber: "Subscriber", reason: str | None) -> str:
    """In words; "" for whom nothing keeps from getting email."""
    from samizdat.core.mail.suppression_rules import REASONS
    from samizdat.delivery.queries import suppression_cause

    cause = suppression_cause(subscriber.organization, subscriber.id) if reason == "bounce" else None
    if cause is None:
        return _SUPPRESSED.get(reason, f"On the suppression list: {reason}.") if reason else ""
    because = REASONS[cause.answer].format(day=cause.day.isoformat(), days=cause.days, answer=cause.reply)
    return because + (f" Last campaign with this answer: {cause.campaign}." if cause.campaign else "")


@subscribers.command("show")
@click.argument("address", type=ADDRESS)
@common
def subscribers_show(address: str) -> None:
    """Show what is known about a subscriber, and whether they can be emailed. `-` asks for the address."""
    bootstrap.open_house()
    from samizdat.audience.queries import card

    subscriber = _subscriber(address)
    subscriber_card = card(subscriber, bootstrap.now())
    why = _why_suppressed(subscriber, subscriber_card.suppressed)
    asked = {row.list_id: "yes" if isinstance(of, Permission) else of.reason for row, of in subscriber_card.fundraising}
    standings = [
        {"list": row.name, "status": row.status, "may": isinstance(row.verdict, Permission),
         "reason": row.verdict.reason, "since": row.since,
         "appeals": asked.get(row.list_id, "never_agreed")}
        for row in subscriber_card.lists
    ]  # fmt: skip
    timeline = [
        {"day": entry.day, "at": entry.at, "kind": entry.kind, "list": entry.list_name, "way": entry.way,
         "source": entry.source, "wording": entry.wording, "version": entry.version, "language": entry.language,
         "purpose": entry.purpose, "reason": entry.reason}
        for entry in subscriber_card.timeline
    ]  # fmt: skip
    document = {
        "number": subscriber_card.number,
        "address": subscriber_card.address,
        "values": subscriber_card.values,
        "tags": list(subscriber_card.tags),
        "lists": standings,
        "suppressed": subscriber_card.suppressed,
        "suppressed_because": why,
        "consent": timeline,
    }
    say(
        document,
        f"No. {subscriber_card.number:,}  {marked(subscriber_card.address)}",
        *[f"  {tag}: {marked(value)}" for tag, value in subscriber_card.values.items() if tag != "EMAIL"],
        *([f"  tags: {', '.join(map(marked, subscriber_card.tags))}"] if subscriber_card.tags else []),
        *([f"  {why}"] if why else []),
        *[
            f"  {row['list']}: {row['status']} since {row['since']}"
            + "; fundraising appeals too" * (row["appeals"] == "yes")
            for row in standings
        ],
        *[
            f"  {row['day']}  {row['kind']}  {row['list']}{_APPEALS[str(row['purpose'])]}  by {row['way']}  "
            + marked(str(row["wording"] or row["source"] or ""))
            for row in timeline
        ],
    )


@subscribers.command("add")
@click.argument("address", type=ADDRESSES)
@click.option("--list", "name", required=True, metavar="NAME")
@click.option(
    "--consent", required=True, metavar="TEXT", help="What they agreed to, and how. It is kept word for word."
)
@click.option("--purpose", type=click.Choice(PURPOSES), default=PURPOSES[0], show_default=True)
@common
def subscribers_add(address: str, name: str, consent: str, purpose: str) -> None:
    """Add a subscriber who has agreed. `-` reads addresses from standard input."""
    bootstrap.open_house()
    from samizdat.audience.actions import add_subscriber

    organization, to, now = bootstrap.organization(), _list(name), bootstrap.now()
    added = _for_each(
        address, lambda each: add_subscriber(organization, each, to, consent=consent, purpose=purpose, now=now)
    )
    document = {"added": len(added), "numbers": [each.number for each in added]}
    say(document, f"{len(added):,} subscribed to {name}{_APPEALS[purpose]}.")


def _for_each[T](word: str, deed: Callable[[str], T]) -> list[T]:
    """Does it for one address, or for every line of standard input: for all of them, or for none."""
    if word != "-":
        return [deed(word)]
    from django.db import transaction

    done = []
    with transaction.atomic():
        for number, text in enumerate(sys.stdin, start=1):
            if not text.strip():
                continue
            try:
                done.append(deed(text.strip()))
            except (CommandFailed, ValueError) as wrong:
                code = getattr(wrong, "code", "refused")
                sentence = f"Line {number}: {wrong} Nothing was changed. Fix the line and try again."
                raise CommandFailed(sentence, code) from wrong
    return done


@subscribers.command("unsubscribe")
@click.argument("address", type=ADDRESSES)
@click.option("--list", "name", required=True, metavar="NAME")
@click.option("--purpose", type=click.Choice(PURPOSES), default=PURPOSES[0], show_default=True)
@common
def subscribers_unsubscribe(address: str, name: str, purpose: str) -> None:
    """Unsubscribe someone from a list, for one purpose. `-` reads addresses from standard input."""
    bootstrap.open_house()
    from samizdat.audience.actions import unsubscribe

    where, now = _list(name), bootstrap.now()
    left = sum(
        _for_each(address, lambda each: unsubscribe(_subscriber(each), where, way="desk", purpose=purpose, now=now))
    )
    sentence = f"{left:,} unsubscribed from {name}{_APPEALS[purpose]}." if left else "They had already unsubscribed."
    say({"unsubscribed": left}, sentence)


@subscribers.command("erase")
@click.argument("address", type=ADDRESS)
@common
def subscribers_erase(address: str) -> None:
    """Erase a subscriber's personal data. No import brings the address back. `-` asks for the address."""
    bootstrap.open_house()
    from samizdat.audience.actions import erase

    confirm(f"Erase {address} and everything known about this subscriber?")
    gone = erase(bootstrap.organization(), address=address, now=bootstrap.now())
    until = gone_from_backups(bootstrap.now().date()).isoformat()
    say(
        {"erased": bool(gone), "backups_until": until},
        "Erased." if gone else "There was no such subscriber. Imports will reject the address from now on.",
        f"A keyed hash of the address stays. Earlier backups still have the data, encrypted: delete them by {until}.",
    )


@subscribers.command("settle")
@common
def subscribers_settle() -> None:
    """Compare every subscriber's status with the consent records, and fix what differs. The worker compares
    nightly.
    """
    bootstrap.open_house()
    from samizdat.audience.consistency import mend_all

    checked, mended = mend_all(bootstrap.organization(), bootstrap.now())
    say(
        {"subscribers": checked.subscribers, "wrong": len(checked.wrong), "mended": mended},
        f"{checked.subscribers:,} subscribers compared, {len(checked.wrong):,} differed, {mended:,} fixed."
        if checked.wrong
        else f"{checked.subscribers:,} subscribers compared: every status matches the consent records.",
    )


for command in (access, object_, correct):
    subscribers.add_command(command)
lists.add_command(keep)
lists.add_command(of_list)


@click.command("import")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--list", "name", metavar="NAME", help="The list to import into. Only Samizdat's own export has lists of its own."
)
@click.option("--source", help="mailchimp, substack, csv …; detected from the file if not given.")
@click.option("--status", type=click.Choice(STATUSES), help="Status for files that have none.")
@click.option(
    "--map",
    "maps",
    multiple=True,
    metavar="COLUMN=TARGET",
    help="What to import a column as, such as 'Do Not Email=status' or 'Shoe size=ignore'. Once per column.",
)
@click.option(
    "--means",
    multiple=True,
    metavar="WORD=STATUS",
    help="What a value in a status column means: 'left=unsubscribed', or for one column 'On hold: yes=unsubscribed'.",
)
@click.option("--basis", default="", metavar="TEXT", help="How they agreed to get your emails. Kept word for word.")
@click.option(
    "--appeals",
    metavar="TEXT",
    help="They also agreed to fundraising appeals, in these words, as they were shown. Kept word for word.",
)
@click.option("--tag", "tags", multiple=True, metavar="NAME", help="A tag for everyone in the files; repeatable.")
@click.option(
    "--update-only",
    is_flag=True,
    help="Update fields and tags of subscribers on the list; add nobody, resubscribe nobody.",
)
@click.option(
    "--identity",
    metavar="FILE",
    help="A file with the age key or the passphrase of an encrypted Samizdat export.",
)
@click.option("--dry-run", is_flag=True, help="Show what would happen. Writes nothing.")
@common
def import_(
    files: tuple[str, ...],
    name: str | None,
    source: str | None,
    status: str | None,
    maps: tuple[str, ...],
    means: tuple[str, ...],
    basis: str,
    appeals: str | None,
    tags: tuple[str, ...],
    update_only: bool,
    identity: str | None,
    dry_run: bool,
) -> None:
    """Import subscribers from another service's export. `-` reads standard input, such as pasted addresses.

    If it was stopped, run it again: it continues.
    """
    bootstrap.open_house()
    from samizdat import plugins
    from samizdat.audience.imports import actions
    from samizdat.delivery.actions import copied_installation

    copied_installation.note_first()
    paths = [Path(file) for file in files if file != "-"]
    for path in paths:
        path.stat()  # A missing file is a sentence before anything is opened.
    options = actions.options_of(tags, update_only=update_only, appeals=appeals)
    if len(paths) == 1 and _is_own_export(paths[0]):
        if tags or update_only or appeals:
            sentence = "An export of Samizdat is restored as it is: leave out --tag, --update-only and --appeals."
            raise click.UsageError(sentence)
        bring_back(paths[0], name, identity, dry_run)
        return
    if name is None:
        raise click.UsageError("Missing option '--list'.")
    inputs: list[Path | HeldUpload] = [*paths, *([_piped()] if "-" in files else [])]
    organization, to = bootstrap.organization(), _list(name)
    warnings: list[str] = []
    columns: list[dict[str, Any]] = []
    recognized = ""
    with _asking(dry_run), progress("Looking" if dry_run else "Importing") as shown:

        def look(state: Any) -> None:
            shown.show(state.bytes_read, state.bytes_total, state.rows)

        if dry_run:
            seen = actions.look(
                organization,
                to,
                inputs,
                source=source,
                status=status,
                answers=(maps, means),
                options=options,
                now=bootstrap.now(),
                progress=look,
            )
            columns += _table(seen.plan)
            recognized = plugins.importer(seen.source).title if seen.source else ""
            warnings += [problem.sentence() for problem in seen.problems]
            counts, rejects, left_out = seen.counts, None, actions.left_out(seen.problems)
        else:
            run = actions.direct(
                organization,
                to,
                inputs,
                source=source,
                status=status,
                answers=(maps, means),
                options=options,
                basis=basis,
                now=bootstrap.now,
                progress=look,
                warned=warnings.append,
            )
            counts, rejects, left_out = run.counts, None, actions.left_out_of(run)
            if run.counts.get("rejected"):
                # From the house and not on the way: with those of before a kill, and after everything is in.
                rejects = _write_rejects(paths[0] if paths else Path(PIPED), actions.reject_rows(run))
    for warning in warnings:
        note(warning)
    document: dict[str, Any] = {word: (counts or {}).get(word, 0) for word in (*COUNTS, *BY_STATUS)}
    document |= {"warnings": warnings, "dry_run": dry_run, "rejects_file": str(rejects) if rejects else None}
    document["left_out"] = left_out
    document |= {"columns": columns, "recognized": recognized} if dry_run else {}
    about_file = [f"Recognized as an export from {recognized}.", ""] if recognized else []
    say(document, *about_file, *_columns_shown(columns), *_sums(document))


def _is_own_export(path: Path) -> bool:
    from samizdat.portability.own_format import is_export

    if not path.is_file():
        return False
    with path.open("rb") as file:
        return is_export(file)


def _piped() -> "HeldUpload":
    from samizdat.audience.imports.inspect import HeldUpload

    data = sys.stdin.buffer.read(LARGEST_PIPED + 1)
    if len(data) > LARGEST_PIPED:
        raise CommandFailed("Standard input has more than 64 MB. Import it as a file.", "too_large")
    return HeldUpload(PIPED, data)


# What an import asks that --status, --map and --means answer.
ANSWERED_BY_OPTIONS = frozenset({"ask_status", "ask_columns", "ask_givers", "ask_words", "ask_name"})


@contextmanager
def _asking(dry_run: bool) -> Iterator[None]:
    """Names the options that answer. The desk says the same sentence and has fields there."""
    from samizdat.audience.errors import ImportRefused

    try:
        yield
    except ImportRefused as refused:
        if refused.plan is None or refused.code not in ANSWERED_BY_OPTIONS:
            raise
        from samizdat.audience.imports.inspect import advice

        columns = _table(refused.plan)
        options = advice(refused.plan)
        shown = columns if dry_run else [column for column in columns if column["asks"]]
        sentence = f"{refused} {_how_to_answer(refused, options)}"
        left_out = [problem.sentence() for problem in refused.plan.said_out()]
        document = {"columns": columns, "options": options, "warnings": left_out}
        raise CommandFailed(sentence, refused.code, document, [*_columns_shown(shown), *left_out]) from refused


def _how_to_answer(refused: "ImportRefused", options: str) -> str:
    if refused.code == "ask_name":
        return "Add --status unsubscribed if they did unsubscribe."
    if refused.code != "ask_status":
        where = (
            (
                " Replace STATUS with a status, or with nothing. For a column about something else: "
                "'COLUMN=ignore' or 'COLUMN=field'."
            )
            if "=STATUS" in options
            else ""
        )
        return f"Check these options, fix what is wrong, and add them: {options}{where}"
    if refused.plan and any(file.says_no for file in refused.plan.in_order()):
        return (
            "Add --status for rows without one. Those that a column shows as unsubscribed stay unsubscribed. "
            "Choose nonsubscribed (no consent) unless you know that they agreed."
        )
    return "Add --status, such as --status subscribed."


def _table(plan: "ImportPlan") -> list[dict[str, object]]:
    from samizdat.audience.imports.inspect import table as columns_of

    return columns_of(plan)


def _columns_shown(columns: list[dict[str, Any]]) -> list[str]:
    """The table of columns; under one that tells a status each of its words, with how many rows have it."""
    if not columns:
        return []
    rows: list[tuple[Any, ...]] = []
    for column in columns:
        becomes = f"{column['becomes']}?" if column["asks"] else column["becomes"]
        rows.append((marked(column["column"]), becomes, ""))
        for word in column["words"]:
            means = word["means"] or "? say what it means"
            rows.append((f"    {marked(word['word'])}", means, "" if word["rows"] is None else f"{word['rows']:,}"))
    return [*table(("column", "becomes", "rows"), rows), ""]


def _sums(document: dict[str, Any]) -> list[str]:
    lines = [f"{document[word]:>12,}  {word}" for word in COUNTS[1:] if document[word] or word != "skipped"]
    lines += [f"{document['rows']:>12,}  rows", ""]
    lines += [f"{document[word]:>12,}  {word}" for word in BY_STATUS if document[word]]
    if document["rejects_file"]:
        lines.append(f"Rejected rows, with line and reason: {document['rejects_file']}")
    if document["dry_run"]:
        lines.append("Dry run: nothing was written.")
    elif document["rows"] and document["unchanged"] + document["rejected"] == document["rows"]:
        lines.append("Everything was already here. Nothing was changed.")
    return lines


def _write_rejects(beside: Path, rows: Iterable[tuple[str, int, str]]) -> Path | None:
    """Rejected lines as a file beside the input; in the working folder when the input's cannot be written to (a stick,
    a disc). None, with a word, when neither can."""
    name = f"{beside.stem}.rejected.csv"
    for path in (beside.with_name(name), Path(name)):
        try:
            file = path.open("w", newline="", encoding="utf-8")
        except OSError:
            continue
        with file:
            written = csv.writer(file)
            written.writerow(("file", "line", "reason"))
            # A cell that begins like a formula is one to a spreadsheet; file names come from strangers.
            written.writerows(("'" + who if who[:1] in "=+-@\t\r" else who, *where) for who, *where in rows)
        return path
    note(f"Can't write next to {beside}. See the rejected rows on the page of the import.")
    return None

"""Commands over the network: `samizdat --url URL --key-file FILE COMMAND`, by the API and its client alone. Nothing of
this machine's own installation is opened."""

import csv
import io
import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from itertools import batched
from pathlib import Path
from typing import Any

import click

from samizdat.cli.output import CommandFailed, common, confirm, note, say, table
from samizdat.cli.secret_arguments import ADDRESS
from samizdat_client import Client, List, NoAnswer, NotAsDescribed, Problem, Results, State, SubscriberIn, read_key

# Subscribers of a request, and seconds between two questions about what goes on.
BATCH, EVERY = 500, 2.0
STATUSES = ("subscribed", "unsubscribed", "cleaned", "nonsubscribed", "pending")
# How a file calls the column of addresses.
_EMAIL = frozenset({"email", "e-mail", "email address", "email_address", "адрес", "почта"})
_SERVER_ONLY = "This command works on the server alone. Over the network there are: {known}."


class ServerOnly(click.Command):
    """In place of a command that there is on the server, and not over the network."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        def refuse(**_options: object) -> None:
            raise CommandFailed(_SERVER_ONLY.format(known=", ".join(known)), "server_only")

        super().__init__(
            name,
            callback=common(refuse, chooses=False),
            context_settings={"ignore_unknown_options": True},
            params=[click.Argument(["words"], nargs=-1, type=click.UNPROCESSED)],
            help=_SERVER_ONLY.format(known=", ".join(known)),
        )
        _ask_for_shared(self)


def _ask_for_shared(command: click.Command) -> None:
    """--json and so on, which `common` leaves with a function for click to find."""
    command.params += reversed(getattr(command.callback, "__click_params__", []))


class RemoteGroup(click.Group):
    def get_command(self, context: click.Context, name: str) -> click.Command:
        return super().get_command(context, name) or ServerOnly(name, known())


# -- the connection -------------------------------------------------------------------------------------------------


@contextmanager
def _connected() -> Iterator[Client]:
    """Errors: CommandFailed, also for what the server answers."""
    asked = click.get_current_context().find_root().params
    try:
        with Client(asked["url"], _key(asked["key_file"])) as client:
            yield client
    except Problem as problem:
        places = "".join(f" {flaw.at}: {flaw.detail}" for flaw in problem.flaws)
        raise CommandFailed(f"{problem}{places}", problem.code or "refused") from None
    except (NoAnswer, NotAsDescribed) as error:
        raise CommandFailed(str(error), "no_answer") from None
    except ValueError as wrong:
        raise CommandFailed(str(wrong), "bad_address") from None


def _key(file: str) -> str:
    """Errors: CommandFailed where others may read it; OSError, ValueError."""
    mode = os.stat(file).st_mode
    if stat.S_ISREG(mode) and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise CommandFailed(f"Others may read the file {file}. Run: chmod 600 {file}", "open_file")
    return read_key(file)


def _list(client: Client, name: str) -> List:
    """By name or number. Errors: CommandFailed."""
    lists = client.all_lists().items
    wanted = [each for each in lists if each.name == name] or [each for each in lists if str(each.id) == name]
    if not wanted:
        names = ", ".join(each.name for each in lists) or "none"
        raise CommandFailed(f"There's no list {name} that this key can use. It can use: {names}.", "no_such_list")
    return wanted[0]


# -- lists and subscribers ------------------------------------------------------------------------------------------


@click.group("list", cls=RemoteGroup)
def lists() -> None:
    """What people subscribe to."""


@lists.command("ls")
@common
def list_ls() -> None:
    """Lists that the key can use, and how many subscribers each has."""
    with _connected() as client:
        rows = client.all_lists().items
    totals = [asdict(row.totals) for row in rows]
    say(
        {
            "lists": [
                {"id": row.id, "name": row.name, "archived": row.archived, **counts}
                for row, counts in zip(rows, totals, strict=True)
            ]
        },
        *table(
            ("name", *STATUSES),
            [(row.name, *[counts[word] for word in STATUSES]) for row, counts in zip(rows, totals, strict=True)],
        ),
    )


@click.group("subscribers", cls=RemoteGroup)
def subscribers() -> None:
    """Subscribers, one at a time."""


@subscribers.command("show")
@click.argument("address", type=ADDRESS)
@common
def subscribers_show(address: str) -> None:
    """One subscriber, with lists, fields and tags."""
    with _connected() as client:
        shown = client.look_up_subscriber(email=address)
        names = {each.id: each.name for each in client.all_lists().items}
    lines = [f"No. {shown.number}  {shown.email}", *(f"{tag}: {text}" for tag, text in shown.fields.items() if text)]
    lines += [f"Tags: {', '.join(shown.tags)}"] if shown.tags else []
    lines += [f"{names.get(row.list, row.list)}: {row.status}" for row in shown.lists]
    say(asdict(shown), *lines)


@subscribers.command("add")
@click.argument("address", type=ADDRESS)
@click.option("--list", "name", required=True, metavar="NAME")
@click.option(
    "--consent", required=True, metavar="TEXT", help="What they agreed to, and how. It is kept word for word."
)
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Can be repeated.")
@common
def subscribers_add(address: str, name: str, consent: str, tags: tuple[str, ...]) -> None:
    """Add a subscriber who has agreed. Who unsubscribed stays unsubscribed."""
    with _connected() as client:
        done = client.put_subscriber(email=address, list=_list(client, name).id, consent=consent, tags=tags or None)
    words = {"left": "They unsubscribed before, so nothing was changed.", "unchanged": "Nothing was new."}
    say({"number": done.number, "result": done.result}, words.get(done.result or "", f"Subscribed to {name}."))


@subscribers.command("tag")
@click.argument("address", type=ADDRESS)
@click.option("--add", "added", multiple=True, metavar="TAG", help="Can be repeated.")
@click.option("--remove", "removed", multiple=True, metavar="TAG", help="Can be repeated.")
@common
def subscribers_tag(address: str, added: tuple[str, ...], removed: tuple[str, ...]) -> None:
    """Add tags to a subscriber, or remove them."""
    if not added and not removed:
        raise click.UsageError("Say which tag: --add TAG or --remove TAG.")
    with _connected() as client:
        number = client.look_up_subscriber(email=address).number
        changed = client.change_subscriber(number, add_tags=added or None, remove_tags=removed or None)
    say({"number": number, "tags": changed.tags}, f"Tags: {', '.join(changed.tags) or 'none'}")


@subscribers.command("unsubscribe")
@click.argument("address", type=ADDRESS)
@click.option("--list", "name", metavar="NAME", help="Otherwise: all lists of the key.")
@common
def subscribers_unsubscribe(address: str, name: str | None) -> None:
    """Unsubscribe an address. The answer is the same whether anybody has it."""
    with _connected() as client:
        client.unsubscribe_subscriber(email=address, list=_list(client, name).id if name else None)
    say({"unsubscribed": True}, "Unsubscribed.")


# -- import ---------------------------------------------------------------------------------------------------------


@click.command("import")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--list", "name", required=True, metavar="NAME")
@click.option(
    "--consent", required=True, metavar="TEXT", help="What they agreed to, and how. It is kept word for word."
)
@common
def import_(file: Path, name: str, consent: str) -> None:
    """Add or change subscribers from a CSV file: a column email, the others named as fields are. Twice changes nothing
    more."""
    with _connected() as client:
        to, fields = _list(client, name), client.all_fields().items
        known = {word.casefold(): each.tag for each in fields for word in (each.label, each.tag)}
        rows, left_out = _rows(file, known)
        if left_out:
            note(f"No fields are named so, and these columns are left out: {', '.join(left_out)}.")
        confirm(f"Import {len(rows):,} rows into {to.name}?")
        counts, rejects = dict.fromkeys(("added", "updated", "unchanged", "left"), 0), list[dict[str, Any]]()
        for batch in batched(rows, BATCH):
            people = [SubscriberIn(email=email, fields=values) for _line, email, values in batch]
            done = client.put_subscribers(list=to.id, consent=consent, subscribers=people)
            rejects += [{"line": batch[each.index][0], "reason": each.detail} for each in done.rejects]
            for word in counts:
                counts[word] += getattr(done, word) or 0
    for each in rejects:
        note(f"Line {each['line']}: {each['reason']}")
    shown = ", ".join(f"{count:,} {word}" for word, count in counts.items())
    document = {"rows": len(rows), **counts, "rejected": len(rejects), "rejects": rejects, "left_out": left_out}
    say(document, f"{len(rows):,} rows: {shown}, {len(rejects):,} rejected.")


type _Row = tuple[int, str, dict[str, str]]


def _rows(file: Path, known: dict[str, str]) -> tuple[list[_Row], list[str]]:
    """(line, address, values by tag) of each, and the columns that are left out. known: name of a field, in small
    letters -> tag. Errors: CommandFailed, OSError."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CommandFailed(f"{file} isn't UTF-8. Save it as CSV with UTF-8 and try again.", "not_utf8") from None
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text), delimiter=max(",;\t", key=first.count))
    heads = [head.strip() for head in next(reader, [])]
    columns = [None if head.casefold() in _EMAIL else known.get(head.casefold(), "") for head in heads]
    if columns.count(None) != 1:
        raise CommandFailed("The first line has to name the columns, and one of them email.", "no_email_column")
    at = columns.index(None)
    rows = [
        (reader.line_num, cells[at].strip(), {tag: cell for tag, cell in zip(columns, cells, strict=False) if tag})
        for cells in reader
        if len(cells) > at and cells[at].strip()
    ]
    if not rows:
        raise CommandFailed(f"There is no address in {file}.", "no_rows")
    return rows, [head for head, tag in zip(heads, columns, strict=True) if tag == ""]


# -- campaigns ------------------------------------------------------------------------------------------------------

_NUMBER = click.argument("number", metavar="ID", type=click.IntRange(1))


@click.group("campaign", cls=RemoteGroup)
def campaign() -> None:
    """Campaigns: check, test, send."""


@campaign.command("ls")
@common
def campaign_ls() -> None:
    """The newest campaigns."""
    with _connected() as client:
        rows = client.list_campaigns(count=50).items
    say(
        {"campaigns": [asdict(row) for row in rows]},
        *table(("id", "state", "recipients", "subject"), [(r.id, r.state, r.recipients, r.subject[:60]) for r in rows]),
    )


@campaign.command("check")
@_NUMBER
@common
def campaign_check(number: int) -> None:
    """Check a campaign for problems and warnings."""
    with _connected() as client:
        checks = client.check_campaign(number)
    stops = [each for each in checks.findings if each.severity == "stop"]
    lines = [f"{each.severity}: {each.detail}" for each in checks.findings]
    lines += [] if checks.recipients is None else [f"{checks.recipients:,} would get it."]
    if stops:
        raise CommandFailed("It can't be sent like this. Fix what is marked stop.", "flaws", asdict(checks), lines)
    say(asdict(checks), *lines)


@campaign.command("test")
@_NUMBER
@click.option("--to", "addresses", type=ADDRESS, required=True, multiple=True, metavar="ADDRESS")
@common
def campaign_test(number: int, addresses: tuple[str, ...]) -> None:
    """Send a test to people of your team."""
    with _connected() as client:
        asked = client.test_campaign(number, to=addresses).id
        while (shown := client.get_test(number, asked)).state == "waiting":
            time.sleep(EVERY)
    lines = [f"{addresses[each.index]}: {each.detail}" for each in shown.tested]
    if shown.state != "done" or not all(each.accepted for each in shown.tested):
        sentence = shown.detail or "No worker answered. Look at the server, then try again."
        sentence = "Not every test was accepted." if shown.tested else sentence
        raise CommandFailed(sentence, shown.state, asdict(shown), lines)
    say(asdict(shown), *lines)


@campaign.command("send")
@_NUMBER
@click.option("--at", "when", type=datetime.fromisoformat, metavar="TIME", help="ISO 8601 with an offset from UTC.")
@click.option("--hold", "minutes", type=click.IntRange(0, 24 * 60), default=0, help="Undo window, in minutes.")
@click.option("--again", is_flag=True, help="Though the same campaign went to this list within a day.")
@click.option("--wait", is_flag=True, help="Wait until sending finishes.")
@common
def campaign_send(number: int, when: datetime | None, minutes: int, again: bool, wait: bool) -> None:
    """Send or schedule a campaign, by all rules of the app."""
    if when is not None and when.tzinfo is None:
        raise click.UsageError("--at needs an offset, as in 2026-12-10T09:00:00+02:00.")
    with _connected() as client:
        checks = client.check_campaign(number)
        reach = "its segment" if checks.recipients is None else f"{checks.recipients:,} subscribers"
        confirm(f"Send campaign {number} to {reach}?")
        state = client.release_campaign(
            number,
            seen=checks.seen,
            recipients=checks.recipients,
            waiting=checks.waiting,
            at=when,
            hold_minutes=minutes or None,
            again=again or None,
        )
        results = _wait(client, number) if wait else client.get_results(number)
    _say_state(state, results)


def _wait(client: Client, number: int) -> Results:
    """Until nothing waits. Errors: CommandFailed where it was stopped meanwhile."""
    while (results := client.get_results(number)).waiting:
        state = client.get_campaign(number).state
        if state in ("paused", "cancelled", "draft"):
            raise CommandFailed(f"The campaign is {state}. Look at it in the app.", state, asdict(results))
        time.sleep(EVERY)
    return results


@campaign.command("status")
@_NUMBER
@common
def campaign_status(number: int) -> None:
    """What became of a campaign, as totals."""
    with _connected() as client:
        row, results = client.get_campaign(number), client.get_results(number)
    document = {"id": number, "state": row.state, **asdict(results)}
    say(document, f"{row.subject[:60]}: {row.state}", *_lines(results))


def _state_command(word: str, deed: Callable[[Client, int], State], text: str) -> None:
    @campaign.command(word, help=text)
    @_NUMBER
    @common
    def _changed(number: int) -> None:
        with _connected() as client:
            state, results = deed(client, number), client.get_results(number)
        _say_state(state, results)


_state_command("pause", Client.pause_campaign, "Pause a campaign. Emails under way are finished.")
_state_command("resume", Client.resume_campaign, "Resume a campaign that a program or person paused.")
_state_command("undo", Client.undo_campaign, "Make it a draft again, as long as nothing has been sent.")
_state_command("cancel", Client.cancel_campaign, "Cancel a campaign: nobody else gets it, for good.")


def _say_state(state: State, results: Results) -> None:
    document = {"id": state.id, "state": state.state, "not_before": state.not_before, **asdict(results)}
    say(document, f"Campaign {state.id}: {state.state}.", *_lines(results))


def _lines(results: Results) -> list[str]:
    counts = asdict(results)
    return [", ".join(f"{count:,} {word}" for word, count in counts.items() if count)] if results.recipients else []


COMMANDS: dict[str, click.Command] = {
    "list": lists,
    "subscribers": subscribers,
    "import": import_,
    "campaign": campaign,
}


def known() -> list[str]:
    """As they are typed."""
    words = []
    for name, command in COMMANDS.items():
        words += [f"{name} {each}" for each in command.commands] if isinstance(command, click.Group) else [name]
    return words


def command_named(name: str) -> click.Command:
    return COMMANDS.get(name) or ServerOnly(name, known())

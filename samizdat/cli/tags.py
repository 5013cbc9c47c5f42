"""tag: given to many and taken from many, by their addresses or by a segment."""

import sys
from collections.abc import Iterable, Iterator
from itertools import batched, chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from samizdat.cli import bootstrap
from samizdat.cli.output import CommandFailed, common, confirm, say, table

if TYPE_CHECKING:
    from samizdat.accounts.models import Organization

# People of one work, which can be undone as one; its plan holds their numbers.
MANY = 50_000


@click.group("tag")
def tags() -> None:
    """Tags: add to or remove from many subscribers at once."""


def _whom(command: Any) -> Any:
    """The two ways of saying who is meant."""
    addresses = click.option(
        "--addresses", "file", metavar="FILE|-", help="A text file with one address per line; - is standard input."
    )
    return addresses(click.option("--segment", metavar="NAME", help="Subscribers who are in it now.")(command))


@tags.command("ls")
@common
def tag_ls() -> None:
    """All tags, and how many subscribers have each."""
    bootstrap.open_house()
    from samizdat.audience import queries

    organization = bootstrap.organization()
    rows = [(name, queries.count_subscribers(organization, tag=name)) for _id, name in queries.tags(organization)]
    document = {"tags": [{"name": name, "count": count} for name, count in rows]}
    say(document, *table(("name", "subscribers"), [(name, f"{count:,}") for name, count in rows]))


@tags.command("add")
@click.argument("name")
@_whom
@common
def tag_add(name: str, file: str | None, segment: str | None) -> None:
    """Add a tag to subscribers; it is created if new. Can be undone in the app for a day."""
    bootstrap.open_house()
    from samizdat.audience.actions import bulk, tags_for

    organization = bootstrap.organization()
    if not name.strip():
        raise CommandFailed("The tag has no name. Enter one.", "no_name")
    given, numbers = _numbers(organization, file, segment)
    confirm(f"Add the tag {name} to {len(numbers):,} subscribers?")
    tag = tags_for(organization, [name.strip()])[name.strip()]
    _do(organization, bulk.TAG, tag, given, numbers)


@tags.command("remove")
@click.argument("name")
@_whom
@common
def tag_remove(name: str, file: str | None, segment: str | None) -> None:
    """Remove a tag from subscribers. Can be undone in the app for a day."""
    bootstrap.open_house()
    from samizdat.audience.actions import bulk
    from samizdat.audience.queries import tag_named

    organization = bootstrap.organization()
    tag = tag_named(organization, name)
    if tag is None:
        raise CommandFailed(f"There's no tag {name}. See: samizdat tag ls", "no_such_tag")
    given, numbers = _numbers(organization, file, segment)
    confirm(f"Remove the tag {name} from {len(numbers):,} subscribers?")
    _do(organization, bulk.UNTAG, tag.id, given, numbers)


def _numbers(organization: "Organization", file: str | None, segment: str | None) -> tuple[int, list[int]]:
    """(how many were named, the numbers of those that are here)."""
    if (file is None) == (segment is None):
        raise click.UsageError("Choose subscribers: either --addresses or --segment.")
    if segment is not None:
        numbers = _of_segment(organization, segment)
        return len(numbers), numbers
    from samizdat.audience.queries import numbers_at

    given = {address for _line, address in _read(file or "-")}
    return len(given), sorted(set(chain.from_iterable(numbers_at(organization, part) for part in batched(given, 500))))


def _of_segment(organization: "Organization", name: str) -> list[int]:
    from samizdat.audience.models import NUMBER_MASK
    from samizdat.audience.segments import lookup
    from samizdat.audience.segments.lookup import check
    from samizdat.audience.segments.members import MemberReader
    from samizdat.vault import keyring

    row = lookup.segment_named(organization, name)
    tree = lookup.opened(keyring.keys(organization), row).tree
    check(organization, tree)
    reader = MemberReader(organization, tree, organization.day_of(bootstrap.now()))
    return [id & NUMBER_MASK for page in reader.ids() for id in page]


def _read(file: str) -> Iterator[tuple[int, str]]:
    """(line, comparable address) of each. Errors: Failed at the first line that is none, before anything is changed."""
    from samizdat.core.mail import address

    data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    try:
        lines: Iterable[str] = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise CommandFailed(f"{file} is not UTF-8 text. Save it as UTF-8 and try again.", "bad_encoding") from None
    for number, text in enumerate(lines, start=1):
        if text.strip():
            try:
                yield number, address.comparable(address.normalize(text.strip()))
            except address.BadAddress as wrong:
                sentence = f"Line {number}: {wrong} Nothing was changed. Fix the line and try again."
                raise CommandFailed(sentence, "bad_address") from wrong


def _do(organization: "Organization", deed: str, tag: int, given: int, numbers: list[int]) -> None:
    from samizdat.audience.actions import bulk
    from samizdat.audience.filters import Filter
    from samizdat.audience.models import BulkAction

    changed = 0
    for part in batched(numbers, MANY):
        plan = bulk.BulkPlan(deed, Filter(numbers=part), tag=tag)
        if bulk.count(organization, plan)[1]:
            work = bulk.begin(organization, plan, now=bootstrap.now())
            bulk.run(work.id, bootstrap.now)
            changed += BulkAction.objects.values_list("changed", flat=True).get(id=work.id)
    unknown = given - len(numbers)
    document = {"given": given, "found": len(numbers), "unknown": unknown, "changed": changed}
    say(document, f"{changed:,} changed, {len(numbers) - changed:,} unchanged, {unknown:,} unknown.")
